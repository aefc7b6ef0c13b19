"""The section ``[null]`` of a configuration: null targets, and how small a p so many of them can give."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from regsearch.search.config.expectations import several
from regsearch.search.config.families import Section

Kind = Literal["shift", "session", "impostor", "permutation"]
"""Where null targets come from; see `regsearch.search.chance.targets`."""

_N = 100
"""Number of null targets, if nothing is said of it."""


class NullConfig(Section):
    """Null targets to compare the search with: targets that are unrelated to the features."""

    kind: Annotated[
        Kind | None,
        Field(
            description="where null targets come from: shift moves the target in time; session exchanges the targets "
            "of whole groups; impostor takes the targets of other recordings; permutation is for independent rows "
            "(default: impostor if there are impostors, permutation if rows are independent, else shift)"
        ),
    ] = None
    n: Annotated[
        int | None,
        Field(gt=0, le=100_000, strict=True, description="number of null targets (default: 100, or all impostors)"),
    ] = None
    step: Annotated[
        int,
        Field(
            gt=0,
            strict=True,
            description="rows between one shift and the next; choose more than the delay or the smoothing of your "
            "features",
        ),
    ] = 1
    impostors: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        several('a list of files, such as ["other.npz"]'),
        Field(description="other recordings, whose targets are of the same quantity"),
    ] = ()
    level: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            strict=True,
            description="largest p that you accept as significant; an n that is too small to reach it is refused",
        ),
    ] = 0.05

    @model_validator(mode="after")
    def _impostors_are_used(self) -> Self:
        if self.kind == "impostor" and not self.impostors:
            raise ValueError("kind = impostor needs impostors: other recordings with a target of the same quantity")
        if self.impostors and self.kind not in (None, "impostor"):
            raise ValueError(f"impostors are of kind impostor, found kind = {self.kind}; leave one of them out")
        return self

    def kind_for(self, *, is_independent: bool) -> Kind:
        """Return the kind, or what is taken if it was left out."""
        return self.kind or ("impostor" if self.impostors else "permutation" if is_independent else "shift")

    def n_of(self, kind: Kind) -> int:
        """Return the number of null targets, or what is taken if it was left out."""
        return self.n or (len(self.impostors) if kind == "impostor" else _N)

    def complete(self, *, is_independent: bool) -> Self:
        """Return the section with what is taken where the kind or the number was left out."""
        kind = self.kind_for(is_independent=is_independent)
        return self.model_copy(update={"kind": kind, "n": self.n_of(kind)})

    def require_usable(self, *, is_independent: bool) -> None:
        """Raise `ValueError` if no recording could be compared like this.

        Parameters
        ----------
        is_independent : bool
            Whether the order of rows means nothing.
        """
        kind = self.kind_for(is_independent=is_independent)
        n, least = self.n_of(kind), fewest(kind, self.level)
        if kind == "permutation" and not is_independent:
            raise ValueError(
                'null: a permutation needs independent rows, found rows in time; set rows = "independent" in [data] or '
                "give `run` --independent if their order means nothing, else take --kind shift"
            )
        if kind == "shift" and n % 2:
            raise ValueError(
                f"null: shifts go as far back as ahead, so n must be even, found {n}; use {max(n + 1, least)}"
            )
        if kind == "impostor" and n > len(self.impostors):
            instead = f", or use n = {len(self.impostors)}" if len(self.impostors) >= least else ""
            raise ValueError(
                f"null: n = {n} targets of other recordings need as many, found {len(self.impostors)}; "
                f"give {max(n, least)}{instead}"
            )
        if n < least:
            smallest = smallest_p(kind, n)
            raise ValueError(
                f"null: n = {n} null targets of kind {kind} give p = {smallest:.3g} at best, above the level "
                f"{self.level:g}; use n = {least} or more, or a level of {math.ceil(smallest * 1000) / 1000:g}"
            )


def places(kind: Kind, n: int) -> int:
    """Return how many ranks the real score can have among `n` null targets, as far as p tells them apart."""
    return n // 2 + 1 if kind == "shift" else n + 1


def smallest_p(kind: Kind, n: int) -> float:
    """Return the smallest p that `n` null targets can give."""
    return 1 / places(kind, n)


def fewest(kind: Kind, level: float) -> int:
    """Return how many null targets are needed for a p of at most `level`, at least one; shifts come in pairs."""
    others = max(1, math.ceil(1 / level - 1e-9) - 1)
    return 2 * others if kind == "shift" else others
