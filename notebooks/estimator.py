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
# # In twelve lines: `PenaltySearchCV` in a pipeline
#
# This notebook replaces `LassoCV` in a pipeline. The pipeline standardises 3,000 features of 300 rows, and `LassoCV`
# chooses the strength of the penalty.

# %%
from sklearn.datasets import make_regression
from sklearn.linear_model import LassoCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regsearch import PenaltySearchCV

X, y = make_regression(n_samples=300, n_features=3000, n_informative=20, noise=100, random_state=0)

# %%
# %%time
theirs = make_pipeline(StandardScaler(), LassoCV()).fit(X, y)

# %% [markdown]
# Replace the last step. `PenaltySearchCV` tries the same strengths on the same five folds, and takes less time.

# %%
# %%time
lasso = PenaltySearchCV(lasso=theirs[-1].alphas_, ridge=False, elasticnet=False, scale="none")
ours = make_pipeline(StandardScaler(), lasso).fit(X, y)

# %% [markdown]
# It is the same model: the same strength, and weights that differ only by the tolerance of `LassoCV`. `PenaltySearchCV`
# solves every fit to rounding error.

# %%
print(theirs[-1].alpha_, ours[-1].best_params_["alpha"], abs(ours[-1].coef_ - theirs[-1].coef_).max())

# %% [markdown]
# Now name an experiment. This cell searches ridge, lasso and ElasticNet over their whole useful ranges, and writes an
# MLflow run for every penalty. `regsearch ui` shows them in a browser. The same cell again resumes the search.

# %%
tracked = make_pipeline(StandardScaler(), PenaltySearchCV(scale="none", n_trials=10, tracking="estimator")).fit(X, y)
print(tracked[-1].best_params_)
