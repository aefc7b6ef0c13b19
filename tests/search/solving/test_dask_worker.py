import subprocess
import sys

TRACKING = {"mlflow", "optuna", "pandas", "sqlalchemy"}


def test_workers_need_not_import_what_tracks_a_search():
    command = "import regsearch.search.solving.dask_worker, sys; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert not TRACKING & set(imported.split())
