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
# # How much regularisation, and which kind?
#
# A mouse runs on a ball while a microscope watches about twelve thousand neurons of its visual cortex. Can we read the
# running speed from the neurons? A linear decoder has one weight per neuron and an intercept:
#
# $$\text{speed}(t) \approx b + \sum_i w_i\, x_i(t)$$
#
# We have 2,000 frames to learn from, and 11,983 weights to learn. With more weights than frames, a decoder can fit
# *every* speed trace perfectly. A perfect fit therefore says nothing. This tutorial asks how strongly we should
# restrict the weights, and in which way: we can keep them small (ridge), keep few of them (lasso), or both
# (ElasticNet). regsearch runs the search. Each model is a run in MLflow, and all numbers and pictures below come from
# these runs.
#
# The notebook takes about two minutes. It writes to `mlruns/` in the current folder. `regsearch ui`, started in the
# same folder, shows the runs in a browser.

# %%
import base64
import os
from io import BytesIO

import IPython
import ipywidgets as widgets
import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regsearch import SearchConfig, null_distribution, penalized_path, promote, run_search
from regsearch.data import Split, load

TRACKING_URI = "sqlite:///mlruns/mlflow.db"
mlflow.set_tracking_uri(TRACKING_URI)
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # MLflow draws a bar for every download
plt.rcParams["figure.dpi"] = 72

# %% [markdown]
# ## The recording
#
# The default recording is a synthetic *twin* of a real one (Stringer et al. 2019, Science, 10.1126/science.aav7893). It
# has the same shape, the same distributions and the same time scales, and few of its neurons carry the running speed.
# The results below are true of the twin, and say nothing about mice. To use the real recording, change `SOURCE` to
# `"stringer"`. This downloads 790 MB, and the numbers in the text will then differ from the outputs.

# %%
SOURCE = "twin"
recording = load(SOURCE)
X, speed = recording.X, recording.y
print(f"{X.shape[0]:,} frames × {X.shape[1]:,} neurons, {X.dtype}; speed from {speed.min():g} to {speed.max():g}")
print(f"a response of 0 in {np.mean(X == 0):.1%} of frames, median {np.median(X[::20]):.1f}, largest {X.max():.0f}")

# %% [markdown]
# A **frame** is one picture of the microscope. It takes 1.2 seconds, and it is one row. A **neuron** is one column. Its
# value is the deconvolved fluorescence: never negative, mostly small, sometimes large. All neurons are seen at the same
# moment.
#
# We use three blocks of rows. We fit the models on the *training* rows and compare them on the *validation* rows. We
# look at the *test* rows only once, at the very end. The pictures leave them blank, too.

# %%
train, validation, test = slice(5000, 7000), slice(2000, 2250), slice(2250, 2500)
shown = speed.copy()
shown[test] = np.nan

figure, (whole, part, cells) = plt.subplots(3, 1, figsize=(8, 6), height_ratios=[1, 1, 2], layout="constrained")
whole.plot(shown, linewidth=0.5, color="black")
for rows, name, colour in ((train, "train", "C0"), (validation, "validation", "C1"), (test, "test", "C3")):
    whole.axvspan(rows.start, rows.stop, color=colour, alpha=0.25, label=name)
whole.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
whole.set_title("Running speed, the whole recording", loc="left")
whole.set(ylabel="speed (a.u.)", xlabel="frame", xlim=(0, len(speed)))

window = slice(5000, 5300)
spread = X[train].std(axis=0)
standardised = (X[train] - X[train].mean(axis=0)) / spread
correlation = standardised.T @ (speed[train] - speed[train].mean()) / speed[train].std() / len(speed[train])
order = np.argsort(-correlation)
some = np.concatenate([order[:20], np.random.default_rng(0).choice(order[20:], 20, replace=False)])
part.plot(np.arange(window.start, window.stop), speed[window], color="black")
part.set_title("Six minutes of it", loc="left")
part.set(ylabel="speed (a.u.)", xlim=(window.start, window.stop))
picture = cells.imshow(
    standardised[: window.stop - window.start, some].T,
    aspect="auto",
    interpolation="nearest",
    cmap="Greys",
    vmin=0,
    vmax=4,
    extent=(window.start, window.stop, len(some), 0),
)
cells.axhline(20, color="C3", linewidth=1)
cells.set_title("The 20 neurons that follow the speed best in the training rows, and 20 others", loc="left")
cells.set(xlabel="frame", ylabel="neuron")
figure.colorbar(picture, ax=cells, label="response (standard deviations)")
plt.show()
print(f"correlation of the best neuron with the speed: {correlation[order[0]]:.2f}")

