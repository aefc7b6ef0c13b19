"""Search a recording from Python, and print the best trials and the champion.

python examples/launch_from_python.py [recording.npz | .csv | .parquet [trials of each family]]
"""

import sys

from regsearch import SearchConfig, run_search


def main(source: str = "twin", trials: str = "") -> None:
    """Run the default search on a recording and print the result."""
    config = SearchConfig.load("default").on(source)
    result = run_search(config.updated(trials=int(trials)) if trials else config)
    best = result.trials.sort_values("r2_validation", ascending=False)
    columns = ["family", "alpha", "l1_alpha", "l2_alpha", "r2_train", "r2_validation", "n_nonzero"]
    print(best[columns].head(5).to_string(index=False))
    for note in result.notes:
        print(f"note: {note}")
    if result.promotion:
        print(f"champion: {result.promotion.trial}, test R² {result.promotion.r2_test:.4f}, {result.promotion.uri}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
