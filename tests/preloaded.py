"""What a process does once that saves a model, and takes a third of a second: finding out what is installed.

What was imported until then is never garbage, and looked at for it in none of the processes that are forked from here.
"""

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from regsearch.tracking.estimator import fitted
from regsearch.tracking.model import save

with TemporaryDirectory() as folder:
    save(fitted(np.ones(1), 0.0, [(np.eye(2, 1), None)], strengths=(0, 0)), Path(folder, "model"))

gc.freeze()
