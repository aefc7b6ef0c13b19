"""The trials of an estimator's search in the shape of scikit-learn's ``cv_results_``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from regsearch.search.trial import Trial
from regsearch.search.untracked import Tried


def params_of(trial: Trial) -> dict[str, Any]:
    """Return the family and the strengths of a trial, as ``best_params_`` has them."""
    return {"family": trial.family, **trial.parameters}


def cv_results(tried: Sequence[Tried], n_splits: int) -> dict[str, Any]:
    """Return the trials of one target; `PenaltySearchCV` describes the keys.

    Parameters
    ----------
    tried : sequence of Tried
    n_splits : int
    """
    trials = [one.trial for one in tried]
    params = [params_of(trial) for trial in trials]
    results: dict[str, Any] = {
        "mean_fit_time": np.array([trial.metrics["fit_seconds"] for trial in trials]) / (n_splits + 1)
    }
    for name in dict.fromkeys(name for one in params for name in one):
        is_left_out = [name not in one for one in params]
        values = [one.get(name, np.nan) for one in params]
        results[f"param_{name}"] = np.ma.MaskedArray(
            np.array(values, dtype=object if name == "family" else np.float64), mask=is_left_out
        )
    results["params"] = params
    mean = np.array([trial.r2_validation for trial in trials])
    shares = 1 - n_splits * np.array([one.losses for one in tried])
    scores = shares if n_splits > 1 else mean[:, None]  # the losses of a single split are those of its blocks of rows
    for number in range(n_splits):
        results[f"split{number}_test_score"] = scores[:, number]
    results |= {
        "mean_test_score": mean,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": 1 + np.sum(mean > mean[:, None], axis=1, dtype=np.int32),
        "duality_gap": np.array([trial.duality_gap for trial in trials]),
        "n_nonzero": np.array([trial.n_nonzero for trial in trials]),
    }
    return results
