"""The figures of a whole search, each made from its trials or from its winner's weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Rows
from regsearch.search.output.importance import strength_importance
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.search.proposals.samplers import distributions
from regsearch.search.result import Finished, Search
from regsearch.search.solving.predictions import predict
from regsearch.search.trial import Trial, baseline
from regsearch.search.weights import Weights, read_weights
from regsearch.search.winner import standing_out
from regsearch.tracking import figures
from regsearch.tracking.figures.attempt import are_wanted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    Drawings = Mapping[str, Callable[[], Figure | None]]


KINDS = ("png", "svg", "pdf")
"""How a figure becomes a file: to look at, to put into pages, and to print."""

_PARTS = ("train", "validation", "test")

_COLUMNS = ("row", "part", "true", "predicted", "weight")


class Predicted(NamedTuple):
    """The target as it was and as the winner predicts it, at the rows of each part; see `search.output.parent_run`.

    Parameters
    ----------
    train, validation : Trace
    test : Trace or None
        ``None`` while the test rows are sealed.
    """

    train: figures.Trace
    validation: figures.Trace
    test: figures.Trace | None = None

    @classmethod
    def of(cls, search: Search, test: Rows | None = None) -> Predicted:
        """Return the predictions of a search, with those of the opened test rows if these are given."""
        weights, folds = search.weights, [fold.validation for fold in search.development.folds]
        counted = [fold.weights for fold in folds if fold.weights is not None]
        validation = figures.Trace(
            np.concatenate([fold.index for fold in folds]),
            np.concatenate([fold.y for fold in folds]),
            np.concatenate(weights.predicted),
            np.concatenate(counted) if counted else None,
        )
        return cls(
            _trace(search.development.model, weights), validation, _trace(test, weights) if test is not None else None
        )

    def table(self, target: str) -> pd.DataFrame:
        """Return one row per row of a part: its number, the part, the target, the prediction, and its weight if any."""
        import pandas as pd

        parts = [
            pd.DataFrame(dict(zip(_COLUMNS, (one.rows, part, one.true, one.predicted, one.weights), strict=True)))
            for part, one in self._parts().items()
        ]
        return pd.concat(parts).dropna(axis="columns", how="all").rename(columns={"true": target})

    @classmethod
    def from_csv(cls, content: bytes) -> Predicted:
        """Return the predictions that a table holds which was written as CSV."""
        import pandas as pd

        # as text first, because pandas may read a number that differs in its last bit
        table = pd.read_csv(BytesIO(content), dtype=str, header=None, skiprows=1)
        table.columns = pd.Index(_COLUMNS[: table.shape[1]])

        def trace(part: str) -> figures.Trace:
            rows = table[table["part"] == part]
            true, predicted = (np.array([*map(float, rows[name])]) for name in ("true", "predicted"))
            weights = np.array([*map(float, rows["weight"])]) if "weight" in rows else None
            return figures.Trace(rows["row"].to_numpy().astype(int), true, predicted, weights)

        return cls(trace("train"), trace("validation"), trace("test") if "test" in set(table["part"]) else None)

    def _parts(self) -> dict[str, figures.Trace]:
        return {part: trace for part, trace in zip(_PARTS, self, strict=True) if trace is not None}


def figure_files(
    search: Finished, predicted: Predicted | None, kinds: Collection[str] | None = None
) -> dict[str, bytes]:
    """Return the figures of a search as files by name, without those that cannot be drawn.

    Parameters
    ----------
    search : Finished
    predicted : Predicted or None
        ``None`` leaves out the figures of the predictions.
    kinds : collection of str or None
        Which of `KINDS`; ``None`` for those that a search's run keeps: see `drawn`.
    """
    drawings = {**_of_the_winner(search), **_of_all_trials(search), **_path_of_the_lasso(search)}
    if predicted:
        drawings |= _of_predictions(search, predicted)
    for family in search.config.families.searched:
        of_family = _of_one_strength if len(PARAMETERS[family]) == 1 else _of_two_strengths
        drawings |= of_family(search, family)
    return drawn(drawings, kinds)


def predictions_files(search: Finished, predicted: Predicted) -> dict[str, bytes]:
    """Return the figures of the winner's predictions, as files by name."""
    return drawn(_of_predictions(search, predicted))


def drawn(drawings: Drawings, kinds: Collection[str] | None = None) -> dict[str, bytes]:
    """Return figures as files by name, without those that cannot be drawn.

    Parameters
    ----------
    drawings : mapping of str to callable
    kinds : collection of str or None
        Which of `KINDS`; ``None`` for all of them, or for no figure at all where searches draw none.
    """
    files: dict[str, bytes] = {}
    if kinds is None:
        kinds = KINDS if are_wanted() else ()
    for name, draw in drawings.items() if kinds else ():
        files |= figures.unless_it_fails(f"figure {name}", partial(_files, name, draw, kinds)) or {}
    return files


