"""The targets that a search is compared with: the real one, and as many null targets as its settings ask for."""

from __future__ import annotations

import numpy as np

from regsearch.data import Development, Rows
from regsearch.search.chance.room import Room, read_impostors, require_rows
from regsearch.search.chance.statistic import covariate_fit, groups_of, real_target, rows_of
from regsearch.search.chance.targets import (
    Floats,
    Indices,
    Targets,
    exchanged,
    impostors,
    permuted,
    segments,
    shifted,
)
from regsearch.search.config import NullConfig, SearchConfig

_SAME_IN_GROUPS = (
    "rows are permuted within their groups, in which this target hardly varies: use kind = session (--kind session), "
    "which exchanges whole groups"
)


def null_targets(
    config: SearchConfig, settings: NullConfig, development: Development, test: Rows | None = None
) -> tuple[Targets, Indices]:
    """Return the real target and null targets, and the rows of the recording that all of them have.

    Parameters
    ----------
    config : SearchConfig
    settings : NullConfig
    development : Development
    test : Rows or None
        Opened test rows, on which targets are needed, too.

    Raises
    ------
    ConfigError, DataError
        If the rows or the impostors do not suffice.
    """
    rows, y = rows_of(development, test), real_target(development, test)
    parts = {
        "training": [fold.train.index for fold in development.folds],
        "validation": [fold.validation.index for fold in development.folds],
        **({"test": [test.index]} if test else {}),
    }
    fit, left_out = covariate_fit(development, test), development.split.shown.get("left_out", "")
    room = Room(rows, groups_of(development, test), parts, left_out, has_covariates=fit is not None)
    require_rows(config, settings, room)
    targets = _made(config, settings, room, y if fit is None else y - fit)
    if fit is not None:
        targets = targets.beside(fit)
    kept = rows[targets.places]
    for part, several in parts.items():
        if part == "validation" and len(several) > 1:
            continue  # their score is of all together, by the means of their training rows
        for index in several:
            targets.require_scores(np.flatnonzero(np.isin(kept, index)), part)
    return targets, kept


def _made(config: SearchConfig, settings: NullConfig, room: Room, y: Floats) -> Targets:
    kind = settings.kind_for(is_independent=config.data.preparation.independent)
    n = settings.n_of(kind)
    match kind:
        case "shift":
            return shifted(y, segments(room.rows, room.labels), n, settings.step)
        case "permutation":
            targets = permuted(y, room.labels, n, config.seed)
            targets.require_others(settings.level, _SAME_IN_GROUPS)
            return targets
        case "session":
            targets = exchanged(y, room.labels, n, config.seed, uses=room.is_test.tolist())
            targets.require_others(settings.level, "the groups hardly differ in their target: use another kind")
            return targets
        case "impostor":
            targets = impostors(y, room.rows, read_impostors(config, settings.impostors[:n], room.rows))
            targets.require_different(f"{config.data.source}, which was searched")
            return targets
