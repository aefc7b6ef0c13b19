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
# # A first search
#
# How much regularisation does a linear decoder need, and which kind? This notebook launches a search on a small
# recording made on the spot, looks at its runs through MLflow, and loads the champion.
#
# Everything is written to `mlruns/` in the current folder; `regsearch ui` shows the same runs in a browser.

# %%
import mlflow
import numpy as np
from IPython.display import Image
from mlflow import MlflowClient

from search import SearchConfig, run_search

# %% [markdown]
# ## A recording
#
# 300 frames of 500 neurons, more neurons than frames, and a running speed that eight of the neurons follow. Any
# `.npz` with an `X` and a `y`, or a `.csv` or `.parquet` table, does as well.

# %%
rng = np.random.default_rng(1)
X = rng.gamma(0.5, 2.0, (300, 500))
speed = X[:, :8] @ rng.uniform(0.2, 1.0, 8) + rng.standard_normal(300)
np.savez("recording.npz", X=X, y=speed)

# %% [markdown]
# ## A search
#
# Ridge and lasso are searched on a log scale; ElasticNet tries every mix of the listed L1 and L2 strengths. The test
# rows are not read until a winner is promoted, and then once.

# %%
config = SearchConfig.from_toml("""
name = "first-search"

[data]
source = "recording.npz"

[data.split]
train = [0, 200]
validation = [200, 250]
test = [250, 300]

[families.ridge]
alpha = { low = 0.01, high = 100 }
trials = 20

[families.lasso]
alpha = { low = 0.0005, high = 0.5 }
trials = 20

[families.elasticnet]
l1_alpha = [0.001, 0.01, 0.1]
l2_alpha = [0.1, 1, 10]
""")
result = run_search(config, progress=False)
columns = ["family", "trial", "alpha", "l1_alpha", "l2_alpha", "r2_train", "r2_validation", "n_nonzero"]
result.trials[columns].sort_values("r2_validation", ascending=False).head(8)

# %% [markdown]
# ## The runs, through MLflow
#
# One parent run per search and one child per trial. The parent holds the figures of the whole search.

# %%
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
runs = mlflow.search_runs(experiment_names=["first-search"], filter_string="tags.family = 'lasso'")
runs.astype({"params.alpha": float}).sort_values("params.alpha")[
    ["params.alpha", "metrics.r2_train", "metrics.r2_validation", "metrics.sparsity"]
].tail(5)

# %%
client = MlflowClient()
Image(client.download_artifacts(result.run_id, "figures/lasso.png"))

# %%
Image(client.download_artifacts(result.run_id, "figures/weights.png"))

# %% [markdown]
# ## The champion
#
# The best validation score over all families won. It is a plain scikit-learn estimator in the recording's own units.

# %%
champion = mlflow.pyfunc.load_model("models:/first-search@champion")
predicted = champion.predict(X[250:])
residual = speed[250:] - predicted
print(result.promotion.trial)
print(f"R² on the test rows: {1 - residual @ residual / np.square(speed[250:] - speed[250:].mean()).sum():.4f}")
