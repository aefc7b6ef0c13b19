"""Which runs have some tags: the one place that searches MLflow for runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from mlflow.entities import Run, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from regsearch.tracking.listing import listed
from regsearch.tracking.store import Store

SEARCH = {"role": "search"}
"""Tag of the parent run of a search."""


def runs_with(
    store: Store,
    tags: Mapping[str, str],
    *,
    experiments: Sequence[str] | None = None,
    status: str = "",
    order_by: Sequence[str] = (),
    deleted: bool = False,
) -> Iterator[Run]:
    """Yield the runs that have all of some tags.

    Parameters
    ----------
    store : Store
    tags : mapping of str to str
    experiments : sequence of str or None
        Ids of the experiments to look in; ``None`` for all.
    status : str
        The runs' status; empty for any.
    order_by : sequence of str
        In MLflow's syntax; without it the latest comes first.
    deleted : bool
        Whether to look in MLflow's bin too.
    """
    if experiments is None:
        experiments = store.experiments(deleted=deleted)
    conditions = [f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items() if _quoted(value)]
    if not experiments or len(conditions) < len(tags):
        return
    if status:
        conditions.append(f"attributes.status = '{status}'")
    yield from listed(
        store.client.search_runs,
        list(experiments),
        " AND ".join(conditions),
        run_view_type=ViewType.ALL if deleted else ViewType.ACTIVE_ONLY,
        order_by=list(order_by),
    )


def open_runs(store: Store, search_id: str | None = None) -> list[Run]:
    """Return the open runs of a search, its trials first, or by ``None`` the open parent runs of all searches."""
    if search_id is None:
        return [run for run in runs_with(store, SEARCH, status="RUNNING") if _is_search(run)]
    found = runs_with(store, {"search_id": search_id}, status="RUNNING")
    return sorted(found, key=lambda run: run.data.tags.get("role") == "search")


def searches(store: Store, name: str | None = None, *, limit: int = 5) -> list[Run]:
    """Return the parent runs of the latest searches, the latest first.

    Parameters
    ----------
    store : Store
    name : str or None
        Only those of this experiment.
    limit : int
        How many at most.
    """
    named = None if name is None else store.client.get_experiment_by_name(name)
    experiments = [named.experiment_id] if named else None if name is None else []
    found = runs_with(store, SEARCH, experiments=experiments, order_by=["attributes.start_time DESC"])
    return list(islice(filter(_is_search, found), limit))


def parents_of(store: Store, experiments: Sequence[str] | None, search_id: str, *, deleted: bool = False) -> list[Run]:
    """Return the parent runs of a search, the oldest first, with or without those in MLflow's bin."""
    tags = {"search_id": search_id, **SEARCH}
    oldest_first = ["attributes.start_time ASC"]
    found = runs_with(store, tags, experiments=experiments, order_by=oldest_first, deleted=deleted)
    return list(filter(_is_search, found))


def _is_search(run: Run) -> bool:
    """Return whether a run that is tagged as a search has what every search's run has."""
    return {"search_id", "data_sha256"} <= run.data.tags.keys() and MLFLOW_PARENT_RUN_ID not in run.data.tags


def _quoted(value: str) -> str:
    """Return a value as MLflow's search takes it, or nothing if it cannot be searched for."""
    quote = next((mark for mark in "'\"" if mark not in value), "")
    return f"{quote}{value}{quote}" if quote else ""
