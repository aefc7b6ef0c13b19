"""How much of the score each strength of a family decides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution

from regsearch.search.proposals.studies import quiet_optuna

_DEPTH = 5
"""Depth of the forest's trees: a thousand trials take a third of a second; whole trees take 18, for similar shares."""


def strength_importance(
    strengths: Mapping[str, NDArray[np.float64]], r2_validation: NDArray[np.float64]
) -> dict[str, float] | None:
    """Estimate the fraction of the variance of R² over the plane that each strength explains alone.

    The rest of the variance is explained by the strengths together.  R² below zero counts as zero: the differences
    between useless models say nothing about useful ones.  The method is Optuna's functional ANOVA of a random forest
    (Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance").

    Parameters
    ----------
    strengths : mapping of str to ndarray of float64, shape (n_trials,)
    r2_validation : ndarray of float64, shape (n_trials,)

    Returns
    -------
    dict of str to float or None
        ``None`` if there is nothing to explain: fewer than two strengths vary, or the score does not vary.
    """
    from mlflow.utils.autologging_utils import disable_autologging
    from optuna.importance import FanovaImportanceEvaluator  # imports scikit-learn, which takes half a second

    scores = np.maximum(r2_validation, 0.0)
    if len(strengths) < 2 or np.ptp(scores) == 0 or any(np.ptp(values) == 0 for values in strengths.values()):
        return None
    logarithms = {name: np.log10(values) for name, values in strengths.items()}  # the evaluator knows no log scale
    ends: dict[str, BaseDistribution] = {
        name: FloatDistribution(values.min(), values.max()) for name, values in logarithms.items()
    }
    with quiet_optuna():
        study = optuna.create_study()
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: float(values[at]) for name, values in logarithms.items()}, distributions=ends, value=score
            )
            for at, score in enumerate(scores.tolist())
        ]
    )
    with disable_autologging():  # or a caller's mlflow.autolog() logs this forest into the caller's own run
        shares = FanovaImportanceEvaluator(max_depth=_DEPTH, seed=0).evaluate(study)
    return {name: float(shares[name]) for name in strengths}
