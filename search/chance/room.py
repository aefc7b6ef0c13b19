"""Whether rows suffice for null targets, which is known before any feature is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Annotations, Split, is_example
from regsearch.data.plausibility import Ranges
from regsearch.data.sources import load_target
from regsearch.data.split import rows_of
from regsearch.errors import ConfigError, DataError
from regsearch.search.chance.targets import Floats, Indices, exchangeable, reach_of, segments
from regsearch.search.config import NullConfig, SearchConfig
from regsearch.search.config.null import Kind, fewest, smallest_p


@dataclass(frozen=True, eq=False)
class Room:
    """The rows that null targets are needed at.

    Attributes
    ----------
    rows : ndarray of intp, shape (n_rows,)
        Places in the recording, ascending.
    groups : ndarray of str, shape (n_rows,), or None
        Group of each row.
    parts : mapping of str to list of ndarray of intp
        Places in the recording of the rows that a score needs, by what they are for.
    left_out : str
        Which rows of the recording are left out, and why; empty if none are.
    has_covariates : bool
    """

    rows: Indices
    groups: NDArray[np.str_] | None
    parts: Mapping[str, list[Indices]]
    left_out: str = ""
    has_covariates: bool = False

    @classmethod
    def of(cls, split: Split, known: Annotations) -> Room:
        """Return the rows of a search, without its test rows."""
        parts = {
            "training": [rows_of(fold.train) for fold in split.folds],
            "validation": [rows_of(fold.validation) for fold in split.folds],
        }
        rows = np.unique(np.concatenate([*parts["training"], *parts["validation"], rows_of(split.model)]))
        groups = None if known.groups is None else known.groups[rows]
        left_out, has_covariates = split.shown.get("left_out", ""), known.covariates is not None
        return cls(rows, groups, parts, left_out, has_covariates)

    @property
    def is_test(self) -> NDArray[np.bool_]:
        """Whether each row is a test row."""
        return np.isin(self.rows, np.concatenate([*self.parts.get("test", ()), np.empty(0, dtype=np.intp)]))

    @property
    def has_mixed_groups(self) -> bool:
        """Whether a group's rows do not follow each other."""
        return self.groups is not None and 1 + np.sum(self.groups[1:] != self.groups[:-1]) > len(set(self.groups))

    @property
    def labels(self) -> NDArray[np.generic]:
        """A label per row that differs between groups, and between test rows and others."""
        return self.is_test if self.groups is None else np.char.add(self.groups, np.where(self.is_test, " (test)", ""))


def require_room(config: SearchConfig, settings: NullConfig, room: Room) -> None:
    """Refuse null targets that these rows, or the impostors in files, do not suffice for.

    Raises
    ------
    ConfigError, DataError
        As `require_rows` and `read_impostors` raise them.
    """
    require_rows(config, settings, room)
    kind = settings.kind_for(is_independent=config.data.preparation.independent)
    if kind == "impostor":
        files = [source for source in settings.impostors[: settings.n_of(kind)] if not is_example(source)]
        read_impostors(config, files, room.rows)


def require_rows(config: SearchConfig, settings: NullConfig, room: Room) -> None:
    """Refuse null targets that these rows do not suffice for, without reading impostors.

    Raises
    ------
    ConfigError
        If there are no groups to exchange targets of, or fewer arrangements of them than null targets; or covariates,
        which predict the target and not the impostors.
    DataError
        If shifts reach too far, or groups differ in length.
    """
    kind = settings.kind_for(is_independent=config.data.preparation.independent)
    match kind:
        case "shift":
            _require_shifts(settings, kind, room)
        case "session":
            if room.groups is None:
                raise ConfigError(
                    "null: kind = session exchanges the targets of groups, found no groups; name them by `groups` in "
                    "[data], or use another kind"
                )
            exchangeable(room.labels, settings.n_of(kind), room.is_test.tolist())
        case "impostor":
            if room.has_covariates:
                raise ConfigError(
                    "null: kind = impostor compares searches without covariates, which predict the target and not the "
                    "impostors, found covariates; take another kind"
                )


def read_impostors(config: SearchConfig, sources: Sequence[str], rows: Indices) -> list[tuple[str, Floats]]:
    """Return the name of each other recording, and its target, which has a number in all rows of the search.

    Raises
    ------
    DataError
        If there is no such recording or target, or a row that the search uses is missing.
    """
    targets = [(source, load_target(source, config.data.roles)) for source in sources]
    needed = int(rows[-1]) + 1
    do = "fill them, or leave this recording out: rows are matched by number, so none can be dropped"
    for source, y in targets:
        if len(y) < needed:
            raise DataError(
                f"{source}: expected an impostor of at least {needed} rows, found {len(y)}; leave it out, or search "
                "fewer rows"
            )
        bad = ~np.isfinite(y[rows])
        if bad.any():
            raise DataError(
                f"{source}: expected a finite target in every row that the search uses, found {bad.sum()} value(s) "
                f"that are missing, NaN or infinite, the first at row {rows[bad.argmax()]} (from 0); {do}"
            )
        ranges = Ranges.of(y[rows])
        ranges.require_squares(f"{source}: {config.data.roles.target}")
        ranges.require_no_fill(y[rows, None], source, (config.data.roles.target,), do)
    return targets


def _require_shifts(settings: NullConfig, kind: Kind, room: Room) -> None:
    n, step = settings.n_of(kind), settings.step
    runs = segments(room.rows, room.labels)
    reach = reach_of(runs)
    room_each_side, tightest, longest = min(
        (int(np.sort(reach[at])[-2]), name, int(np.bincount(runs)[runs[at]].max()))
        for name, several in room.parts.items()
        for at in (np.searchsorted(room.rows, rows) for rows in several)
    )
    most = 2 * (room_each_side // step)
    if n <= most:
        return
    reasons = [f"{room.left_out} left out"] if room.left_out else []
    if room.has_mixed_groups:
        reasons.append("rows of one group lie among those of others")
    lost = f" ({', '.join(reasons)}, and a stretch of neighbours ends there)" if reasons else ""
    least = fewest(kind, settings.level)
    if most >= least:
        do = f"use n = {most} or less"
    else:
        fits = f"n = {most} fits, whose p is {smallest_p(kind, most):.3g} at best" if most else "no number fits"
        smaller = "a smaller step or " if 2 * room_each_side >= least else ""
        needed = f"the level {settings.level:g} needs n = {least}"
        do = f"{fits}, and {needed}; use {smaller}another kind, or longer stretches"
    raise DataError(
        f"null: expected at least 2 {tightest} rows with {n // 2 * step} neighbouring rows of their group on either "
        f"side for n = {n} shifts, found stretches of at most {longest} neighbouring rows{lost}; {do}"
    )
