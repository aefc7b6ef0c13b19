"""Recordings: where they come from, how their rows are split, and how the test rows stay sealed."""

from regsearch.data.annotations import Annotations
from regsearch.data.entry import Entry
from regsearch.data.frames import from_arrays, from_frame
from regsearch.data.memory import fits_in_memory
from regsearch.data.recording import Recording
from regsearch.data.roles import Roles
from regsearch.data.seal import (
    Development,
    FoldRows,
    Preparation,
    Rows,
    Scale,
    SealedTest,
    require_usable,
    seal,
    seal_targets,
)
from regsearch.data.sources import (
    MEMORY,
    contents,
    fingerprint,
    is_example,
    is_path,
    is_recording,
    load,
    load_targets,
    shape,
)
from regsearch.data.split import Split
from regsearch.errors import DataError

__all__ = [
    "MEMORY",
    "Annotations",
    "DataError",
    "Development",
    "Entry",
    "FoldRows",
    "Preparation",
    "Recording",
    "Roles",
    "Rows",
    "Scale",
    "SealedTest",
    "Split",
    "contents",
    "fingerprint",
    "fits_in_memory",
    "from_arrays",
    "from_frame",
    "is_example",
    "is_path",
    "is_recording",
    "load",
    "load_targets",
    "require_usable",
    "seal",
    "seal_targets",
    "shape",
]
