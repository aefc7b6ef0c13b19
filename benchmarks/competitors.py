"""Solve penalties with another library, in an environment of its own: called by `solvers.py`.

    python -m venv competitors && competitors/bin/pip install celer skglm adelie scikit-learn

Each library is warm-started from the penalty before, without an intercept, on the normalised matrix in the memory
layout that it reads fastest, and is compiled before it is timed.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np


def scikit_learn(X, y, penalties, tol):
    from sklearn.linear_model import ElasticNet

    model = ElasticNet(fit_intercept=False, warm_start=True, tol=tol, max_iter=1_000_000)
    for l1, l2 in penalties:
        yield model.set_params(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2)).fit(X, y).coef_


def celer(X, y, penalties, tol):
    from celer import ElasticNet, Lasso

    mixed = penalties[0][1] > 0
    model = (ElasticNet if mixed else Lasso)(fit_intercept=False, warm_start=True, tol=tol, max_iter=1000)
    for l1, l2 in penalties:
        ratio = {"l1_ratio": l1 / (l1 + l2)} if mixed else {}
        yield model.set_params(alpha=l1 + l2, **ratio).fit(X, y).coef_


def skglm(X, y, penalties, tol):
    from skglm.datafits import Quadratic
    from skglm.penalties import L1, L1_plus_L2
    from skglm.solvers import AndersonCD

    solver = AndersonCD(tol=tol, fit_intercept=False, warm_start=True, max_iter=1000)
    w, Xw = np.zeros(X.shape[1]), np.zeros(X.shape[0])
    for l1, l2 in penalties:
        w = solver.solve(X, y, Quadratic(), L1_plus_L2(l1 + l2, l1 / (l1 + l2)) if l2 else L1(l1), w, Xw)[0]
        Xw = X @ w
        yield w


def adelie(X, y, penalties, tol):
    import adelie as ad

    matrix, glm = ad.matrix.dense(X, method="naive", n_threads=1), ad.glm.gaussian(y)
    options = {"intercept": False, "tol": tol, "early_exit": False, "progress_bar": False, "adev_tol": 1.0}
    state = None
    for l1, l2 in penalties:
        state = ad.grpnet(matrix, glm, lmda_path=[l1 + l2], alpha=l1 / (l1 + l2), warm_start=state, **options)
        yield np.asarray(state.betas[-1].todense()).ravel()


def main(library: str, problem: str, tol: str, solution: str) -> None:
    warnings.simplefilter("ignore")
    solve = globals()[library.replace("-", "_")]
    with np.load(problem) as given:
        X, y, penalties = given["columns"].T, given["target"], [tuple(map(float, row)) for row in given["penalties"]]
    list(solve(X, y, penalties[:2], 1e-2))
    seconds, weights = [], []
    started = time.perf_counter()
    for w in solve(X, y, penalties, float(tol)):
        seconds.append(time.perf_counter() - started)
        weights.append(w.copy())
        started = time.perf_counter()
    np.savez(solution, seconds=seconds, weights=np.array(weights))


if __name__ == "__main__":
    main(*sys.argv[1:])
