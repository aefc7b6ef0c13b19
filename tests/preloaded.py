"""What a process does once that saves a model, and takes a third of a second: finding out what is installed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from regsearch.tracking.model import linear_model, save

with TemporaryDirectory() as folder:
    save(linear_model(np.ones(1), 0.0, ()), np.dtype(np.float64), Path(folder, "model"))