# %% [markdown]
# Some neurons follow the speed, but none of them closely, and most do not follow it at all. A decoder has to combine
# them. A mouse does not start and stop from one frame to the next, so neighbouring frames are alike. This will matter
# later:

# %%
lags = [1, 8, 30]
print(
    "correlation of the speed with itself, frames later:",
    [f"{np.corrcoef(speed[:-lag], speed[lag:])[0, 1]:.2f} after {lag}" for lag in lags],
)

# %% [markdown]
# ## The search
#
# The `tutorial` preset fits ridge and lasso at five strengths each, ElasticNet at all 25 mixes of them, and the
# unregularised model. regsearch first centres each column and scales it to unit length over the training rows, so that
# it penalises every neuron alike. The meaning of an alpha depends on this scaling. `promote=False` leaves the test rows
# sealed.

# %%
config = SearchConfig.load("tutorial").on(SOURCE)
result = run_search(config, tracking_uri=TRACKING_URI, promote=False, progress=False)
result.trials["family"].value_counts(sort=False)

# %% [markdown]
# Each trial is an MLflow run, and all of them have the search's run as parent. MLflow returns them as a table:

# %%
MEASURED = ["r2_train", "r2_validation", "n_nonzero", "l2_norm"]


def runs_of(search_id):
    """Return the trials of a search from MLflow, one row per run."""
    own = f"tags.search_id = '{search_id}' AND tags.role = 'trial'"
    runs = mlflow.search_runs(search_all_experiments=True, filter_string=own)
    table = runs[["run_id", "params.family"]].rename(columns={"params.family": "family"})
    for name in ("alpha", "l1_alpha", "l2_alpha"):
        table[name] = runs.get(f"params.{name}", pd.Series(np.nan, runs.index)).astype(float)
    for name in runs.filter(like="metrics."):
        table[name.removeprefix("metrics.")] = runs[name]
    return table.sort_values(["family", "alpha", "l1_alpha", "l2_alpha"], ignore_index=True)


runs = runs_of(result.search_id)
of = dict(tuple(runs.groupby("family")))
unregularised = of["none"].iloc[0]
unregularised[MEASURED].to_frame("unregularised").T.astype(float).round(4)

# %% [markdown]
# ## Without regularisation
#
# Infinitely many sets of weights fit the training rows perfectly. Least squares takes the smallest of them. $R^2$ is
# the share of the speed's variance that the predictions explain. 1 is perfect, 0 is as good as always predicting the
# mean, and a negative value is worse than that. On the training rows, $R^2$ must be 1. On rows that the model has not
# seen, it is 0.68. This is a fair decoder, but it loses a third of the variance, and the training score did not warn
# us.

# %%
client = mlflow.MlflowClient()


def archive(run_id):
    """Return the arrays of a trial's run: coefficients, intercept, predictions at the validation rows."""
    return np.load(client.download_artifacts(run_id, "weights.npz"))


def predict(run_id, rows):
    """Return a trial's predictions."""
    model = archive(run_id)
    return X[rows] @ model["coef"] + model["intercept"]


def trace(ax, rows, predicted, title):
    """Draw the speed and a model's predictions."""
    frames = np.arange(rows.start, rows.stop)
    ax.plot(frames, speed[rows], color="black", label="speed")
    ax.plot(frames, predicted, color="C3", linewidth=1, label="decoded")
    ax.set(title=f"{title}: R² = {r2_score(speed[rows], predicted):.3f}", ylabel="speed (a.u.)", xlim=frames[[0, -1]])


figure, axes = plt.subplots(2, 1, figsize=(8, 3.8), layout="constrained")
for ax, rows, name in zip(
    axes, (slice(5000, 5250), validation), ("250 of the training rows", "Validation"), strict=True
):
    trace(ax, rows, predict(unregularised["run_id"], rows), name)
