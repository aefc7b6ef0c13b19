# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own data
#
# A table with a row per moment, a column per feature, and a column to predict. From there to a registered model is ten
# lines. Runs are written to `mlruns/` in the current folder; `regsearch ui` shows them in a browser.

# %%
import mlflow
import numpy as np
import pandas as pd
from IPython.display import Image
from sklearn.metrics import r2_score

from regsearch import SearchConfig, run_search

TRACKING_URI = "sqlite:///mlruns/mlflow.db"
mlflow.set_tracking_uri(TRACKING_URI)

# %% [markdown]
# ## A table
#
# Made on the spot: 400 moments of 500 features, more features than training rows, eight of which carry the target `y`.
# The last 100 moments are kept aside to play tomorrow's data.

# %%
rng = np.random.default_rng(1)
X = rng.gamma(0.5, 2.0, (400, 500))
table = pd.DataFrame(X, columns=[f"feature_{number}" for number in range(500)])
table["y"] = X[:, :8] @ rng.uniform(0.2, 1.0, 8) + rng.standard_normal(400)
today, tomorrow = table[:300], table[300:]
today.iloc[:4, [0, 1, 2, -2, -1]].round(3)

# %% [markdown]
# ## Search it
#
# The default search on another file: 86 trials of ridge, lasso and ElasticNet. The first 70 % of the rows train, the
# next 15 % choose, and the last 15 % stay sealed until there is a winner. Parquet, or an `.npz` with arrays `X` and
# `y`, does as well as CSV.

# %%
today.to_csv("decoder_table.csv", index=False)
config = SearchConfig.load("default").on("decoder_table.csv")
result = run_search(config, tracking_uri=TRACKING_URI, progress=False)
columns = ["family", "alpha", "l1_alpha", "l2_alpha", "r2_train", "r2_validation", "n_nonzero"]
best_of_each = result.trials.sort_values("r2_validation", ascending=False).groupby("family", sort=False).head(1)
best_of_each[columns].set_index("family").round(4)

# %% [markdown]
# ## Look
#
# Every trial is a run in MLflow, and the search's own run holds pictures of the whole.

# %%
lassos = mlflow.search_runs(experiment_names=["decoder_table"], filter_string="tags.family = 'lasso'")
lassos = lassos.astype({"params.alpha": float}).sort_values("metrics.r2_validation", ascending=False)
lassos[["params.alpha", "metrics.r2_train", "metrics.r2_validation", "metrics.n_nonzero"]].head(4).round(4)

# %%
client = mlflow.MlflowClient()
Image(client.download_artifacts(result.run_id, "figures/lasso.png"), width=560)

# %%
Image(client.download_artifacts(result.run_id, "figures/weights.png"), width=720)

# %% [markdown]
# ## Use the champion
#
# The winner over all families was scored once on the test rows and registered. It is a plain scikit-learn estimator:
# load it anywhere that reaches the store, with or without regsearch. It takes the table's own columns by name.

# %%
champion = mlflow.pyfunc.load_model(result.promotion.uri)
predicted = champion.predict(tomorrow.drop(columns="y"))
print(result.promotion.trial)
print(f"R² on the test rows: {result.promotion.r2_test:.4f}")
print(f"R² on tomorrow's:    {r2_score(tomorrow['y'], predicted):.4f}")

# %% [markdown]
# ## Say what to search
#
# Rows, target, families and ranges are a configuration, in TOML here or in a file that `regsearch run my-search.toml`
# takes. Rows that are neighbours in time are cross-validated in contiguous blocks, with an embargo around each.

# %%
config = SearchConfig.from_toml("""
name = "decoder_table-lasso"
select = "one-se"                              # the most regularised within one standard error of the best

[data]
source = "decoder_table.csv"
target = "y"

[data.split]
train = [0, 250]
validation = { folds = 5, embargo = 2 }
test = [255, 300]

[families.lasso]
alpha = { low = 0.005, high = 0.5 }
trials = 15
""")
folded = run_search(config, tracking_uri=TRACKING_URI, promote=False, progress=False)
pd.DataFrame([folded.best]).set_index("family")[["alpha", "r2_validation", "r2_validation_se", "n_nonzero"]].round(4)

# %%
coef = np.load(client.download_artifacts(folded.best["run_id"], "weights.npz"))["coef"]
print(*today.columns[:-1][coef != 0])

# %% [markdown]
# Seven features remain, all among the eight that carry the target. This search is not promoted: its test rows are those
# that were opened above, and a second winner's score on them would no longer be of rows that nobody had looked at. The
# [tutorial](tutorial.ipynb) says more about all of this.
