"""PenaltySearchCV beside the estimators that people call now, and R's cv.glmnet: a family, five folds, one model.

    python benchmarks/estimators.py [--shapes 500x5000 2000x2000 50000x200] [--cases lasso ridge] [--solvers regsearch]

Everybody gets the same standardised columns, the same five contiguous folds, and 100 strengths of its own choice, as
its documentation advises: fit, cross-validation, choice and the model on all rows count. One BLAS thread; processor
seconds, without imports and data. The gap is that of the chosen model on all rows, by the same certificate for all,
relative to the objective at zero; R² is on as many fresh rows. The target has unit variance, so that glmnet's strengths
are ours. R comes from Debian's `r-base-core` and `r-cran-glmnet`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from glmnet import in_r

N_STRENGTHS, N_FOLDS = 100, 5
GLMNET = """
fold <- rep(seq_len(5), times = as.integer(given[-1]))
before <- proc.time()
best <- NULL
for (mix in strsplit(given[1], ",")[[1]]) {
  found <- cv.glmnet(X, y, alpha = as.numeric(mix), foldid = fold, standardize = FALSE)
  if (is.null(best) || min(found$cvm) < min(best$cvm)) { best <- found; share <- as.numeric(mix) }
}
coefficients <- as.vector(coef(best, s = "lambda.min"))
taken <- proc.time() - before
answer <- c(taken[["user.self"]] + taken[["sys.self"]], best$lambda.min, share, coefficients)
"""
RIDGE_ALPHAS = np.geomspace(1e-3, 1e5, N_STRENGTHS)
L1_RATIOS = [0.1, 0.3, 0.5, 0.7, 0.9]


@dataclass(frozen=True)
class Chosen:
    """What an estimator came to: processor seconds, the strengths of its objective, and its weights."""

    seconds: float
    l1: float
    l2: float
    coef: np.ndarray
    intercept: float


Solver = Callable[[str, np.ndarray, np.ndarray], Chosen]


def recording(shape: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows to fit on and as many fresh ones; few features carry the target, and all share 32 latents."""
    n_rows, n_features = map(int, shape.split("x"))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2 * n_rows, n_features))
    X += 0.3 / np.sqrt(32) * rng.standard_normal((2 * n_rows, 32)) @ rng.standard_normal((32, n_features))
    y = X[:, :: max(1, n_features // 60)].sum(axis=1) + 3 * rng.standard_normal(2 * n_rows)
    old = slice(0, n_rows)
    X = np.asfortranarray((X - X[old].mean(axis=0)) / X[old].std(axis=0))
    y = (y - y[old].mean()) / y[old].std()
    return np.asfortranarray(X[old]), y[old], X[n_rows:], y[n_rows:]


def regsearch(case: str, X: np.ndarray, y: np.ndarray) -> Chosen:
    from regsearch import PenaltySearchCV
    from regsearch.search.penalty import penalty_of

    asked = {
        "lasso": {"lasso": {"of": "max", "low": 1e-3, "points": N_STRENGTHS}},
        "ridge": {"ridge": RIDGE_ALPHAS},
        "elasticnet": {"elasticnet": [{"of": "max", "low": 1e-3, "points": 20}, {"of": "max", "points": 5}]},
        "all": {"ridge": True, "lasso": True, "elasticnet": True},
    }
    model = PenaltySearchCV(**{"ridge": False, "lasso": False, "elasticnet": False} | asked[case], scale="none")
    started = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - started
    parameters = dict(model.best_params_)
    penalty = penalty_of(parameters.pop("family"), parameters, len(y))
    return Chosen(seconds, penalty.l1, penalty.l2, model.coef_, model.intercept_)


def scikit_learn(case: str, X: np.ndarray, y: np.ndarray) -> Chosen:
    from sklearn.linear_model import ElasticNetCV, LassoCV, RidgeCV

    model = {
        "lasso": LassoCV(cv=N_FOLDS),
        "ridge": RidgeCV(RIDGE_ALPHAS),
        "elasticnet": ElasticNetCV(l1_ratio=L1_RATIOS, alphas=N_STRENGTHS // len(L1_RATIOS), cv=N_FOLDS),
    }[case]
    return _chosen(model, X, y, lambda: (model.alpha_, getattr(model, "l1_ratio_", 1.0)), is_ridge=case == "ridge")


def grid_search(case: str, X: np.ndarray, y: np.ndarray) -> Chosen:
    from sklearn.linear_model import ElasticNet, Lasso, Ridge
    from sklearn.model_selection import GridSearchCV

    largest = float(np.abs(y @ X).max()) / len(y)
    alphas = np.geomspace(1e-3 * largest, largest, N_STRENGTHS // (5 if case == "elasticnet" else 1))
    model = {
        "lasso": GridSearchCV(Lasso(), {"alpha": alphas}, cv=N_FOLDS),
        "ridge": GridSearchCV(Ridge(), {"alpha": RIDGE_ALPHAS}, cv=N_FOLDS),
        "elasticnet": GridSearchCV(ElasticNet(), {"alpha": alphas, "l1_ratio": L1_RATIOS}, cv=N_FOLDS),
    }[case]

    def strengths() -> tuple[float, float]:
        return model.best_params_["alpha"], model.best_params_.get("l1_ratio", 1.0)

    return _chosen(model, X, y, strengths, is_ridge=case == "ridge")


def _chosen(
    model: object, X: np.ndarray, y: np.ndarray, strengths: Callable[[], tuple[float, float]], *, is_ridge: bool
) -> Chosen:
    started = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - started
    alpha, l1_ratio = strengths()
    fitted = getattr(model, "best_estimator_", model)
    l1, l2 = (0.0, alpha / len(y)) if is_ridge else (alpha * l1_ratio, alpha * (1 - l1_ratio))
    return Chosen(seconds, l1, l2, fitted.coef_, float(fitted.intercept_))


def glmnet(case: str, X: np.ndarray, y: np.ndarray) -> Chosen:
    sizes = [len(part) for part in np.array_split(np.arange(len(y)), N_FOLDS)]
    mixes = {"lasso": [1.0], "ridge": [0.0], "elasticnet": L1_RATIOS}[case]
    _, answer = in_r(GLMNET, X, y, [",".join(map(str, mixes)), *sizes])
    seconds, strength, mix, intercept, *coef = answer.tolist()
    return Chosen(seconds, strength * mix, strength * (1 - mix), np.array(coef), intercept)


SOLVERS: dict[str, Solver] = {
    "regsearch": regsearch,
    "scikit-learn": scikit_learn,
    "GridSearchCV": grid_search,
    "glmnet": glmnet,
}
CASES = {"lasso": [*SOLVERS], "ridge": [*SOLVERS], "elasticnet": [*SOLVERS], "all": ["regsearch"]}


def measure(shape: str, case: str, solver: str) -> None:
    from regsearch.search.penalty import Penalty
    from regsearch.search.solvers.certificate import certify
    from regsearch.search.solvers.design import normalise

    X, y, fresh_X, fresh_y = recording(shape)
    chosen = SOLVERS[solver](case, X, y)
    design = normalise(X, y, scale="none")
    (gap,), _ = certify(design, (chosen.coef * design.scale)[None], [design.inner(Penalty(chosen.l1, chosen.l2))])
    left = fresh_y - fresh_X @ chosen.coef - chosen.intercept
    r2 = 1 - left @ left / np.sum((fresh_y - fresh_y.mean()) ** 2)
    print(json.dumps([chosen.seconds, gap, chosen.l1, chosen.l2, r2, int(np.count_nonzero(chosen.coef))]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", nargs="*", default=["500x5000", "2000x2000", "50000x200"])
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--solvers", nargs="*", default=list(SOLVERS), choices=list(SOLVERS))
    parser.add_argument("--patience", type=float, default=600, help="seconds after which a solver is stopped")
    arguments = parser.parse_args()
    print(f"scikit-learn {version('scikit-learn')}, NumPy {version('numpy')}", file=sys.stderr)
    print("| rows × features | case | solver | processor seconds | gap | l1 | l2 | R² on fresh rows | non-zero |")
    print("| --- " * 9 + "|", flush=True)
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for shape in arguments.shapes:
        for case in arguments.cases:
            for solver in filter(arguments.solvers.__contains__, CASES[case]):
                command = [sys.executable, __file__, "--measure", shape, case, solver]
                try:
                    done = subprocess.run(
                        command,
                        check=True,
                        stdout=subprocess.PIPE,
                        env=os.environ | threads,
                        timeout=arguments.patience,
                    )
                except subprocess.TimeoutExpired:
                    print(f"| {shape} | {case} | {solver} | not in {arguments.patience:.0f} s | | | | | |", flush=True)
                    continue
                seconds, gap, l1, l2, r2, n_nonzero = json.loads(done.stdout.splitlines()[-1])
                numbers = f"{seconds:.2f} | {gap:.0e} | {l1:.3g} | {l2:.3g} | {r2:.4f} | {n_nonzero}"
                print(f"| {shape} | {case} | {solver} | {numbers} |", flush=True)


if __name__ == "__main__":
    measure(*sys.argv[2:]) if sys.argv[1:2] == ["--measure"] else main()
