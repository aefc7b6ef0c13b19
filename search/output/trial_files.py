"""The files of a trial's run: the stem plot of its weights, and the weights and predictions themselves."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.errors import NoWinnerError
from regsearch.search.solving.evaluate import Solved
from regsearch.search.trial import Trial
from regsearch.tracking import figures
from regsearch.tracking.runs import SearchRun, TrialRecord


def trial_files(record: TrialRecord, solved: Solved) -> dict[str, bytes]:
    """Return a trial's artifacts: the stem plot of its weights, and the weights and validation predictions."""
    fit = solved.fit
    arrays: dict[str, Any] = {"coef": fit.coef, "intercept": fit.intercept, "l1": fit.penalty.l1, "l2": fit.penalty.l2}
    arrays["losses"] = np.array(solved.evaluation.losses)
    arrays |= {f"predicted_fold_{number}": values for number, values in enumerate(solved.predicted, start=1)}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    picture = solved.picture or figures.weights_png(fit.coef, record.name)
    return {**({"weights.png": picture} if picture else {}), "weights.npz": buffer.getvalue()}


@dataclass(frozen=True, eq=False)
class Weights:
    """The model of a trial, as its run keeps it.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_features,)
    intercept : float
    predicted : tuple of ndarray of float64
        Predictions at the validation rows of each fold.
    """

    coef: NDArray[np.float64]
    intercept: float
    predicted: tuple[NDArray[np.float64], ...]


def read_losses(run: SearchRun, trial: Trial) -> NDArray[np.float64]:
    """Return a trial's losses: see `solving.evaluate.Evaluation.losses`.

    Raises
    ------
    NoWinnerError
        If the trial is of the first version, which did not keep them.
    """
    with np.load(BytesIO(run.read(trial.run_id, "weights.npz")), allow_pickle=False) as archive:
        if "losses" not in archive.files:
            raise NoWinnerError(
                f'{trial.name}: its losses were not kept, so select = "one-se-paired" cannot compare it; use "one-se"'
            )
        losses: NDArray[np.float64] = archive["losses"]
        return losses


def read_weights(run: SearchRun, run_id: str) -> Weights:
    """Return the weights that a trial's run holds."""
    with np.load(BytesIO(run.read(run_id, "weights.npz")), allow_pickle=False) as archive:
        folds = sum(name.startswith("predicted_fold_") for name in archive.files)
        predicted = tuple(archive[f"predicted_fold_{number}"] for number in range(1, folds + 1))
        return Weights(archive["coef"], float(archive["intercept"]), predicted)