axes[0].legend(loc="upper right")
axes[1].set_xlabel("frame")
plt.show()

# %% [markdown]
# ## Which rows to validate on
#
# 250 validation rows are few. They are five minutes, in which the mouse ran a handful of times. **Cross-validation**
# uses the training rows themselves. It cuts them into five folds. It then leaves out each fold in turn, fits on the
# other folds, and predicts the one that was left out.
#
# People usually draw the rows of a fold at random. In a time series this is wrong. The frames before and after a
# left-out frame are then training rows, and they are nearly the same frame, so they tell the model the answer. To see
# this, we decode speeds that these neurons *cannot* know: the speeds of 500 to 2,500 frames earlier, which is ten to
# fifty minutes. An honest score for them is 0 or less. The decoder is ridge at alpha = 10. `StandardScaler` gives
# columns a variance of 1 instead of a length of 1, so we multiply alpha by the number of rows to get the same penalty.

# %%
starts = np.arange(2500, 4501, 100)
speeds = np.column_stack([speed[train], *(speed[start : start + 2000] for start in starts)])


def rows_of(blocks):
    return np.concatenate([np.arange(*block) for block in blocks]) - train.start


blocked = [
    (rows_of(fold.train), rows_of(fold.validation))
    for fold in Split.blocked([(train.start, train.stop)], folds=5, embargo=8, test=(test.start, test.stop)).folds
]
splits = {
    "random rows": list(KFold(5, shuffle=True, random_state=0).split(speeds)),
    "contiguous blocks,\nembargo 8": blocked,
}
ridge = make_pipeline(StandardScaler(), Ridge(alpha=10 * 1600))
scores = {}
for name, folds in splits.items():
    predicted = cross_val_predict(ridge, X[train], speeds, cv=folds)
    by_fold = [r2_score(speeds[rows], predicted[rows], multioutput="raw_values") for _, rows in folds]
    scores[name] = np.mean(by_fold, axis=0)

figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for height, score in enumerate(scores.values()):
    ax.plot(score[1:], np.full(len(starts), height), "o", color="C1", alpha=0.5, label="speeds of another time")
    ax.plot(score[0], height, "D", color="black", label="the true speed")
ax.axvline(0, color="grey", linewidth=1)
ax.set(yticks=[0, 1], yticklabels=list(scores), ylim=(-0.5, 1.5), xlabel="cross-validated R² of ridge, alpha = 10")
ax.legend(*(each[:2] for each in ax.get_legend_handles_labels()), loc="center right")
plt.show()
for name, score in scores.items():
    above = int((score[1:] > 0).sum())
    print(f"{name.splitlines()[0]} the true speed {score[0]:.3f}; of {len(starts)} others {above} above 0")

# %% [markdown]
# With random rows, the decoder seems to predict all 21 wrong speeds. It also overrates the true one: 0.62 instead of
# 0.54. With contiguous blocks, it predicts none of the wrong speeds. The **embargo** also leaves out eight frames
# before and after each block, because the block's first and last frames have near-identical neighbours outside.
#
# In regsearch, folds take one line of the configuration and are always contiguous. We now use all strengths of the
# exercises except the weakest. regsearch fits each of them five times, and once more on all training rows:

# %%
FOLDS = f"""
name = "running-speed-folds"

[data]
source = "{SOURCE}"

[data.split]
train = [5000, 7000]
validation = {{ folds = 5, embargo = 8 }}
test = [2250, 2500]

[families.ridge]
alpha = [0.1, 1, 10, 100]

[families.lasso]
alpha = [0.001, 0.005, 0.01, 0.1]
"""
folds = run_search(SearchConfig.from_toml(FOLDS), tracking_uri=TRACKING_URI, promote=False, progress=False)
folded = runs_of(folds.search_id)
both = runs.merge(folded, on=["family", "alpha"], suffixes=("_one_block", "_five_folds"))
both = both.set_index(["family", "alpha"])
both[["r2_validation_one_block", "r2_validation_five_folds", "r2_validation_se_five_folds"]].round(3)

