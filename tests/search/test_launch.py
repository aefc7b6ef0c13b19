import io
import json
import math
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.linear_model import ElasticNet
from sklearn.metrics import r2_score

from regsearch import SearchConfig, data, from_frame, load_champion, run_search, run_targets
from regsearch.errors import DataError, PromotionRefusedError, SearchBusyError, SearchStoppedError, TrialError
from regsearch.search.output.progress import Bar, Progress
from regsearch.search.penalty import PARAMETERS, Penalty
from regsearch.search.promotion import promote
from regsearch.search.proposals.optuna_storage import open_storage
from regsearch.search.solvers.path import RegularizationPath
from regsearch.tracking import registry
from regsearch.tracking.records import METRICS
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.sqlite_file import home
from regsearch.tracking.store import open_store


def test_every_trial_is_in_optuna_in_mlflow_and_in_the_table(small_config, result):
    assert len(result.trials) == small_config.n_trials == 1 + 12 + 3 + 4
    assert result.new_trials == 20
    storage = open_storage(None, home())
    told = {}
    for family in ("none", "ridge", "lasso", "elasticnet"):
        study = optuna.load_study(study_name=f"small/{result.search_id}/{family}", storage=storage)
        assert all(trial.state.name == "COMPLETE" for trial in study.trials)
        told |= {(family, trial.number): (trial.params, trial.value) for trial in study.trials}
    assert told.keys() == set(zip(result.trials["family"], result.trials["trial"], strict=True))
    for _, row in result.trials.iterrows():
        parameters, value = told[row["family"], row["trial"]]
        assert value == pytest.approx(row["r2_validation"], rel=1e-6, abs=1e-7)
        assert {name: row[name] for name in parameters} == parameters


def test_the_parent_tells_the_search(small_config, result):
    store = open_store()
    parent = store.client.get_run(result.run_id)
    assert parent.info.status == "FINISHED"
    files = {file.path for file in store.client.list_artifacts(result.run_id)}
    assert files >= {"config.toml", "trials.csv", "weights.csv", "figures"}
    figures = {file.path for file in store.client.list_artifacts(result.run_id, "figures")}
    names = (
        "ridge",
        "lasso",
        "lasso_path",
        "elasticnet",
        "importance",
        "history",
        "trade_off",
        "weights",
        "predictions",
        "residuals",
    )
    assert figures == {f"figures/{name}.{kind}" for name in names for kind in ("png", "svg", "pdf")}
    run = SearchRun.find(store, result.search_id)
    text = run.read(result.run_id, "config.toml").decode()
    assert SearchConfig.from_toml(text) == small_config
    assert tomllib.loads(text)["data"]["split"]["test"] == [120, 160]
    assert parent.data.metrics["best_r2_validation"] == result.trials["r2_validation"].max()
    assert parent.data.metrics["best_r2_test"] == result.promotion.r2_test


def test_the_parent_has_curves_that_end_at_the_best_of_all_trials(result):
    history = open_store().client.get_metric_history
    done = [(point.step, point.value) for point in history(result.run_id, "trials_done")]
    assert all(step == value for step, value in done)
    assert [step for step, _ in done] == sorted({step for step, _ in done})
    assert done[-1] == (20, 20)
    best = [point.value for point in history(result.run_id, "best_r2_validation_so_far")]
    assert best == sorted(best)
    assert best[-1] == result.trials["r2_validation"].max()


def test_a_resumed_search_shows_the_best_of_all_trials_beside_their_count(small_config, result, capsys):
    best = result.trials["r2_validation"].max()
    more = run_search(small_config.updated(trials=13), promote=False, progress=Bar(every=math.inf))
    assert more.trials["r2_validation"].max() == best  # else the new trial would show it
    (line,) = [line for line in capsys.readouterr().err.splitlines() if " of 21 trials" in line]
    assert line.startswith("21 of 21 trials")
    assert f"best validation R² {best:.4f}" in line


