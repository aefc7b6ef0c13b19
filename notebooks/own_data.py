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
# This notebook starts with a table and ends with a registered model. Each row of the table is a moment, each column is
# a feature, and one column is to be predicted. The search takes ten lines. It writes its runs to `mlruns/` in the
# current folder, and `regsearch ui` shows them in a browser.

# %%
import os

import mlflow
import numpy as np
import pandas as pd
from IPython.display import Image
from sklearn.metrics import r2_score

from regsearch import SearchConfig, from_frame, null_distribution, run_search

TRACKING_URI = "sqlite:///mlruns/mlflow.db"
mlflow.set_tracking_uri(TRACKING_URI)
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # MLflow draws a bar for every download

# %% [markdown]
# ## A table
#
# We make a table of 400 moments and 500 features. It has more features than training rows. Eight features carry the
# target `y`. We keep the last 100 moments aside and treat them as tomorrow's data.

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
# This searches the table: 86 trials of ridge, lasso and ElasticNet, with strengths that fit the data. The first 70 %
# of the rows train, the next 15 % validate, and the last 15 % stay sealed until there is a winner. Instead of CSV,
# you can use Parquet, or an `.npz` file with the arrays `X` and `y`.

# %%
today.to_csv("decoder_table.csv", index=False)
config = SearchConfig.load("default").on("decoder_table.csv")
result = run_search(config, tracking_uri=TRACKING_URI, progress=False)
columns = ["family", "alpha", "l1_alpha", "l2_alpha", "r2_train", "r2_validation", "n_nonzero"]
best_of_each = result.trials.sort_values("r2_validation", ascending=False).groupby("family", sort=False).head(1)
best_of_each[columns].set_index("family").round(4)

# %% [markdown]
# ## Look at the trials
#
# Every trial is a run in MLflow. The search's own run holds the figures of the whole search.

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
# regsearch scored the winner once on the test rows and registered it. The registered model is a scikit-learn pipeline
# of a scaler and the winner's penalised model. You can load it on any machine that reaches the store, also without
# regsearch. It finds the table's columns by their names.

# %%
champion = mlflow.pyfunc.load_model(result.promotion.uri)
predicted = champion.predict(tomorrow.drop(columns="y"))
print(result.promotion.trial)
print(f"R² on the test rows: {result.promotion.r2_test:.4f}")
print(f"R² on tomorrow's:    {r2_score(tomorrow['y'], predicted):.4f}")

# %% [markdown]
# ## Choose what to search
#
# A configuration says which rows, target, families and ranges to search. Here it is a string in TOML. In a file, it
# would run with `regsearch run my-search.toml`. Neighbouring rows in time are alike, so we cross-validate in contiguous
# blocks and leave out an embargo of two rows around each block.

# %%
config = SearchConfig.from_toml("""
name = "decoder_table-lasso"
select = "one-se"                              # the one-standard-error rule

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
# Nine features remain. Seven of them are among the eight that carry the target, and two are chance finds. We do not
# promote this search. Its test rows were already opened above, so a second score on them would no longer be honest.
# The [tutorial](tutorial.ipynb) explains this in more detail.

# %% [markdown]
# ## Better than chance?
#
# Two slow signals are often alike by chance. `null_distribution` repeats the whole choice of a model on 38 other
# targets: the same target, shifted against the features by up to 19 rows. A shifted target has the same course, but it
# is unrelated to the features. No shift scores as high as the real target, so `p` is 0.05, the smallest value that 38
# shifts can give.

# %%
found = null_distribution(folded.search_id, n=38, tracking_uri=TRACKING_URI, progress=False)
print(f"real target {found.score:.3f}, best shift {max(found.null):.3f}, p = {found.p:.3f}")

# %% [markdown]
# ## Sessions
#
# An experiment has several sessions. Here each hundred rows are one session, and a lamp disturbs the target.
# `groups` keeps sessions whole. `covariates` are fitted without a penalty. `lags` takes each feature at the same moment
# and one moment before. The last session is the test. In each fold, the model predicts one of the other sessions from
# the remaining ones. `from_frame` says what the columns are.

# %%
lamp = rng.standard_normal(400)
recorded = table.assign(y=table["y"] + 2 * lamp, lamp=lamp, session=np.repeat(["a", "b", "c", "d"], 100))
settings = SearchConfig.load("own-data").updated(name="sessions", families=["lasso"], lags=[0, 1])
sessions = run_search(
    settings,
    data=from_frame(recorded, groups="session", covariates=["lamp"]),
    tracking_uri=TRACKING_URI,
    progress=False,
)
weights = pd.read_csv(client.download_artifacts(sessions.run_id, "weights.csv"))
pd.concat([weights.head(3), weights.tail(1)])
