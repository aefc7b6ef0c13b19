"""Ten targets on the same features beside one: solving alone, the features shared.

The targets are the twin's running speed and mixtures of it with independent slow signals, on the rows, families and
strengths of the default search. Solving is timed in processor seconds, without tracking.

    python benchmarks/targets.py [--targets 10]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from regsearch import SearchConfig
from regsearch.data import Recording, load
from regsearch.search.chance.statistic import candidates
from regsearch.search.rows import cut
from regsearch.search.solving.evaluate import Evaluator, Task
from regsearch.search.solving.local_engines import thread
from regsearch.search.solving.targets import OfTarget, TargetsTask
from regsearch.search.trial import Proposal


def mixtures(y: np.ndarray, number: int) -> dict[str, np.ndarray]:
    """Return the target and others: mixtures of it with smoothed noise of the same deviation."""
    rng = np.random.default_rng(0)
    made = {"run": y}
    for at in range(1, number):
        slow = np.convolve(rng.standard_normal(len(y) + 99), np.hanning(100), mode="valid")
        share = at / number
        made[f"mixture {at}"] = (1 - share) * y + share * slow * y.std() / slow.std()
    return made


def paths(config: SearchConfig, n_rows: float) -> list[list[Proposal]]:
    """Return the trials of the default search by families, on a fixed grid of its ranges."""
    every = [Proposal(one.family, one.number, one.parameters, one.penalty) for one in candidates(config, None, n_rows)]
    return [[one for one in every if one.family == family] for family in ("none", "ridge", "lasso", "elasticnet")]


def main() -> None:
    """Time one target and all of them, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=10)
    number = parser.parse_args().targets
    config, twin = SearchConfig.load("default"), load("twin")
    recordings = Recording.several(twin.X, mixtures(twin.y, number), source="twin")
    del twin
    developments = tuple(rows for rows, _ in cut(config, recordings))
    families = paths(config, developments[0].model.total_weight)
    started = time.process_time()
    evaluator = Evaluator(Task(developments[0], config.tolerance))
    for path in families:
        evaluator(path)
    one = time.process_time() - started
    started = time.process_time()
    gaps = []
    with thread(TargetsTask(developments, config.tolerance)) as submit:
        for target in range(number):
            for path in families:
                gaps += [solved.evaluation.duality_gap for solved in submit(OfTarget(target, "pooled", path)).result()]
    every = time.process_time() - started
    print(
        f"one target {one:.1f} s, {number} targets {every:.1f} s: {every / one:.1f} times; largest gap {max(gaps):.1g}"
    )


if __name__ == "__main__":
    main()
