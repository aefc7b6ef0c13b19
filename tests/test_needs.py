"""The tests run on a machine that has only Python and the packages of the extra `dev`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs

ROOT = Path(__file__).parents[1]

COLLECT = """
import sys
sys.modules.update(dict.fromkeys(["dask", "distributed", "playwright", "psycopg"]))  # importing one raises
import pytest
sys.exit(pytest.main(["--collect-only", "-qq", "--assert=plain", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


def test_a_test_that_lacks_a_command_skips_and_fails_where_everything_is_required(monkeypatch):
    monkeypatch.delenv("REGSEARCH_REQUIRE_ALL", raising=False)
    monkeypatch.setenv("CI", "true")  # as hosted runners do
    with pytest.raises(pytest.skip.Exception, match=r"no such-command; on Debian: apt-get install such-package$"):
        needs.command("such-command", "such-package")
    monkeypatch.setenv("REGSEARCH_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no such-command"):
        needs.command("such-command", "such-package")


@pytest.mark.slow
def test_unit_tests_import_no_database_driver_cluster_or_browser():
    folders = ("tests/data", "tests/search", "tests/tracking", "--ignore=tests/search/solving/test_dask_engine.py")
    command = [sys.executable, "-c", COLLECT, *folders]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert collected.returncode == 0, collected.stdout
