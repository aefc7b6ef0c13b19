"""How much each strength of a family decides whether a trial is among the best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution

from regsearch.search.proposals.studies import quiet_optuna


def strength_importance(
    space: Mapping[str, FloatDistribution],
    strengths: Mapping[str, NDArray[np.float64]],
    r2_validation: NDArray[np.float64],
) -> dict[str, float] | None:
    """Estimate how important each strength is for a trial to be among the best tenth, as Optuna's dashboard shows it.

    The method is Optuna's default, PED-ANOVA (Watanabe, Bansal & Hutter 2023, "PED-ANOVA: efficiently quantifying
    hyperparameter importance in arbitrary subspaces"): it compares how each strength is distributed among the best
    trials and among all trials.  It goes by the order of the scores, so how useless useless models are does not count.

    Parameters
    ----------
    space : mapping of str to FloatDistribution
        The ranges that were searched.
    strengths : mapping of str to ndarray of float64, shape (n_trials,)
    r2_validation : ndarray of float64, shape (n_trials,)

    Returns
    -------
    dict of str to float or None
        Shares that sum to one; ``None`` if there is nothing to explain: fewer than two strengths vary, the score does
        not vary, or no trial is better than the mean.
    """
    from optuna.importance import get_param_importances

    useful = np.maximum(r2_validation, 0.0)
    if len(strengths) < 2 or np.ptp(useful) == 0 or any(np.ptp(values) == 0 for values in strengths.values()):
        return None
    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: float(values[at]) for name, values in strengths.items()},
                distributions=dict(space),
                value=score,
            )
            for at, score in enumerate(r2_validation.tolist())
        ]
    )
    shares = get_param_importances(study)
    return {name: shares[name] for name in strengths}
