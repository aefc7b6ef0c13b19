"""The default search as a careful user writes it by hand: scikit-learn, Optuna and MLflow.

The same families, ranges, numbers of trials, data, normalisation, metrics and artifacts as `regsearch run`; nothing
is done twice: the columns are normalised once, ridge uses the fast dual solver for wide data, lasso and ElasticNet get
their data in the memory layout that coordinate descent reads fastest, and pyplot is left out.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import warnings
from pathlib import Path

import mlflow
import numpy as np
import optuna
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.metrics import r2_score

from regsearch.data import load

TRAIN, VALIDATION, TEST = slice(5000, 7000), slice(2000, 2250), slice(2250, 2500)
L1_ALPHAS, L2_ALPHAS = [0.0005, 0.001, 0.005, 0.01, 0.1], [0.01, 0.1, 1, 10, 100]


def stem_plot(coef: np.ndarray) -> bytes:
    figure = Figure(figsize=(8, 3))
    axes = figure.add_subplot()
    axes.stem(coef, markerfmt=" ")
    axes.set_xlabel("neuron")
    axes.set_ylabel("weight")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--tol", type=float, default=1e-4, help="of scikit-learn's coordinate descent; 1e-4 is its default"
    )
    tol = parser.parse_args().tol
    warnings.simplefilter("ignore", ConvergenceWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seconds = dict.fromkeys(("data", "fitting", "logging"), 0.0)

    started = time.perf_counter()
    recording = load("twin")
    X_train = np.asfortranarray(recording.X[TRAIN], dtype=float)
    mean = X_train.mean(axis=0)
    X_train -= mean
    scale = np.linalg.norm(X_train, axis=0)
    scale[scale == 0] = 1
    X_train /= scale
    X_validation = (recording.X[VALIDATION].astype(float) - mean) / scale
    y_train, y_validation = recording.y[TRAIN], recording.y[VALIDATION]
    seconds["data"] = time.perf_counter() - started

    Path("mlruns").mkdir(exist_ok=True)
    mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
    mlflow.set_experiment("by-hand")
    n_rows = len(y_train)
    best = (-np.inf, None)

    def trial(family: str, params: dict[str, float], model: object) -> float:
        nonlocal best
        start = time.perf_counter()
        model.fit(X_train, y_train)
        scores = {
            "r2_train": r2_score(y_train, model.predict(X_train)),
            "r2_validation": r2_score(y_validation, model.predict(X_validation)),
        }
        seconds["fitting"] += time.perf_counter() - start
        start = time.perf_counter()
        coef = model.coef_ / scale
        with mlflow.start_run(nested=True), tempfile.TemporaryDirectory() as folder:
            mlflow.log_params({"family": family, **params})
            mlflow.log_metrics(
                {
                    **scores,
                    "sparsity": float(np.mean(coef == 0)),
                    "n_nonzero": int(np.count_nonzero(coef)),
                    "l1_norm": float(np.abs(coef).sum()),
                    "l2_norm": float(np.linalg.norm(coef)),
                }
            )
            Path(folder, "weights.png").write_bytes(stem_plot(coef))
            np.savez(Path(folder, "weights.npz"), coef=coef, intercept=model.intercept_ - mean @ coef)
            mlflow.log_artifacts(folder)
        seconds["logging"] += time.perf_counter() - start
        best = max(best, (scores["r2_validation"], (family, tuple(params.items()), model)), key=lambda pair: pair[0])
        return scores["r2_validation"]

    def ridge(trial_: optuna.Trial) -> float:
        alpha = trial_.suggest_float("alpha", 0.01, 100, log=True)
        return trial("ridge", {"alpha": alpha}, Ridge(alpha, solver="cholesky"))

    def lasso(trial_: optuna.Trial) -> float:
        alpha = trial_.suggest_float("alpha", 0.0005, 0.1, log=True)
        return trial("lasso", {"alpha": alpha}, Lasso(alpha, tol=tol, max_iter=100_000, copy_X=False))

    def elasticnet(trial_: optuna.Trial) -> float:
        l1_alpha = trial_.suggest_categorical("l1_alpha", L1_ALPHAS)
        l2_alpha = trial_.suggest_categorical("l2_alpha", L2_ALPHAS)
        alpha = l1_alpha + l2_alpha / n_rows
        model = ElasticNet(alpha, l1_ratio=l1_alpha / alpha, tol=tol, max_iter=100_000, copy_X=False)
        return trial("elasticnet", {"l1_alpha": l1_alpha, "l2_alpha": l2_alpha}, model)

    with mlflow.start_run(run_name="by hand"):
        trial("none", {}, LinearRegression())
        for objective, n_trials, sampler in (
            (ridge, 30, optuna.samplers.TPESampler(seed=0)),
            (lasso, 30, optuna.samplers.TPESampler(seed=0)),
            (elasticnet, 25, optuna.samplers.GridSampler({"l1_alpha": L1_ALPHAS, "l2_alpha": L2_ALPHAS}, seed=0)),
        ):
            storage = optuna.storages.JournalStorage(
                optuna.storages.journal.JournalFileBackend("mlruns/optuna.journal")
            )
            study = optuna.create_study(direction="maximize", sampler=sampler, storage=storage)
            study.optimize(objective, n_trials=n_trials)
        score, (family, params, model) = best
        X_test = (recording.X[TEST].astype(float) - mean) / scale
        mlflow.log_metric("best_r2_test", r2_score(recording.y[TEST], model.predict(X_test)))
    print(f"best {score:.4f}: {family} {dict(params)}")
    print("seconds " + " ".join(f"{name} {value:.1f}" for name, value in seconds.items()))


if __name__ == "__main__":
    main()