# %% [markdown]
# The single block and the five folds agree on the order: the best lasso beats the best ridge, and both beat the model
# without a penalty. They disagree on the level, because the five minutes of validation rows happen to be easy. The
# best lasso scores 0.70 with five folds, and 0.85 with the one block. The folds also show how sure the score is: its
# standard error is 0.04.
#
# The folds choose the same lasso, at 0.005. For ridge, they prefer alpha = 10 over alpha = 1, but these two scores
# differ by much less than the standard error. The difference between families is surer than either score, because all
# models meet the same folds:

# %%
by_fold = [f"fold_{number}_r2_validation" for number in range(1, 6)]
rivals = folded.sort_values("r2_validation").groupby("family").tail(1).set_index("family")[["alpha", *by_fold]]
rivals.rename(columns=lambda name: name.removesuffix("_r2_validation")).round(3)

# %% [markdown]
# The lasso is ahead in every fold. Ridge is better than the unregularised model in three folds, equal in one, and worse
# in one. The exercises below use the one block of validation rows.
#
# ## Exercise 1: ridge
#
# *Fit ridge with alpha from 0.01 to 100. How do the scores on training and validation rows depend on alpha?*

# %%
of["ridge"].set_index("alpha")[MEASURED].round(4)


# %%
def against_alpha(family):
    """Draw both scores of a family against alpha, with the unregularised model's scores."""
    _, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for score, colour in (("r2_train", "C0"), ("r2_validation", "C1")):
        name = score.removeprefix("r2_")
        ax.semilogx(of[family]["alpha"], of[family][score], "o-", color=colour, label=name)
        ax.axhline(unregularised[score], color=colour, linestyle=":", label=f"{name}, unregularised")
    ax.set(xlabel="alpha", ylabel="R²", title=family, ylim=(-0.05, 1.05))
    ax.legend(loc="lower left")
    plt.show()


against_alpha("ridge")

# %% [markdown]
# **Answer.** The training score only falls, from 1.00 to 0.36, because every penalty makes the fit worse. The
# validation score first rises, from 0.68 for the unregularised model to 0.74 at alpha = 1. It then falls to 0.30 at
# alpha = 100, where the weights are so small that the prediction hardly changes. Alpha = 0.01 is as good as no penalty
# at all.
#
# ## Exercise 2: the weights of ridge
#
# *Draw the weights for each alpha as stems, together with the unregularised ones. What does the penalty do to them?*


# %%
def stems(ax, weights, **style):
    """Draw every weight that is not zero as a line from zero."""
    kept = np.flatnonzero(weights)
    ax.vlines(kept, 0, weights[kept], antialiased=False, **style)


def weights_against_unregularised(family):
    """Draw the weights at each strength of a family in front of the unregularised ones."""
    free = archive(unregularised["run_id"])["coef"]
    rows = of[family]
    figure, axes = plt.subplots(
        len(rows), 1, figsize=(8, 1.25 * len(rows)), sharex=True, sharey=True, layout="constrained"
    )
    for ax, row in zip(axes, rows.itertuples(), strict=True):
        stems(ax, free, color="lightgrey", linewidth=0.4)
        stems(ax, archive(row.run_id)["coef"], color="C0", linewidth=0.8)
        ax.set_title(f"alpha = {row.alpha:g}, {row.n_nonzero:,.0f} neurons", loc="left", fontsize=10)
    axes[-1].set(xlabel="neuron", xlim=(0, X.shape[1]))
    figure.supylabel(f"weight: {family} in blue, unregularised in grey")
    plt.show()


weights_against_unregularised("ridge")

# %%
free = archive(unregularised["run_id"])["coef"]
ridge_weights = {row.alpha: archive(row.run_id)["coef"] for row in of["ridge"].itertuples()}
pd.DataFrame(
    {
        "length, of the unregularised": {a: np.linalg.norm(w) / np.linalg.norm(free) for a, w in ridge_weights.items()},
        "correlation with the unregularised": {a: np.corrcoef(w, free)[0, 1] for a, w in ridge_weights.items()},
        "exactly zero": {a: int((w == 0).sum()) for a, w in ridge_weights.items()},
    }
).rename_axis("alpha").round(3)

