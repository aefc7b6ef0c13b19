"""Importing the package changes nothing that another package could notice."""

import json
import subprocess
import sys

PRINT = """
import json, logging, os, sys, warnings
from multiprocessing.reduction import ForkingPickler
import numpy, pandas, pooch, pyarrow.csv, pyarrow.parquet, tqdm  # whatever these do is theirs

def state():
    return [
        sorted(map(str, ForkingPickler._extra_reducers)),
        dict(os.environ),
        list(map(str, warnings.filters)),
        {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict},
        numpy.geterr(),
    ]

before = state()
import pkgutil
import regsearch.data
for module in pkgutil.iter_modules(regsearch.data.__path__):
    __import__(f"regsearch.data.{module.name}")
print(json.dumps([before, state()]))
"""


def test_importing_every_module_leaves_picklers_environment_warnings_and_loggers_alone():
    before, after = json.loads(subprocess.check_output([sys.executable, "-c", PRINT], text=True))
    assert after == before
