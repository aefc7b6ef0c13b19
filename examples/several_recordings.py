"""Run the same search on several recordings, and compare the results in one table.

    python examples/several_recordings.py [recording ...]

Each file gets an experiment and a registered model with the file's name.  Without a file, the script makes three small
recordings of 400 features in `recordings/`.  Their targets depend on 5, 20 and 80 of the features.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from regsearch import SearchConfig, SearchResult, run_search

TRIALS = 10  # of each family


def make_recordings(folder: Path) -> list[str]:
    """Write three small recordings and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for carriers in (5, 20, 80):
        rng = np.random.default_rng(carriers)
        X = rng.standard_normal((300, 400))
        y = X[:, :carriers] @ rng.standard_normal(carriers) / np.sqrt(carriers) + 0.3 * rng.standard_normal(300)
        path = folder / f"carriers-{carriers}.npz"
        np.savez(path, X=X, y=y)
        paths.append(str(path))
    return paths


def compared(result: SearchResult) -> dict[str, object]:
    """Return a row of the table: the best validation R² of each family, the winner, and its test R²."""
    best_of_each = result.trials.groupby("family", sort=False)["r2_validation"].max()
    tested = result.promotion.r2_test if result.promotion else float("nan")
    return {**best_of_each, "winner": result.best["family"], "non-zero": result.best["n_nonzero"], "test": tested}


def main(sources: list[str]) -> None:
    """Search each recording and print the table."""
    rows = {}
    for source in sources or make_recordings(Path("recordings")):
        result = run_search(SearchConfig.load("default").on(source).updated(trials=TRIALS))
        rows[Path(source).stem] = compared(result)
        for note in result.notes:
            print(f"{source}: {note}", file=sys.stderr)
    print(pd.DataFrame.from_dict(rows, orient="index").rename_axis("recording").round(4).to_string())


if __name__ == "__main__":
    main(sys.argv[1:])
