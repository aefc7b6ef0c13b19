"""The record of opened test rows: kept in several places, so that it survives what people delete or rename.

A search's run, its experiment and its registered model each hold it.  Deleted runs and experiments are asked too, until
`mlflow gc` removes them, and the strictest answer counts: what any place remembers has happened.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from regsearch.tracking import registry
from regsearch.tracking.listing import listed
from regsearch.tracking.queries import SEARCH, runs_with
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store

_KEY, _FOR, _AT = "test_key", "test_opened_for", "test_opened_at"
_LONGEST = 5000
"""Characters that the value of an experiment's tag has room for."""


def winner(search_id: str, family: str, trial: int) -> str:
    """Return what identifies a winner: a run that was deleted and made again has another id, but is the same trial."""
    return f"{search_id}/{family}/{trial}"


def opened(store: Store, test_key: str) -> tuple[str, ...]:
    """Return the winners for which some test rows were opened, over all searches; see `winner`.

    Parameters
    ----------
    store : Store
    test_key : str
        Identity of the test rows: of the data and of the split.
    """
    tag = _tag(test_key)
    parents = runs_with(store, {_KEY: test_key, **SEARCH}, deleted=True)
    experiments = listed(store.client.search_experiments, view_type=ViewType.ALL)
    models = listed(store.client.search_registered_models)
    noted = [known for one in (*experiments, *models) for known in _listed(one.tags.get(tag, ""))]
    winners = [one for parent in parents for one in _winners_of(store, parent, noted)]
    return tuple(dict.fromkeys([*winners, *noted]))


def _winners_of(store: Store, parent: Run, noted: Sequence[str]) -> list[str]:
    """Return the winners that a search's run remembers, except those whose runs are gone and which others name."""
    named = [_named(store, run_id) for run_id in _listed(parent.data.tags.get(_FOR, ""))]
    gone = [one for one in named if "/" not in one]
    of_search = {one for one in noted if one.startswith(f"{parent.data.tags.get('search_id')}/")}
    return [one for one in named if one not in gone[: len(of_search.difference(named))]]


def note_opening(search: SearchRun, model: str, test_key: str, run_id: str) -> None:
    """Note that test rows are about to be opened for a winner; to be called before they are, while `registry.alone`.

    Parameters
    ----------
    search : SearchRun
    model : str
        Name of the registered model, which is made where there is none.
    test_key : str
        Identity of the test rows.
    run_id : str
        Id of the winner's run, or the name of another use.
    """
    store, tag, known = search.store, _tag(test_key), _named(search.store, run_id)
    registry.ensure_model(store, model)
    experiment = store.client.get_experiment(search.experiment_id)
    registered = store.client.get_registered_model(model)
    store.client.set_experiment_tag(search.experiment_id, tag, _with(experiment.tags.get(tag, ""), known))
    store.client.set_registered_model_tag(model, tag, _with(registered.tags.get(tag, ""), known))
    search.annotate(
        tags={
            _KEY: test_key,
            _FOR: _with(search.run.data.tags.get(_FOR, ""), run_id),
            _AT: time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
    )


def _named(store: Store, run_id: str) -> str:
    """Return the winner that a run is of, or the run's own id where MLflow no longer knows it."""
    try:
        tags = store.client.get_run(run_id).data.tags
        return winner(tags["search_id"], tags["family"], int(tags["trial"]))
    except (MlflowException, KeyError, ValueError):
        return run_id


def _listed(note: str) -> list[str]:
    return [one for one in note.split(",") if one]


def _with(note: str, one: str) -> str:
    noted = [*dict.fromkeys([*_listed(note), one])]
    while len(",".join(noted)) > _LONGEST:
        noted.pop(0)
    return ",".join(noted)


def _tag(test_key: str) -> str:
    return f"regsearch.test_opened_for.{hashlib.sha256(test_key.encode()).hexdigest()[:32]}"
