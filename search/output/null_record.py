"""A null distribution on the run of its search: the scores as they come, and in the end what they come to."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from io import StringIO

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from regsearch.search.chance.distribution import NullDistribution
from regsearch.search.config import NullConfig
from regsearch.search.config.null import Kind
from regsearch.search.output import mlflow_text
from regsearch.search.output.search_figures import drawn
from regsearch.search.result import Finished, Search
from regsearch.search.trial import Trial
from regsearch.tracking import figures, registry
from regsearch.tracking.limits import TAG, cut
from regsearch.tracking.runs import SearchRun

_HEADINGS = ("target", "score", "key")
_MEASURED = ("p", "p_approximate", "score")


def path_of(kind: Kind, *, is_test: bool) -> str:
    """Return the path of the artifact that holds the scores: one row per target, the real one first."""
    return f"null/{kind}{'_test' if is_test else ''}.csv"


def known_scores(run: SearchRun, path: str) -> dict[str, float]:
    """Return the scores that an artifact holds, by the key of what was scored; none if there is no such artifact."""
    if not run.store.holds(run.run_id, path):
        return {}
    return {row["key"]: float(row["score"]) for row in _rows(run, path)}


def write_scores(
    run: SearchRun, path: str, names: Sequence[str], keys: Sequence[str], known: Mapping[str, float]
) -> None:
    """Write the scores that are known so far."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_HEADINGS)
    table.writerows((name, repr(known[key]), key) for name, key in zip(names, keys, strict=True) if key in known)
    run.write({path: text.getvalue().encode()})


def conclude(search: Search, found: NullDistribution, settings: NullConfig) -> None:
    """Write the figure, metrics and tags to sort by, and a line into the descriptions of the search and its model."""
    run, prefix = search.run, _prefix(is_test=found.is_test)
    draw = partial(figures.null_scores, found.null, found.score, mlflow_text.chance_title(found), found.rows)
    run.write(drawn({prefix: draw}))
    run.annotate(
        metrics={**_metrics(found), f"{prefix}_n": float(found.n)},
        tags={
            f"{prefix}_kind": found.kind,
            f"{prefix}_settings": _asked(settings, search),
            **search.tags_of_choice(f"{prefix}_result", str(found)),
        },
    )
    line = mlflow_text.chance(search)
    note = run.run.data.tags.get(MLFLOW_RUN_NOTE, "")
    run.annotate(tags={MLFLOW_RUN_NOTE: mlflow_text.with_chance(note, line)})
    registry.redescribe(run.store, search.winner.run_id, lambda text: mlflow_text.with_chance(text, line))


def concluded(
    search: Finished, settings: NullConfig | None = None, *, is_test: bool = False
) -> NullDistribution | None:
    """Return the null distribution that a search's run holds of its choice; ``None`` without a finished one.

    Parameters
    ----------
    search : Finished
    settings : NullConfig or None
        Return only a distribution that was made by these.
    is_test : bool
    """
    run, prefix = search.run, _prefix(is_test=is_test)
    parent = run.run
    kind, said = _kind(parent, prefix), search.said_of_choice(f"{prefix}_result")
    if kind is None or not said:
        return None
    if settings and parent.data.tags.get(f"{prefix}_settings") != _asked(settings, search):
        return None
    path = path_of(kind, is_test=is_test)
    rows = _rows(run, path) if run.store.holds(run.run_id, path) else []
    if len(rows) != 1 + parent.data.metrics.get(f"{prefix}_n", -1):
        return None
    names, scores = [row["target"] for row in rows], [float(row["score"]) for row in rows]
    found = distribution_of(run, kind, names, scores, search.winner, is_test=is_test)
    return found if str(found) == said else None  # by another rule, scores can have been written and not concluded


def metrics_of_choice(search: Finished, known: Collection[str]) -> dict[str, float]:
    """Return those of the known metrics that are of null distributions: NaN if not of this winner by this rule.

    Parameters
    ----------
    search : Finished
    known : collection of str
        The metrics that the search's run has.
    """
    metrics: dict[str, float] = {}
    for is_test in (False, True):
        names = [f"{_prefix(is_test=is_test)}_{name}" for name in _MEASURED]
        if names[0] in known:
            found = concluded(search, is_test=is_test)
            metrics |= _metrics(found) if found else dict.fromkeys(names, math.nan)
    return metrics


def _metrics(found: NullDistribution) -> dict[str, float]:
    return {f"{_prefix(is_test=found.is_test)}_{name}": getattr(found, name) for name in _MEASURED}


def distribution_of(
    run: SearchRun, kind: Kind, names: Sequence[str], scores: Sequence[float], winner: Trial, *, is_test: bool
) -> NullDistribution:
    """Return the null distribution of a search, from the names and scores of its targets, the real one first."""
    best = max(range(1, len(scores)), key=lambda place: scores[place])
    own = run.run.data.metrics.get("best_r2_test", -1.0) if is_test else winner.r2_validation
    return NullDistribution(run.search_id, kind, scores[0], tuple(scores[1:]), own, names[best], is_test)


def _asked(settings: NullConfig, search: Finished) -> str:
    """Return what decides the null targets, as the tag of their result keeps it."""
    complete = settings.complete(is_independent=search.config.data.preparation.independent)
    return cut(complete.model_dump_json(exclude={"level"}), TAG)


def _kind(parent: Run, prefix: str) -> Kind | None:
    match parent.data.tags.get(f"{prefix}_kind"):
        case "shift" | "session" | "impostor" | "permutation" as kind:
            return kind
        case _:
            return None


def _prefix(*, is_test: bool) -> str:
    return "null_test" if is_test else "null"


def _rows(run: SearchRun, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(run.read(run.run_id, path).decode())))