def test_children_hold_their_weights_and_a_stem_plot(result):
    store = open_store()
    run = SearchRun.find(store, result.search_id)
    for (family, _), child in run.trial_runs().items():
        assert child.info.status == "FINISHED"
        tested = {"r2_test", "r2_test_low", "r2_test_high"} if child.info.run_id == result.best["run_id"] else set()
        logarithms = {f"log10_{name}": np.log10(float(child.data.params[name])) for name in PARAMETERS[family]}
        assert set(child.data.metrics) == set(METRICS) | tested | set(logarithms)
        assert {name: child.data.metrics[name] for name in logarithms} == pytest.approx(logarithms)
        assert {file.path for file in store.client.list_artifacts(child.info.run_id)} >= {"weights.npz", "weights.png"}
        assert child.data.params["family"] == family
    row = result.trials[result.trials["family"] == "elasticnet"].iloc[0]
    assert row["sklearn_alpha"] == pytest.approx(row["l1_alpha"] + row["l2_alpha"] / 80)
    assert row["l1_ratio"] == pytest.approx(row["l1_alpha"] / row["sklearn_alpha"])


def test_the_champion_is_the_winner_scored_on_the_test_rows(result, recording, monkeypatch):
    best = result.trials.loc[result.trials["r2_validation"].idxmax()]
    assert result.best["run_id"] == best["run_id"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", open_store().uri)
    champion = mlflow.pyfunc.load_model(result.promotion.uri)
    for rows, score in (
        (slice(40, 120), best["r2_train"]),
        (slice(0, 40), best["r2_validation"]),
        (slice(120, 160), result.promotion.r2_test),
    ):
        assert r2_score(recording.y[rows], champion.predict(recording.X[rows])) == pytest.approx(score, abs=1e-9)
    tags = registry.champion(open_store(), "small").tags
    assert tags["search_id"] == result.search_id
    assert tags["data_sha256"] == recording.sha256
    assert (tags["family"], int(tags["trial"])) == (best["family"], best["trial"])
    assert float(tags["r2_test"]) == result.promotion.r2_test
    assert tags["test_evaluations"] == "1"


def test_the_same_search_again_does_nothing(small_config, result):
    again = run_search(small_config, progress=False)
    assert again.new_trials == 0
    pd.testing.assert_frame_equal(again.trials, result.trials)
    assert again.promotion.version == result.promotion.version
    assert len(registry.versions(open_store(), "small")) == 1


@pytest.mark.slow
def test_more_trials_add_only_the_difference(small_config, result):
    more = run_search(small_config.updated(trials=15), progress=False)
    assert (more.search_id, more.run_id, more.new_trials) == (result.search_id, result.run_id, 3)
    both = result.trials.merge(more.trials, on="run_id")
    assert len(both) == 20


@pytest.mark.slow
def test_another_seed_is_another_search_of_the_same_experiment(small_config, result):
    other = run_search(small_config.updated(seed=4), promote=False, progress=False)
    assert other.search_id != result.search_id
    assert other.new_trials == 20
    ridge = [one.trials.query("family == 'ridge'")["alpha"].tolist() for one in (result, other)]
    assert ridge[0] != ridge[1]


@pytest.mark.slow
def test_a_lost_tracking_database_is_filled_again_from_the_studies(small_config, result, tmp_path):
    fresh = f"sqlite:///{tmp_path}/other/mlflow.db"
    again = run_search(small_config, tracking_uri=fresh, promote=False, progress=False)
    assert again.new_trials == 20
    columns = ["family", "trial", "alpha", "l1_alpha", "l2_alpha"]
    pd.testing.assert_frame_equal(again.trials[columns], result.trials[columns])
    np.testing.assert_allclose(again.trials["r2_validation"], result.trials["r2_validation"], atol=1e-6)


@pytest.mark.slow
def test_a_limit_of_weights_chooses_anew_among_the_trials_that_are_there(small_config, result, invoke):
    Path("small.toml").write_text(small_config.to_toml())
    most = result.trials["n_nonzero"].min()
    code, printed, _ = invoke("run", "small.toml", "--select", f"at-most:{most}", "--no-promote", "--json")
    chosen = json.loads(printed)
    allowed = result.trials[result.trials["n_nonzero"] <= most]
    assert (code, chosen["new_trials"]) == (0, 0)
    assert chosen["best"]["r2_validation"] == allowed["r2_validation"].max()
    assert chosen["best"]["run_id"] != result.best["run_id"]


def test_a_search_that_is_being_run_is_not_run_twice(small_config, result):
    with (
        open_store().locks.hold(result.search_id),
        pytest.raises(SearchBusyError, match="is being run"),
    ):
        run_search(small_config.updated(trials=13), progress=False)


@pytest.mark.slow
def test_a_trial_that_raises_fails_with_its_traceback_and_is_finished_by_the_next_run(small_config, monkeypatch):
    solve = RegularizationPath.solve

    def fail_once(path, penalties):
        if Penalty(0.01, 0.0) in penalties:
            raise FloatingPointError("the disk is made of cheese")
        return solve(path, penalties)

    monkeypatch.setattr(RegularizationPath, "solve", fail_once)
    with pytest.raises(TrialError, match="lasso trial 1: FloatingPointError: the disk is made of cheese"):
        run_search(small_config, progress=False)
    store = open_store()
    (parent,) = store.client.search_runs([store.experiment("small")], "tags.role = 'search'")
    assert parent.info.status == "FAILED"
    run = SearchRun.find(store, parent.data.tags["search_id"])
    failed = run.trial_runs()["lasso", 1]
    assert failed.info.status == "FAILED"
    assert b"made of cheese" in run.read(failed.info.run_id, "traceback.txt")

    monkeypatch.setattr(RegularizationPath, "solve", solve)
    result = run_search(small_config, progress=False)
    assert len(result.trials) == 20
    assert run.trial_runs()["lasso", 1].info.run_id == failed.info.run_id
    assert {child.info.status for child in run.trial_runs().values()} == {"FINISHED"}


def test_bad_data_leaves_nothing_behind(small_config, workspace):
    np.savez(workspace / "small.npz", X=np.zeros((160, 3)), y=np.full(160, np.nan))
    shutil.rmtree(workspace / "mlruns")
    before = sorted(workspace.rglob("*"))
    with pytest.raises(data.DataError, match="160 value"):
        run_search(small_config, progress=False)
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.slow
def test_folds_are_pooled_and_the_champion_is_fitted_on_all_of_their_rows(small_config, recording, monkeypatch):
    text = small_config.to_toml().replace("40,\n    120,", "0,\n    120,")
    text = text.replace("120,\n    160,", "125,\n    160,")
    start = text.index("validation = [")
    text = text[:start] + "validation = { folds = 4, embargo = 2 }" + text[text.index("]", start) + 1 :]
    result = run_search(SearchConfig.from_toml(text), progress=False)
    assert len(result.trials) == 20
    store = open_store()
    metrics = store.client.get_run(result.best["run_id"]).data.metrics
    per_fold = [metrics[f"fold_{fold}_r2_validation"] for fold in (1, 2, 3, 4)]
    assert min(per_fold) < metrics["r2_validation"] < max(per_fold)
    losses = np.load(io.BytesIO(SearchRun.find(store, result.search_id).read(result.best["run_id"], "weights.npz")))
    assert metrics["r2_validation"] == pytest.approx(1 - losses["losses"].sum(), abs=1e-12)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    champion = mlflow.pyfunc.load_model(result.promotion.uri)
    X, y = recording.X[:120], recording.y[:120]
    centred = X - X.mean(axis=0)
    scale = np.linalg.norm(centred, axis=0)
    best = result.best
    assert best["family"] in ("lasso", "elasticnet")
    theirs = ElasticNet(best["sklearn_alpha"], l1_ratio=best["l1_ratio"], tol=1e-10, max_iter=100_000)
    theirs.fit(centred / scale, y)
    np.testing.assert_allclose(champion.predict(X), theirs.predict(centred / scale), atol=1e-2)


@pytest.mark.slow
def test_trials_that_miss_the_tolerance_are_marked_and_cannot_win(small_config):
    strict = SearchConfig.from_toml(small_config.to_toml().replace("tolerance = 1e-06", "tolerance = 1e-17"))
    result = run_search(strict, promote=False, progress=False)
    missed = result.trials[result.trials["duality_gap"] > 1e-17]
    assert 0 < len(missed) < len(result.trials)
    assert result.best["duality_gap"] <= 1e-17
    assert any(f"{len(missed)} trial(s) did not reach the duality gap 1e-17" in note for note in result.notes)


@pytest.mark.slow
def test_a_table_in_memory_is_searched_recalled_and_promoted_without_a_file(small_config, recording):
    frame = pd.DataFrame(recording.X).rename(columns="unit {}".format).assign(speed=recording.y)
    given = data.from_frame(frame, target="speed")
    searched = run_search(small_config, data=given, promote=False, progress=False)
    assert searched.search_id == small_config.search_id(given.sha256)
    assert searched.notes[-1] == f'not promoted; to promote it: promote("{searched.search_id}", data=…)'
    assert run_search(small_config, data=given, promote=False, progress=False).new_trials == 0
    other = data.from_frame(frame.assign(speed=2 * frame["speed"]), target="speed")
    with pytest.raises(PromotionRefusedError, match=r"does not hold the values .*; give the recording"):
        promote(searched.search_id, data=other)
    with pytest.raises(data.DataError, match="are in no file; give them again"):
        promote(searched.search_id)
    assert promote(searched.search_id, data=given).r2_validation == searched.best["r2_validation"]
    assert load_champion("small").feature_names_in_.tolist() == [name for name in frame.columns if name != "speed"]
    fewer = run_search(small_config.updated(select={"at_most": 4}), data=given, progress=False)
    assert fewer.promotion is None
    assert f'`promote("{fewer.search_id}", data=…, force=True, again=True)` promotes it' in fewer.notes[-1]
    told = open_store().client.get_run(searched.run_id).data.tags["mlflow.note.content"]
    assert 'run_search(SearchConfig.load("config.toml"), data=…)' in told


@pytest.mark.slow
@pytest.mark.parametrize("how", ["workers=2", 'cluster="local:2"'])
def test_a_script_without_a_main_guard_is_run_once(how, small_config, workspace):
    config = small_config.updated(families=["ridge"], trials=2)
    (workspace / "small.toml").write_text(config.to_toml())
    script = f'from regsearch import run_search\nprint(run_search("small.toml", {how}, promote=False).search_id)\n'
    (workspace / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 1
    assert done.stderr.count("reading") == 1


def test_a_lack_of_memory_says_what_to_do(small_config, monkeypatch):
    def hungry(*_):
        raise MemoryError

    monkeypatch.setattr(RegularizationPath, "solve", hungry)
    with pytest.raises(TrialError, match="MemoryError; there is too little memory: close other programs"):
        run_search(small_config, progress=False)
    monkeypatch.setattr("regsearch.search.solving.evaluate.Evaluator", hungry)
    with pytest.raises(SearchStoppedError, match=r"there is too little memory: .* the same command resumes"):
        run_search(small_config, progress=False)


TARGETS = """
name = "two"
data.target = ["speed", "pupil"]
families.ridge.alpha = [1.0]
"""


def of_two_targets(n_rows=60, targets=("speed", "pupil")):
    frame = pd.DataFrame(np.random.default_rng(0).standard_normal((n_rows, 5)), columns=[*"abc", *targets])
    return from_frame(frame, list(targets))


@pytest.mark.slow
def test_recordings_are_searched_for_their_own_targets_in_whatever_order_they_are_given(workspace):
    recordings = of_two_targets()
    results = run_targets(SearchConfig.from_toml(TARGETS), data=recordings[::-1], promote=False, progress=False)
    assert [result.config.data.target for result in results] == ["speed", "pupil"]
    assert [result.config.name for result in results] == ["two-speed", "two-pupil"]
    config = SearchConfig.from_toml(TARGETS)
    in_order = run_targets(config, data=recordings, promote=False, progress=False)
    assert [result.search_id for result in in_order] == [result.search_id for result in results]


@pytest.mark.usefixtures("with_figures")
def test_what_is_said_of_each_target_follows_its_name(workspace):
    said = []

    class Said(Progress):
        def say(self, line):
            said.append(line)

        def count(self, record):  # they are logged in any order
            said.append("a trial")

    run_targets(SearchConfig.from_toml(TARGETS), data=of_two_targets(), promote=False, progress=Said())
    of_each = ["a trial", "a trial", "drawing the figures …"]
    assert said == ["target speed:", *of_each, "target pupil:", *of_each]


def test_several_targets_are_searched_by_a_file_and_under_a_name_as_one_is(workspace):
    recordings, only_search = of_two_targets(), {"promote": False, "progress": False}
    (workspace / "two.toml").write_text(TARGETS)
    by_path = run_targets("two.toml", data=recordings, name="other", **only_search)
    assert [one.config.name for one in by_path] == ["other-speed", "other-pupil"]
    assert {one.config.in_experiment for one in by_path} == {"other"}
    loaded = run_targets(SearchConfig.from_toml(TARGETS).updated(name="other"), data=recordings, **only_search)
    assert [(one.search_id, one.new_trials) for one in loaded] == [(one.search_id, 0) for one in by_path]


def test_recordings_say_which_targets_are_searched_where_a_configuration_names_none(workspace):
    recordings, only_search = of_two_targets(), {"promote": False, "progress": False}
    config = SearchConfig.load("own-data").updated(families="ridge", trials=2)
    results = run_targets(config, data=recordings, **only_search)
    named = run_targets(config.updated(target=["speed", "pupil"]), data=recordings, **only_search)
    assert [(one.search_id, one.new_trials) for one in named] == [(one.search_id, 0) for one in results]
    assert [one.config.name for one in results] == ["own-data-speed", "own-data-pupil"]


@pytest.mark.slow
def test_the_recordings_say_which_targets_are_searched_if_a_configuration_names_none(workspace):
    recordings, only_search = of_two_targets(), {"promote": False, "progress": False}
    Path("two.toml").write_text(TARGETS.replace('data.target = ["speed", "pupil"]', ""))
    by_path = run_targets("two.toml", data=recordings, **only_search)
    named = run_targets(SearchConfig.from_toml(TARGETS), data=recordings, **only_search)
    assert [(one.search_id, one.new_trials) for one in named] == [(one.search_id, 0) for one in by_path]


def test_a_preset_takes_the_targets_of_the_recordings_too():
    of_other_rows = of_two_targets()[0], of_two_targets(50)[1]
    with pytest.raises(DataError, match="found other features or rows beside 'pupil' than beside 'speed'"):
        run_targets("tutorial", data=of_other_rows, progress=False)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            of_two_targets()[:1],
            "for each of the targets 'speed', 'pupil', found 'speed'; make them together by from_fr",
        ),
        (of_two_targets()[0], "for each of the targets 'speed', 'pupil', found 'speed'"),
        ((), "found none"),
        (of_two_targets() + of_two_targets()[:1], "found 'speed', 'pupil', 'speed'"),
        (
            of_two_targets(targets=("zzz", "pupil")),
            "expected the target 'speed' or 'pupil', found a recording of 'zzz'",
        ),
        (
            (of_two_targets()[0], of_two_targets(50)[1]),
            "found other features or rows beside 'pupil' than beside 'speed'",
        ),
    ],
)
def test_recordings_that_are_not_those_of_the_targets_are_refused(data, says):
    with pytest.raises(DataError, match=re.escape(says)):
        run_targets(SearchConfig.from_toml(TARGETS), data=data, promote=False, progress=False)
