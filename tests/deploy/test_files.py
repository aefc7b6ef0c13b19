"""What deploy/ ships is what its readers take: systemd, a shell, Slurm's and Kubernetes' schedulers."""

import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from dask_jobqueue import SLURMCluster
from mlflow import environment_variables

from regsearch import run_search
from tests import needs
from tests.deploy.conftest import DEPLOY, settings
from tests.guarantees.conftest import one_ridge
from tests.servers import until

pytestmark = pytest.mark.slow

OF_OTHERS = {"PATH", "PGHOST", "OPTUNA_STORAGE", "BACKUPS", "BACKUP_DAYS"}
OPTIONS = {"MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"}  # MLflow reads these for its options alone


def test_systemd_takes_the_units(tmp_path):
    needs.command("systemd-analyze", "systemd")
    for path in (tmp_path / ".venv" / "bin" / "mlflow", tmp_path / "deploy" / "backup.sh"):
        path.parent.mkdir(parents=True)
        path.touch(mode=0o755)
    for file in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")]:
        text = file.read_text().replace("/opt/regsearch", str(tmp_path))
        (tmp_path / file.name).write_text(text)
    units = [*tmp_path.glob("mlflow*.service"), *tmp_path.glob("*.timer")]
    assert len(units) == 3
    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    mine = [line for line in verified.stderr.splitlines() if any(unit.name in line for unit in units)]
    assert (verified.returncode, mine) == (0, [])


def test_the_scripts_are_sound():
    checked = subprocess.run(
        ["shellcheck", "-x", *DEPLOY.glob("*.sh")],
        cwd=DEPLOY.parent,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},  # where its package puts it
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_every_setting_is_one_that_is_read():
    known = {*vars(environment_variables), *OPTIONS, *OF_OTHERS}
    known |= {f"MLFLOW_{name}" for name in ("HOST", "PORT", "WORKERS")}
    assert {*settings((DEPLOY / "server.env").read_text())} <= known


def test_a_job_of_slurm_s_starts_one_worker_of_one_thread():
    script = runpy.run_path(str(DEPLOY / "slurm.py"))
    with SLURMCluster(
        **script["WORKER"], scheduler_options={"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    ) as cluster:
        job, address = cluster.job_script(), cluster.scheduler_address
    lines = job.splitlines()
    for wanted in ("#SBATCH -n 1", "#SBATCH --cpus-per-task=1", "#SBATCH --mem=8G", "#SBATCH -t 04:00:00"):
        assert wanted in lines
    words = shlex.split(lines[-1])
    assert words[:4] == [sys.executable, "-m", "distributed.cli.dask_worker", address]
    assert words[words.index("--nthreads") + 1] == "1"


def test_the_pods_of_kubernetes_solve_a_search(workspace, recording, tmp_path):
    """Their commands, run here: where the operator says by variables what this does by options."""
    np.savez(workspace / "recording.npz", X=recording.X, y=recording.y)
    spec = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["spec"]
    (scheduler,), (worker,) = (spec[part]["spec"]["containers"] for part in ("scheduler", "worker"))
    assert spec["scheduler"]["service"]["ports"][0]["targetPort"] == scheduler["ports"][0]["name"]
    file = tmp_path / "scheduler.json"
    own = ["--host", "127.0.0.1", "--scheduler-file", str(file)]
    first = _start(scheduler["args"], *own, "--port", "0")
    until(file.exists, first)
    second = _start(worker["args"], *own, "--no-dashboard")
    try:
        address = yaml.safe_load(file.read_text())["address"]
        result = run_search(one_ridge(), cluster=address, progress=False)
    finally:
        for process in (second, first):
            process.kill()
            process.wait()
    assert result.new_trials == 2


def _start(arguments, *own):
    words = [word.replace("$(DASK_WORKER_NAME)", "one") for word in arguments]
    return subprocess.Popen([sys.executable, "-m", *words, *own], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