# %% [markdown]
# **Answer.** Ridge shrinks the weights. All 11,983 neurons keep a weight, and none becomes zero. Up to alpha = 0.1, the
# weights are nearly the unregularised ones. At 1, their length is 73 % of the unregularised weights' length, and at 100
# it is 11 %. Ridge does not shrink all weights by the same factor. It shrinks most in the directions in which the
# neurons together vary least, and these directions hold most of the fitted noise. So the pattern changes, too: the
# tallest stems lose less than the many small ones around them.
#
# ## Exercise 3: lasso
#
# *Fit the lasso with alpha from 0.0005 to 0.1. How do the scores depend on alpha?*

# %%
of["lasso"].set_index("alpha")[MEASURED].round(4)

# %%
against_alpha("lasso")

# %% [markdown]
# **Answer.** The curves look alike, but the peak is higher: 0.85 at alpha = 0.005, against 0.74 for the best ridge.
# Every strength except the largest beats the unregularised model. The training score at the best alpha is only 0.78,
# *below* the validation score. A model of 80 weights cannot fit noise freely any more, and the validation rows happen
# to be easy. At alpha = 0.1, all weights are zero. The model always predicts the mean speed, and both scores are 0.
#
# ## Exercise 4: the weights of the lasso
#
# *Draw the weights for each alpha. How many neurons remain?*

# %%
weights_against_unregularised("lasso")

# %% [markdown]
# **Answer.** The lasso selects neurons. Most weights are exactly zero, and fewer neurons remain as alpha grows: 1,528,
# 1,176, 80, 38 and none. The remaining weights are *larger* than the unregularised ones, because a few neurons now do
# the work of thousands. A lasso cannot keep more neurons than there are training rows, here 2,000.
#
# ## Exercise 5: which wins?
#
# *Which penalty and which alpha predict best?*

# %%
single = runs[runs["family"] != "elasticnet"].sort_values("r2_validation", ascending=False)
single.set_index(["family", "alpha"])[MEASURED[:3]].round(4).head(6)

# %% [markdown]
# **Answer.** The lasso at alpha = 0.005 wins clearly. It uses 80 of 11,983 neurons and scores 0.85. The best ridge,
# at alpha = 1, scores 0.74. The folds above agree: 0.70 against 0.56. The lasso wins because the twin was made with
# few neurons that carry the speed. If many neurons each carry a little, ridge wins.
#
# We do not look at the test rows yet, because there is one more exercise. We may look at them once, for the one model
# that we finally choose. If we looked now and chose again later, they would become a second set of validation rows.
#
# ## Exercise 6: every mix
#
# *Combine the two penalties: search all pairs of an L1 and an L2 strength.*

# %%
grid = of["elasticnet"].pivot(index="l1_alpha", columns="l2_alpha", values="r2_validation")
counts = of["elasticnet"].pivot(index="l1_alpha", columns="l2_alpha", values="n_nonzero")
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
picture = ax.imshow(grid, origin="lower", vmin=0, aspect="auto")
for row, column in np.ndindex(grid.shape):
    score, kept = grid.iloc[row, column], counts.iloc[row, column]
    colour = "black" if score > 0.45 else "white"
    ax.text(column, row, f"{score:.3f}\n{kept:,.0f}", ha="center", va="center", color=colour, fontsize=9)
ax.set(xticks=range(5), xticklabels=grid.columns, yticks=range(5), yticklabels=grid.index)
ax.set(xlabel="l2_alpha", ylabel="l1_alpha", title="ElasticNet: validation R², and neurons that remain")
figure.colorbar(picture, ax=ax, label="R²")
plt.show()

# %%
runs.sort_values("r2_validation", ascending=False).set_index(["family", "alpha", "l1_alpha", "l2_alpha"])[
    MEASURED[:3]
].round(4).head(6)

