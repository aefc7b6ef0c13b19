"""Scores of null targets, and the probability that chance alone scores as well as the real target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regsearch.search.config.null import Kind, places, smallest_p


@dataclass(frozen=True)
class NullDistribution:
    """Scores of a search's whole choice of a model: on the real target, and on targets unrelated to the features.

    Attributes
    ----------
    search_id : str
    kind : {"shift", "session", "impostor", "permutation"}
    score : float
        R² of the model that is chosen for the real target, from the same fixed grid as for the null targets. It is
        that of the validation rows, or of the test rows.
    null : tuple of float
        Scores of the null targets.
    search_score : float
        Score of the search's own winner. The sampler proposed its penalty for the real target.
    best_null : str
        Name of the null target with the highest score.
    is_test : bool
        Whether the scores are of the test rows.
    """

    search_id: str
    kind: Kind
    score: float
    null: tuple[float, ...]
    search_score: float
    best_null: str
    is_test: bool = False

    @property
    def n(self) -> int:
        """Number of null targets."""
        return len(self.null)

    @property
    def rows(self) -> str:
        """Rows that are scored: ``"validation"`` or ``"test"``."""
        return "test" if self.is_test else "validation"

    @property
    def p(self) -> float:
        r"""Upper bound of the probability of such a score by chance.

        For shifts, :math:`m / (N + 1)` if the real score is the :math:`m`-th highest of all :math:`2 N + 1`: it holds
        the level however the shifted targets resemble each other (Harris 2020, arXiv:2012.06862). For other kinds,
        :math:`(1 + m') / (1 + n)` with :math:`m'` null scores at least as good as the real one (Phipson & Smyth 2010,
        "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9).
        """
        return min(1.0, self._rank / self._places)

    @property
    def p_approximate(self) -> float:
        r"""The usual p of a permutation test: for shifts :math:`m / (2 N + 1)`, right only if there are many shifts."""
        return self._rank / (1 + self.n)

    @property
    def smallest_p(self) -> float:
        """Smallest `p` that this number of null targets can give."""
        return smallest_p(self.kind, self.n)

    @property
    def _rank(self) -> int:
        return 1 + sum(score >= self.score for score in self.null)

    @property
    def _places(self) -> int:
        return places(self.kind, self.n)

    def as_json(self) -> dict[str, Any]:
        """Return the distribution as plain values."""
        return {
            "search_id": self.search_id,
            "kind": self.kind,
            "n": self.n,
            "score": self.score,
            "null": list(self.null),
            "p": self.p,
            "p_approximate": self.p_approximate,
            "smallest_p": self.smallest_p,
        }

    def __str__(self) -> str:
        approximate = f" ({self.p_approximate:.3g} if shifts were independent)" if self.kind == "shift" else ""
        return (
            f"p = {self.p:.3g}{approximate}, by {in_words(self.kind, self.n)}; the smallest possible is "
            f"{self.smallest_p:.3g}. On the same fixed grid the real target scores R² {self.rows} {self.score:.4f}, "
            f"the best null target, {self.best_null}, {max(self.null):.4f}"
        )


def in_words(kind: Kind, n: int) -> str:
    """Return how many null targets of which kind there are, for people."""
    return {
        "shift": f"{n} shifts of the target",
        "session": f"{n} exchanges of targets between groups",
        "impostor": f"{n} targets of other recordings",
        "permutation": f"{n} permutations of the target",
    }[kind]


def rounded(scores: Sequence[float]) -> list[float]:
    """Return scores to nine decimals: rounding error in the digits below must not decide a comparison."""
    return [round(score, 9) + 0.0 for score in scores]
