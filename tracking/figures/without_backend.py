"""Import matplotlib whatever MPLBACKEND says.

Its import fails if that variable names a backend that is not installed, as one that a notebook's kernel handed on may
be.  The figures here need no backend.
"""

import os
from contextlib import suppress

_wanted = os.environ.pop("MPLBACKEND", "")
try:
    import matplotlib as mpl
finally:
    if _wanted:
        os.environ["MPLBACKEND"] = _wanted
if _wanted:
    with suppress(ValueError):
        mpl.rcParams["backend"] = _wanted