# %% [markdown]
# **Answer.** The best of the 25 mixes has `l1_alpha` 0.005 and `l2_alpha` 0.1, and scores 0.8502. The plain lasso
# scores 0.8498. The mix wins, but the difference means nothing. For every purpose they are the same model, with 83
# neurons instead of 80. The map does show something else: along `l1_alpha` 0.005, the score stays the same up to
# `l2_alpha` 1, where 138 neurons remain. Here an L2 part costs no score, and it spreads the weight over neurons that
# are alike.
#
# ## Open the test rows once
#
# `promote` fits nothing more. It takes the trial with the best validation score over all families, opens the sealed
# test rows, scores the trial, registers the model, and gives it the alias `champion`. To open the test rows again for
# another winner, you have to ask for it, and regsearch counts it.

# %%
promotion = promote(result.search_id, tracking_uri=TRACKING_URI)
print(promotion.trial)
print(f"R² train {promotion.r2_train:.4f}, validation {promotion.r2_validation:.4f}, test {promotion.r2_test:.4f}")
print(f"95 % interval of the test score: {promotion.r2_test_low:.4f} to {promotion.r2_test_high:.4f}")

# %%
champion = mlflow.pyfunc.load_model(promotion.uri)
figure, axes = plt.subplots(2, 1, figsize=(8, 3.8), sharey=True, layout="constrained")
for ax, rows, name in zip(axes, (validation, test), ("Validation", "Test"), strict=True):
    trace(ax, rows, champion.predict(X[rows]), name)
axes[0].legend(loc="upper right")
axes[1].set_xlabel("frame")
plt.show()

# %% [markdown]
# **The winner scores 0.68 on the test rows, and 0.85 on the validation rows.** The best of 36 scores is always
# somewhat too high. Above all, five minutes are few. Even folds of eight minutes gave scores between 0.51 and 0.76
# for a lasso. All folds together, which are 40 minutes, gave 0.70 for the lasso that is closest to this winner. This
# is the score that we should expect.
#
# The interval says the same. regsearch draws the test rows again and again, in blocks of 16 frames. Each time it
# compares the squared error of the drawn rows with the variance of all test rows. The mouse ran only near the end of
# these rows, in a few bouts, so the error depends on which of them are drawn. The test rows show that the decoder
# works. They do not show precisely how well.
#
# ## Dense and sparse models
#
# Two decoders with similar scores can use very different weights. To compare the weights of different neurons, we
# multiply each by its neuron's standard deviation. Then we ask which share of the total weight the strongest neurons
# hold.

# %%
compared = {
    "unregularised": unregularised,
    "ridge, alpha = 1": of["ridge"].query("alpha == 1").iloc[0],
    "ElasticNet, 0.001 and 1": of["elasticnet"].query("l1_alpha == 0.001 and l2_alpha == 1").iloc[0],
    "lasso, alpha = 0.005": of["lasso"].query("alpha == 0.005").iloc[0],
}
figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
half = {}
for name, row in compared.items():
    sizes = np.sort(np.abs(archive(row["run_id"])["coef"] * spread))[::-1]
    share = np.cumsum(sizes) / sizes.sum()
    half[name] = int(np.searchsorted(share, 0.5)) + 1
    ax.semilogx(np.arange(1, len(share) + 1), share, label=f"{name}: R² {row['r2_validation']:.2f}")
ax.axhline(0.5, color="grey", linewidth=1)
ax.set(xlabel="strongest neurons", ylabel="share of all weight")
figure.legend(loc="outside right upper")
plt.show()
print("neurons that hold half of the weight:", half)

# %% [markdown]
# The strongest 13 neurons hold half of the lasso's weight. For ridge, half of the weight is on 2,633 neurons. The next
# cell compares the weights of one model with the unregularised ones. Run the notebook to choose the model; on a web
# page, the picture does not change.


# %%
def draw(run_id):
    """Draw the weights of one run below the unregularised ones."""
    chosen = runs[runs["run_id"] == run_id].iloc[0]
    figure, axes = plt.subplots(2, 1, figsize=(8, 3.5), sharex=True, layout="constrained")
    for ax, model in zip(axes, (unregularised, chosen), strict=True):
        stems(ax, archive(model["run_id"])["coef"], color="C0", linewidth=0.8)
        ax.axhline(0, color="black", linewidth=0.5)
        scores = f"R² train {model['r2_train']:.3f}, validation {model['r2_validation']:.3f}"
        title = f"{names[model['run_id']]}: {model['n_nonzero']:,.0f} neurons, {scores}"
        ax.set_title(title, loc="left", fontsize=10)
    axes[1].set(xlabel="neuron", xlim=(0, X.shape[1]))
    figure.supylabel("weight")
    return figure