def _files(name: str, draw: Callable[[], Figure | None], kinds: Collection[str]) -> dict[str, bytes]:
    figure = draw()
    files = {"png": figures.to_png, "svg": figures.to_svg, "pdf": figures.to_pdf}
    return {f"figures/{name}.{kind}": files[kind](figure) for kind in kinds} if figure else {}


def _of_the_winner(search: Finished) -> Drawings:
    unregularised = read_weights(search.run, baseline(search.trials).run_id).coef
    return {
        "weights": lambda: figures.weights_compared(
            unregularised,
            search.weights.coef,
            search.winner.name,
            search.target,
            search.feature_names,
        ),
    }


def _of_predictions(search: Finished, predicted: Predicted) -> Drawings:
    target, title = search.target, search.winner.name
    train, validation, test = predicted
    validation = validation._replace(r2=search.winner.r2_validation)  # that of folds is not simply that of their rows
    return {
        "predictions": lambda: figures.predictions(train, validation, target, title, test),
        "residuals": lambda: figures.residuals(validation, target, title, test),
    }


def _path_of_the_lasso(search: Finished) -> Drawings:
    """Return the lasso's weights against its strength, if it was searched at more than one."""
    trials = _of_family(search, "lasso")
    if len({trial.parameters["alpha"] for trial in trials}) < 2:
        return {}
    best = search.winner if search.winner in trials else max(trials, key=lambda trial: trial.r2_validation)
    return {
        "lasso_path": lambda: figures.coefficient_path(
            _strength(trials, "alpha"),
            np.stack([read_weights(search.run, trial.run_id).coef for trial in trials]),
            trials.index(best),
            search.target,
            search.feature_names,
        )
    }


def _of_all_trials(search: Finished) -> Drawings:
    trials = search.trials
    searched = [trial for trial in trials if trial.family != "none"]
    return {
        "trade_off": lambda: figures.trade_off(
            [trial.family for trial in trials],
            _column(trials, "n_nonzero"),
            _column(trials, "r2_validation"),
            _choices(trials, search),
            lambda at: trials[at].name,
            at_most=search.config.at_most,
        ),
        "history": lambda: figures.history(
            [trial.family for trial in searched],
            np.array([trial.number for trial in searched], dtype=float),
            _column(searched, "r2_validation"),
            baseline(trials).r2_validation,
        ),
    }


def _of_one_strength(search: Finished, family: Family) -> Drawings:
    trials = _of_family(search, family)
    unregularised = baseline(search.trials)
    curve = figures.Curve(
        _strength(trials, "alpha"),
        _column(trials, "r2_train"),
        _column(trials, "r2_validation"),
        _column(trials, "r2_validation_se"),
        _folds(trials),
    )
    levels = (unregularised.r2_train, unregularised.r2_validation)
    return {family: lambda: figures.r2_against_alpha(family, curve, levels, _choices(trials, search))}


def _folds(trials: Sequence[Trial]) -> NDArray[np.float64] | None:
    """Return the validation scores of each fold, one row a fold; ``None`` without folds."""
    count = sum(name.startswith("fold_") and name.endswith("_r2_validation") for name in trials[0].metrics)
    if not count:
        return None
    return np.stack([_column(trials, f"fold_{fold}_r2_validation") for fold in range(1, count + 1)])


def _of_two_strengths(search: Finished, family: Family) -> Drawings:
    trials = _of_family(search, family)
    choices = _choices(trials, search)
    strengths = {name: _strength(trials, name) for name in PARAMETERS[family]}
    r2_validation = _column(trials, "r2_validation")

    def importance() -> Figure | None:
        space = distributions(search.choice.absolute.families.searched[family])
        shares = strength_importance(space, strengths, r2_validation)
        return figures.importance(strengths, r2_validation, shares, choices) if shares else None

    return {
        family: lambda: figures.mix_heatmap(**strengths, r2_validation=r2_validation, choices=choices),
        "importance": importance,
    }


def _of_family(search: Finished, family: Family) -> list[Trial]:
    return [trial for trial in search.trials if trial.family == family]


def _choices(trials: Sequence[Trial], search: Finished) -> figures.Choices | None:
    """Return the positions of the trials that stand out, or ``None`` if none may be chosen."""
    at = standing_out(trials, search.config.tolerance, search.winner)
    return figures.Choices(*at) if at else None


def _column(trials: Sequence[Trial], metric: str) -> NDArray[np.float64]:
    return np.array([trial.metrics[metric] for trial in trials])


def _strength(trials: Sequence[Trial], name: str) -> NDArray[np.float64]:
    return np.array([trial.parameters[name] for trial in trials])


def _trace(rows: Rows, weights: Weights) -> figures.Trace:
    return figures.Trace(rows.index, rows.y, predict(rows, weights), rows.weights)
