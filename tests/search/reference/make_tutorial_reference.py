"""Make `tutorial_reference.json`: the tutorial's trials by scikit-learn 1.1.3's own ``normalize=True``.

Run it in an environment of its own, which today's scikit-learn cannot share:

    pip install 'scikit-learn==1.1.3' 'numpy<2' 'scipy<1.12'
    python tests/search/reference/make_tutorial_reference.py
"""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np

N_TRAIN, N_VALIDATION, N_TEST, N_FEATURES = 150, 60, 40, 400
NARROW = slice(8, 68)  # for cross-validation: fewer columns than rows, none silent, so that least squares is unique
RIDGE_ALPHAS = [0.01, 0.1, 1, 10, 100]
LASSO_ALPHAS = [0.0005, 0.001, 0.005, 0.01, 0.1]


def recording():
    """Return X (250, 400) and y (250,): wide, correlated counts of unequal scales, with a silent column.

    Whole numbers make the values the same to the last bit in every environment.  The centred training matrix has rank
    ``N_TRAIN - 1``; scikit-learn 1.1.3 takes some such matrices for ones of full rank, and its least squares then have
    an arbitrary component along a direction that is all rounding error.  `main` makes sure that this is none of those.
    """
    rng = np.random.default_rng(42)
    n_rows = N_TRAIN + N_VALIDATION + N_TEST
    latent = np.cumsum(rng.integers(-1, 2, (n_rows, 5)), axis=0)
    X = np.maximum(latent @ rng.integers(-1, 2, (5, N_FEATURES)) + rng.integers(-20, 21, (n_rows, N_FEATURES)), 0)
    X *= rng.integers(1, 30, N_FEATURES)
    X[:, 7] = 0
    y = 3 * latent[:, 0] + X[:, 11] // 20 + rng.integers(-3, 4, n_rows)
    return X.astype(float), y.astype(float)


def digest(X, y):
    """Return what shows that both environments made the same values."""
    return hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest()


def models():
    """Yield family, strengths and estimator of the tutorial's 1 + 5 + 5 + 25 trials."""
    from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

    tight = {"tol": 1e-14, "max_iter": 1_000_000}
    yield "none", {}, LinearRegression(normalize=True)
    for alpha in RIDGE_ALPHAS:
        yield "ridge", {"alpha": alpha}, Ridge(alpha, normalize=True)
    for alpha in LASSO_ALPHAS:
        yield "lasso", {"alpha": alpha}, Lasso(alpha, normalize=True, **tight)
    for l1_alpha in LASSO_ALPHAS:
        for l2_alpha in RIDGE_ALPHAS:
            alpha = l1_alpha + l2_alpha / N_TRAIN
            estimator = ElasticNet(alpha, l1_ratio=l1_alpha / alpha, normalize=True, **tight)
            yield "elasticnet", {"l1_alpha": l1_alpha, "l2_alpha": l2_alpha}, estimator


def main():
    """Fit every model and write its R² on the train and validation rows."""
    import sklearn
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import cross_validate

    if sklearn.__version__ != "1.1.3":
        raise SystemExit(f"expected scikit-learn 1.1.3, found {sklearn.__version__}")
    warnings.simplefilter("ignore", FutureWarning)
    X, y = recording()
    train, validation = slice(0, N_TRAIN), slice(N_TRAIN, N_TRAIN + N_VALIDATION)
    trials = []
    for family, strengths, model in models():
        model.fit(X[train], y[train])
        if family == "none" and model.rank_ != N_TRAIN - 1:
            raise SystemExit(f"expected rank {N_TRAIN - 1}, scikit-learn found {model.rank_}; choose another seed")
        scores = {
            "r2_train": model.score(X[train], y[train]),
            "r2_validation": model.score(X[validation], y[validation]),
        }
        trials.append({"family": family, **strengths, **scores})
    folds = cross_validate(LinearRegression(normalize=True), X[:, NARROW], y, cv=5, return_train_score=True)
    cross_validated = {"r2_train": folds["train_score"].tolist(), "r2_validation": folds["test_score"].tolist()}
    reference = {
        "sklearn": sklearn.__version__,
        "sha256": digest(X, y),
        "trials": trials,
        "cross_validated": cross_validated,
    }
    Path(__file__).with_name("tutorial_reference.json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