def strengths(family):
    """Return the names and the runs of a family's strengths."""
    return [(names[run_id].removeprefix(family).strip(), run_id) for run_id in of[family]["run_id"]]


names = {run_id: client.get_run(run_id).info.run_name for run_id in runs["run_id"]}
family = widgets.ToggleButtons(options=["ridge", "lasso", "elasticnet"], value="lasso")
trial = widgets.Dropdown(options=strengths("lasso"), value=of["lasso"].query("alpha == 0.005")["run_id"].item())
family.observe(lambda change: setattr(trial, "options", strengths(change["new"])), "value")
picture = widgets.Output()


def show(change):
    """Draw the run that was chosen."""
    with picture:
        picture.clear_output(wait=True)
        figure = draw(change["new"])
        IPython.display.display(figure)
        plt.close(figure)


trial.observe(show, "value")
still = BytesIO()
figure = draw(trial.value)
figure.savefig(still)
plt.close(figure)
show({"new": trial.value})
chooser = widgets.VBox([widgets.HBox([family, trial]), picture])
pictures = {"image/png": base64.b64encode(still.getvalue()).decode(), **chooser._repr_mimebundle_()}
IPython.display.display(pictures, raw=True)

# %% [markdown]
# ## When to use which
#
# - **No penalty**: if you have many more rows than columns, or to see what the other models have to beat.
# - **Ridge**: if many columns carry a little each, or if columns are alike and all of them may count. Its predictions
#   change smoothly with the data. One decomposition serves all strengths.
# - **Lasso**: if few columns matter, or if you want to use few, because each one costs something to measure. Of several
#   columns that are alike, it takes one and drops the rest.
# - **ElasticNet**: if few *groups* of similar columns matter, and you want to keep the columns of a group together. It
#   contains ridge and the lasso, so its best score is at least as good. But it needs more trials, and with few
#   validation rows, the best of more trials is overrated more.
#
# In every case: search on a logarithmic scale. Widen the range if the winner is at one of its ends (regsearch tells
# you). Cross-validate in contiguous blocks if your rows are neighbours in time. If two models score alike, prefer the
# more regularised one (`select = "one-se"`).
#
# ## What the weights do not say
#
# It is tempting to read the stems as a map: *these* 80 neurons encode running. They do not say that.
#
# **Neurons that were not chosen may know as much.** We take away the chosen neurons, fit the same lasso on the others,
# and repeat this. (`penalized_path` is the solver alone, without trials and records.)


# %%
def lasso(rows, neurons, alpha=0.005):
    """Return the weights of a lasso on some rows and neurons, and its validation score."""
    model = penalized_path(X[rows][:, neurons], speed[rows], l1=alpha)
    predicted = X[validation][:, neurons] @ model.coef[0] + model.intercept[0]
    return model.coef[0], r2_score(speed[validation], predicted)


every = np.arange(train.start, train.stop)
left = np.arange(X.shape[1])
rounds = []
for _ in range(4):
    weights, score = lasso(every, left)
    rounds.append({"neurons offered": len(left), "chosen": np.count_nonzero(weights), "r2_validation": score})
    left = left[weights == 0]
pd.DataFrame(rounds).round(3)

# %% [markdown]
# The first row is the model of exercise 5. Without its 80 neurons, the next 135 decode nearly as well. Only in the
# third and fourth rounds does the score fall clearly.
#
# **Other frames choose other neurons.** We draw the training rows again, in blocks of 50 frames, ten times:

# %%
rng = np.random.default_rng(0)
chosen = np.zeros(X.shape[1], dtype=int)
redrawn = []
for _ in range(10):
    begins = rng.integers(train.start, train.stop - 49, 40)
    weights, score = lasso((begins[:, None] + np.arange(50)).ravel(), np.arange(X.shape[1]))
    chosen += weights != 0
    redrawn.append(score)
print(f"validation R² from {min(redrawn):.2f} to {max(redrawn):.2f}")
once, always = np.sum(chosen == 1), np.sum(chosen == 10)
print(f"chosen at least once: {np.sum(chosen > 0)} neurons; just once: {once}; always: {always}")

