"""Null distributions beside the same loop written by hand with scikit-learn's LassoCV and RidgeCV.

    python benchmarks/null.py [--shapes twin tall] [--targets 100] [--by-hand 2]

`twin` is the default search's rows, 2,000 x 11,983 to train and 250 to validate. `tall` is one session as the
International Brain Laboratory has it: 30,000 rows of 100 neurons at 10 lags, five folds. Both try 30 ridge and 30 lasso
strengths on every target, relative to the target's own maximum for the lasso. By hand, LassoCV and RidgeCV get the
same folds, columns scaled once, as many strengths over as wide a range, and the tolerance of the same duality gap, 1e-6
of the objective at zero. The loop by hand is timed on a few targets, and its time for all of them is scaled from these.

All times are processor seconds of one BLAS thread, so that other work on the machine hardly counts.

The last lines reckon what 459 sessions with 100 impostors each would take at the speed of `tall`. Nobody has run that:
sessions differ, and the laboratory's loop was nested and had other steps. Its own time is "about two weeks with 100
jobs in parallel" (github.com/int-brain-lab/prior-localization).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np  # after the number of its threads is set
import sklearn
from sklearn.linear_model import LassoCV, RidgeCV

from regsearch.data import Development, Recording, Split, load, seal
from regsearch.search.chance.statistic import NullTask, narrowed_development, real_target, rows_of
from regsearch.search.chance.targets import segments, shifted
from regsearch.search.config import SearchConfig
from regsearch.search.solving.evaluate import Task
from regsearch.search.strengths import maxima_of

GAP, N_STRENGTHS, SESSIONS, IMPOSTORS, THEIR_HOURS = 1e-6, 30, 459, 100, 14 * 24 * 100
SMALLEST = {"twin": 0.01, "tall": 0.001}
"""Smallest lasso strength as a share of the one at which every weight is zero."""


def config(shape: str) -> SearchConfig:
    """Return a configuration of 30 ridge and 30 lasso strengths."""
    return SearchConfig.from_toml(f"""
name = "null"
tolerance = {GAP}
[families.ridge]
alpha = {{ low = 0.01, high = 100, points = {N_STRENGTHS} }}
[families.lasso]
alpha = {{ of = "max", low = {SMALLEST[shape]}, points = {N_STRENGTHS} }}
""")


def rows(shape: str) -> Development:
    """Return the rows of a search."""
    if shape == "twin":
        return seal(load("twin"), Split.holdout([(5000, 7000)], (2000, 2250), (2250, 2500)))[0]
    rng = np.random.default_rng(0)
    n_rows, n_neurons, n_lags = 30_000, 100, 10
    neurons = rng.standard_normal((n_rows + n_lags, n_neurons), dtype=np.float32)
    speed = rng.standard_normal(n_rows + n_lags)
    for row in range(1, n_rows + n_lags):
        neurons[row] = 0.8 * neurons[row - 1] + 0.6 * neurons[row]
        speed[row] = 0.98 * speed[row - 1] + 0.2 * speed[row]
    X = np.concatenate([neurons[n_lags - lag : n_rows + n_lags - lag] for lag in range(n_lags)], axis=1)
    weights = np.where(rng.random(X.shape[1]) < 0.05, rng.standard_normal(X.shape[1]), 0)
    y = X @ weights / np.linalg.norm(weights) + 2 * speed[n_lags:]
    return seal(Recording.checked(X, y, source="tall"), Split.blocked([(0, n_rows - 2)], 5, 0, (n_rows - 2, n_rows)))[0]


def ours(shape: str, development: Development, targets: np.ndarray) -> list[float]:
    """Return the score of every target as `regsearch null` finds it, four targets at a time."""
    wanted = config(shape)
    scored = NullTask(Task(development, wanted.tolerance), wanted, maxima_of(development)).solver()
    return [score for start in range(0, targets.shape[1], 4) for score in scored(targets[:, start : start + 4])]


def by_hand(shape: str, development: Development, targets: np.ndarray) -> list[float]:
    """Return the best of LassoCV and RidgeCV for every target, by mean squared error over the same folds."""
    places = rows_of(development)
    parts = dict.fromkeys(part for fold in development.folds for part in (fold.train, fold.validation))
    X = np.empty((len(places), development.n_features))
    for part in parts:
        X[np.searchsorted(places, part.index)] = part.X[:, :]
    train = np.searchsorted(places, development.model.index)
    X -= X[train].mean(axis=0)
    X /= np.linalg.norm(X[train], axis=0)
    folds = [
        tuple(np.searchsorted(places, part.index) for part in (fold.train, fold.validation))
        for fold in development.folds
    ]
    scores = []
    for y in targets.T:
        lasso = LassoCV(eps=SMALLEST[shape], alphas=N_STRENGTHS, cv=folds, tol=GAP / 2, max_iter=10**6).fit(X, y)
        strengths = np.geomspace(0.01, 100, N_STRENGTHS)
        ridge = RidgeCV(strengths, cv=folds, scoring="neg_mean_squared_error").fit(X, y)
        of_lasso = lasso.mse_path_.reshape(N_STRENGTHS, -1).mean(axis=1)  # one fold leaves out its axis
        error = min(of_lasso.min(), -ridge.best_score_)
        centres = [y[held if len(folds) == 1 else fit].mean() for fit, held in folds]
        deviation = np.mean([np.mean((y[held] - one) ** 2) for one, (_, held) in zip(centres, folds, strict=True)])
        scores.append(float(1 - error / deviation))
    return scores


def timed(call: Callable[[], list[float]]) -> tuple[list[float], float]:
    """Return what a call returns, and its processor seconds."""
    started = time.process_time()
    return call(), time.process_time() - started


def main() -> None:
    """Print a table of both, and the figure that is reckoned from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["twin", "tall"], choices=["twin", "tall"])
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--by-hand", type=int, default=2)
    given = parser.parse_args()
    print(f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}\n")
    print(f"| rows | regsearch, {given.targets} targets | a target | by hand, a target | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for shape in given.shapes:
        development = rows(shape)
        places = rows_of(development)
        targets = shifted(real_target(development), segments(places), 2 * (-(-given.targets // 2)))
        development = narrowed_development(development, places[targets.places])
        values = targets.values[:, : given.targets]
        found, seconds = timed(lambda: ours(shape, development, values))  # noqa: B023  # called at once
        some = values[:, : given.by_hand]
        theirs, spent = timed(lambda: by_hand(shape, development, some))  # noqa: B023
        one, hand = seconds / values.shape[1], spent / max(1, given.by_hand)
        print(f"| {shape} | {seconds:.0f} s | {one:.2f} s | {hand:.1f} s | {hand / one:.0f} |", flush=True)
        print(f"<!-- scores of the first targets: {np.round(found[: given.by_hand], 4)} and {np.round(theirs, 4)} -->")
    if "tall" in given.shapes:
        hours = SESSIONS * (1 + IMPOSTORS) * one / 3600
        print(
            f"\nReckoned for {SESSIONS} sessions with {IMPOSTORS} impostors each at this speed: {hours:.0f} "
            f"core-hours; two weeks with 100 jobs are {THEIR_HOURS:,}."
        )


if __name__ == "__main__":
    main()
