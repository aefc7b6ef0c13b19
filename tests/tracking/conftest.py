import pytest

from regsearch.tracking.records import SearchRecord
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store

SEARCH = SearchRecord("abc123", "search abc123", "what it is", "units", "f" * 64, "here.npz", (120, 200), {"seed": "3"})


@pytest.fixture
def store(workspace):
    return open_store()


@pytest.fixture
def run(store):
    return SearchRun.start(store, "small", SEARCH)
