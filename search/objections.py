"""What is against a promotion, and the options that overrule it."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.entities.model_registry import ModelVersion

from regsearch.errors import PromotionRefusedError
from regsearch.search.notes import promoting
from regsearch.search.result import Search
from regsearch.search.rows import test_key
from regsearch.tracking import openings, registry

_EFFECTS = {"--force": "promotes it anyway", "--again": "opens the test rows again, which is counted"}


def require_no_objection(
    search: Search, champion: ModelVersion | None, opened: Sequence[str], given: Sequence[str]
) -> None:
    """Refuse a promotion that something is against, unless the option that overrules it is given.

    Parameters
    ----------
    search : Search
    champion : ModelVersion or None
        The version that would be replaced.
    opened : sequence of str
        Winners that the test rows were opened for; see `tracking.openings.opened`.
    given : sequence of str
        Options among ``--force`` and ``--again``.

    Raises
    ------
    PromotionRefusedError
        With every objection, and the command that overrules them all.
    """
    found = {
        "--force": [*_against_chance(search), *_against_champion(search, champion)],
        "--again": _against_opening(search, opened),
    }
    objections = {option: said for option, said in found.items() if said and option not in given}
    if objections:
        said = "; ".join(one for several in objections.values() for one in several)
        does = " and ".join(_EFFECTS[option] for option in objections)
        command = promoting(search.run.search_id, search.config, [*given, *objections])
        raise PromotionRefusedError(f"{said}; `{command}` {does}")


def known_as(search: Search) -> str:
    """Return what the record of opened test rows calls the winner."""
    return openings.winner(search.run.search_id, search.winner.family, search.winner.number)


def _against_chance(search: Search) -> list[str]:
    winner, covariates = search.winner, search.development.model.covariates
    if (winner.n_nonzero or covariates is not None) and winner.r2_validation > 0:
        return []
    return [
        f"{winner.name} predicts no better than a mean (R² validation {winner.r2_validation:.4f}, "
        f"{winner.n_nonzero} weights): no linear relation was found, and a test would use up the test rows for nothing"
    ]


def _is_of(champion: ModelVersion, search: Search) -> bool:
    """Return whether a champion is of the winner's trial, whose run may have been deleted and solved again since."""
    if champion.run_id == search.winner.run_id:
        return True
    search_id, family, number = (champion.tags.get(tag, "") for tag in ("search_id", "family", "trial"))
    return number.isdecimal() and openings.winner(search_id, family, int(number)) == known_as(search)


def _against_champion(search: Search, champion: ModelVersion | None) -> list[str]:
    if champion is None or _is_of(champion, search):
        return []
    model = f"{champion.name}: champion version {champion.version}"
    target = search.development.target
    if champion.tags.get("target", target) != target:
        return [f"{model} predicts {champion.tags['target']!r}, not {target!r}; give this search a --name of its own"]
    rows = {"data_sha256": search.development.data_sha256, "test_key": test_key(search.development)}
    if any(champion.tags.get(tag) != value for tag, value in rows.items()):
        return [f"{model} was searched on other data or another split, so their scores cannot be compared"]
    theirs, ours = registry.score(champion, "r2_validation"), search.winner.r2_validation
    if theirs is None:
        return [f"{model} has lost the tag of its validation R², so their scores cannot be compared"]
    if ours > theirs:
        return []
    than = "equals" if ours == theirs else "is better than"
    return [f"{model} stays, its validation R² {theirs:.4f} {than} this search's {ours:.4f}"]


def _against_opening(search: Search, opened: Sequence[str]) -> list[str]:
    if not opened or known_as(search) in opened:
        return []
    times = f"the test rows of this data and split were opened {len(opened)} time(s) before, for another winner"
    return [f"{times}; choosing by test scores would make them meaningless"]