# %% [markdown]
# The scores hardly change, but the selections hardly agree. The prediction is stable, and the list of neurons is not.
#
# **A weight is not a response.** The weight of a neuron says what the neuron adds *given all the others*. We compare it
# with the neuron's own correlation with the speed:

# %%
row = of["lasso"].query("alpha == 0.001").iloc[0]
sized = archive(row["run_id"])["coef"] * spread
kept = np.flatnonzero(sized)
negative = int(np.argmin(sized))
together = standardised.T @ standardised[:, negative] / len(standardised)
partner = int(np.argmax(np.where(sized > 0, together, 0)))
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(correlation[kept], sized[kept], ".", color="C0", markersize=4)
for neuron, colour in ((negative, "C3"), (partner, "C2")):
    ax.plot(correlation[neuron], sized[neuron], "o", color=colour, label=f"neuron {neuron:,}")
ax.axhline(0, color="grey", linewidth=0.5)
ax.set(xlabel="correlation with the speed", ylabel="weight × standard deviation", title="lasso, alpha = 0.001")
ax.legend(loc="upper left")
plt.show()
unrelated = np.sum(np.abs(correlation[kept]) < 0.05)
print(f"{unrelated} of {len(kept):,} neurons are correlated with the speed by less than 0.05")
print(f"neuron {negative}: the most negative weight, correlation with the speed {correlation[negative]:.2f}")
print(
    f"neuron {partner}: correlation {together[partner]:.2f} with that one and {correlation[partner]:.2f} with the speed"
)

# %% [markdown]
# The neuron with the most negative weight does not follow the speed at all. It fluctuates together with a neighbour
# that does follow the speed. Subtracting it removes what both neurons share, and makes the neighbour's signal cleaner.
# Most neurons in this model are such filters, or noise. Haufe et al. (2014, NeuroImage,
# 10.1016/j.neuroimage.2013.10.067) explain how to turn the weights of a decoder into patterns that can be interpreted.
#
# **Weights depend on units and scaling.** A weight is in units of speed per unit of response, so a quiet neuron needs a
# large weight. Multiply by the standard deviation, as above, before you compare weights. The penalty acts on columns of
# unit length. With another scaling, the lasso would choose other neurons.
#
# **Nothing here is causal.** At best, a weight says that the speed can be *read* from a neuron. It does not say that
# the neuron drives the legs, or that the legs drive the neuron. Both may follow the mouse's arousal.
#
# ## Better than chance?
#
# The speed changes slowly, and so do the neurons. Two slow signals are often alike by chance
# ([Harris 2020](https://arxiv.org/abs/2012.06862)), and validation rows do not protect us from that. We therefore
# shift the speed against the neurons by up to 19 frames either way. A shifted speed has the same course. What still
# predicts it is the slowness of both. For each shift, `null_distribution` tries three strengths of the lasso, and keeps
# the best. On the command line, `regsearch null` does the same with a whole search.

# %%
few = config.updated(families=["lasso"]).with_family("lasso", alpha=[0.01, 0.03, 0.1])
lassos = run_search(few, tracking_uri=TRACKING_URI, promote=False, progress=False)
chance = null_distribution(lassos.search_id, n=38, tracking_uri=TRACKING_URI, progress=False)
figure, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.hist(np.maximum(chance.null, -0.5), bins=20, color="grey", label="shifted by up to 19 frames")
ax.axvline(chance.score, color="C2", label="the speed itself")
ax.set(xlabel="best validation R²", ylabel="targets")
ax.legend()
plt.show()
print(f"the speed itself {chance.score:.2f}, best shift {max(chance.null):.2f}, p = {chance.p:.2f}")

# %% [markdown]
# No shift scores as high as the speed itself, so `p` is 0.05, the smallest value that 38 shifts can give. The best
# shifts are those by a frame or two, after which the speed is nearly the same.
#
# ## Where to go from here
#
# - `regsearch run` searches the ranges between these alphas with Optuna. `regsearch ui` shows all runs.
# - [own_data.ipynb](own_data.ipynb) does the same with a table of your own.
