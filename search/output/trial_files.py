"""The files of a trial's run: the stem plot of its weights, and the weights and predictions themselves."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from regsearch.data import Development
from regsearch.search.solving.evaluate import Solved
from regsearch.tracking import figures
from regsearch.tracking.figures.attempt import are_wanted
from regsearch.tracking.records import STEMS, WEIGHTS, TrialRecord


def trial_files(record: TrialRecord, solved: Solved, development: Development) -> dict[str, bytes]:
    """Return a trial's artifacts: the stem plot of its weights if figures are wanted, the weights, and the predictions.

    Parameters
    ----------
    record : TrialRecord
    solved : Solved
    development : Development
        Names the columns.
    """
    fit = solved.fit
    arrays: dict[str, Any] = {"coef": fit.coef, "intercept": fit.intercept, "l1": fit.penalty.l1, "l2": fit.penalty.l2}
    arrays |= {"losses": np.array(solved.evaluation.losses), "selected": solved.selected}
    if fit.covariate_coef.size:
        arrays |= {"covariate_coef": fit.covariate_coef, "covariate_names": np.array(development.covariate_names)}
    if development.feature_names:
        arrays["feature_names"] = np.array(development.feature_names, dtype=np.str_)
    if (lags := development.preparation.lags) != (0,):
        arrays["lag"] = np.repeat(lags, development.n_features // len(lags))
    arrays |= {f"predicted_fold_{number}": values for number, values in enumerate(solved.predicted, start=1)}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    files = {WEIGHTS: buffer.getvalue()}
    if are_wanted() and (picture := solved.picture or figures.weights_png(fit.coef, record.name)):
        files[STEMS] = picture
    return files
