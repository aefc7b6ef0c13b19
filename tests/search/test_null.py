"""`regsearch null`: a finished search is compared with chance, and what comes of it is kept on its run."""

import csv
import json
import math
import re
import time
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regsearch import ConfigError, DataError, SearchConfig, from_arrays, null_distribution, promote, run_search
from regsearch.errors import HeldError
from regsearch.search import null as module
from regsearch.search.chance.statistic import Statistic
from regsearch.search.output.progress import Bar
from regsearch.tracking import openings
from regsearch.tracking.store import open_store


def run_of(result):
    return open_store().client.get_run(result.run_id)


def artifact(result, path):
    return Path(open_store().client.download_artifacts(result.run_id, path)).read_bytes()


def table(result, kind):
    return list(csv.DictReader(StringIO(artifact(result, f"null/{kind}.csv").decode())))


@pytest.mark.usefixtures("with_figures")
@pytest.mark.parametrize("kind", ["shift", pytest.param("permutation", marks=pytest.mark.slow), "impostor"])
def test_a_real_effect_has_the_smallest_p_and_is_told_wherever_the_search_is(
    kind, request, invoke, recording, workspace
):
    result = request.getfixturevalue("independent" if kind == "permutation" else "result")
    options = ["--n", "38"] if kind == "shift" else ["--n", "20"]
    if kind == "impostor":
        for number in range(20):
            y = np.random.default_rng(number).standard_normal(150)
            np.savez(workspace / f"{number}.npz", X=np.eye(150, 2), y=y)
        options = [word for number in range(20) for word in ("--impostors", f"{number}.npz")]
    code, out, err = invoke("null", result.search_id, "--kind", kind, *options, "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(out)
    n = 38 if kind == "shift" else 20
    assert found.keys() == {"search_id", "kind", "n", "score", "null", "p", "p_approximate", "smallest_p"}
    assert (found["search_id"], found["kind"], found["n"], len(found["null"])) == (result.search_id, kind, n, n)
    assert found["score"] > max(found["null"])
    assert found["p"] == found["smallest_p"] == pytest.approx(1 / 20 if kind == "shift" else 1 / 21)
    run = run_of(result)
    assert run.data.metrics["null_p"] == found["p"]
    assert run.data.metrics["null_n"] == n
    assert run.data.tags["null_kind"] == kind
    assert "**Better than chance?** p = 0.0" in run.data.tags["mlflow.note.content"]
    version = open_store().client.get_model_version_by_alias("small", "champion")
    assert "**Better than chance?** p = 0.0" in version.description
    assert [float(row["score"]) for row in table(result, kind)] == [found["score"], *found["null"]]
    assert artifact(result, "figures/null.png").startswith(b"\x89PNG")


@pytest.mark.parametrize("longest", [pytest.param(20, marks=pytest.mark.slow), 40])
def test_sessions_of_equal_length_exchange_their_targets(longest, small_config, recording, workspace, invoke):
    days = [row // 20 if row < 40 else 2 + (row - 40) // longest for row in range(len(recording.y))]
    sessions = np.array([f"day {day}" for day in days])
    np.savez(workspace / "small.npz", X=recording.X, y=recording.y, session=sessions)
    config = small_config.updated(families=["lasso"]).to_toml().replace("[data]", '[data]\ngroups = "session"')
    search = run_search(SearchConfig.from_toml(config), promote=False, progress=False)
    code, out, err = invoke("null", search.search_id, "--kind", "session", "--n", "19", "--json", "--quiet")
    if longest == 20:  # six sessions are used whole; by shifts, at most 18 rows of each would be left to be shifted by
        assert json.loads(out)["p"] == pytest.approx(1 / 20)
        code, _, err = invoke("null", search.search_id, "--n", "38", "--quiet")
        assert (code, "stretches of at most 20 neighbouring" in err) == (2, True)
    else:
        assert code == 2
        assert "between groups of the same length, found day 1 with 20 rows and day 2 with 40" in err


@pytest.mark.slow
def test_impostors_that_are_given_need_only_a_target_whatever_the_search_has_and_was_configured_to_compare(
    small_config, recording, workspace
):
    columns = {f"unit {number}": recording.X[:, number] for number in range(3)} | {"y": recording.y}
    columns |= {"day": np.repeat(list("abcd"), len(recording.y) // 4), "weight": 1.0, "note": "text"}
    pd.DataFrame(columns).to_csv(workspace / "table.csv", index=False)
    values = {"source": "table.csv", "groups": "day", "weights": "weight", "features": ["unit*", "no*"]}
    values |= {"exclude": ["note"], "split": {"validation": {"groups": 2}}}
    families = {"lasso": {"alpha": [0.001]}}
    config = {"name": "table", "data": values, "families": families, "null": {"kind": "shift", "n": 2, "level": 0.5}}
    search = run_search(SearchConfig.from_values(config, "test"), promote=False, progress=False)
    assert search.null.kind == "shift"
    np.savez(workspace / "plain.npz", X=recording.X, y=np.random.default_rng(0).standard_normal(len(recording.y)))
    pd.DataFrame(columns | {"y": -recording.y}).to_csv(workspace / "mirrored.csv", index=False)
    files = ["plain.npz", "mirrored.csv"]
    found = null_distribution(search.search_id, impostors=files, progress=False)
    assert (found.kind, found.n) == ("impostor", 2)
    assert found.null[1] == pytest.approx(found.score, rel=1e-6)  # a mirrored target is predicted as well
    assert found.null[0] < found.score


def test_a_recording_counts_once_whatever_its_file_is_called_and_the_searched_one_is_no_impostor(
    result, recording, workspace, invoke
):
    y = np.random.default_rng(0).standard_normal(160)
    np.savez(workspace / "other.npz", X=recording.X, y=y)
    longer = pd.DataFrame({"unit": np.arange(170.0) ** 2, "y": np.append(y, np.ones(10))})
    longer.to_csv(workspace / "longer.csv", index=False)
    for files, said in (
        (["other.npz", "other.npz"], "in other.npz as in other.npz;"),
        (["other.npz", "longer.csv"], "in longer.csv as in other.npz;"),
        (["other.npz", "small.npz"], "in small.npz as in small.npz, which was searched;"),
    ):
        options = [word for file in files for word in ("--impostors", file)]
        code, out, err = invoke("null", result.search_id, "--level", "0.5", "--quiet", *options)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"found the same values {said} give each recording once, and not the searched one" in err
    assert "null_p" not in run_of(result).data.metrics


def test_the_target_of_another_recording_is_needed_only_in_the_rows_of_the_search(result, recording, workspace, invoke):
    y = np.append(np.random.default_rng(0).standard_normal(len(recording.y)), np.nan)
    pd.DataFrame({"y": y}).to_csv(workspace / "alone.csv", index=False)
    pd.DataFrame({"y": -y, "unit": np.nan, "note": "text"}).to_csv(workspace / "more.csv", index=False)
    options = ["--level", "0.5", "--quiet", "--impostors", "alone.csv", "--impostors"]
    code, out, err = invoke("null", result.search_id, *options, "more.csv", "--json")
    assert (code, err, json.loads(out)["n"]) == (0, "", 2)
    np.savez(workspace / "gap.npz", y=np.where(np.arange(len(y)) == 7, np.nan, y))
    code, out, err = invoke("null", result.search_id, *options, "gap.npz")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "gap.npz: expected a finite target in every row that the search uses, found 1 value(s) that are" in err
    assert "the first at row 7 (from 0); fill them, or leave this recording out" in err
    assert "drop or fill" not in err


class StoppedError(Exception):
    pass


@pytest.mark.slow
def test_a_call_that_was_stopped_goes_on_and_has_the_same_scores_on_any_number_of_workers(
    independent, monkeypatch, capsys
):
    result = independent
    scored, score = [], Statistic.__call__

    def stopping(statistic, targets):
        if len(scored) >= 12:
            raise StoppedError
        scored.extend(found := score(statistic, targets))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Statistic, "__call__", stopping)
        with pytest.raises(StoppedError):
            null_distribution(result.search_id, kind="permutation", n=20, progress=False)
    left = table(result, "permutation")
    assert 0 < len(left) < 21
    with monkeypatch.context() as patch:
        again = []
        patch.setattr(Statistic, "__call__", lambda one, targets: again.extend(targets.T) or score(one, targets))
        resumed = null_distribution(result.search_id, kind="permutation", n=20, progress=False)
    assert len(again) == 21 - len(left)
    assert [float(row["score"]) for row in left] == [resumed.score, *resumed.null][: len(left)]
    with monkeypatch.context() as patch:
        patch.setattr(module, "known_scores", lambda *_: {})
        apart = null_distribution(result.search_id, kind="permutation", n=20, workers=2, progress=False)
    assert apart == resumed
    more = null_distribution(result.search_id, kind="permutation", n=22, progress=Bar(every=math.inf))
    assert more.null[:20] == resumed.null
    assert more.score == max(more.score, *more.null)
    assert re.search(rf"23 of 23 targets after \d+ s, highest score {more.score:.4f}", capsys.readouterr().err)


@pytest.mark.slow
def test_the_test_rows_are_scored_once_they_are_opened_and_that_is_counted(independent, monkeypatch):
    result, note = independent, openings.note_opening

    def note_alone(search, *noted):
        with pytest.raises(HeldError), search.store.locks.hold("registry", patience=0):
            pass
        note(search, *noted)

    monkeypatch.setattr(openings, "note_opening", note_alone)
    found = null_distribution(result.search_id, kind="permutation", n=20, test=True, progress=False)
    assert found.is_test
    assert found.score > max(found.null)
    assert found.search_score == pytest.approx(result.promotion.r2_test)
    run = run_of(result)
    assert run.data.metrics["null_test_p"] == found.p
    assert "null_p" not in run.data.metrics
    key = run.data.tags["test_key"]
    winner, used = openings.opened(open_store(), key)
    assert used == f"{winner}/null/permutation"
    null_distribution(result.search_id, kind="permutation", n=22, test=True, progress=False)
    assert openings.opened(open_store(), key) == (winner, used)
    np.savez("other.npz", X=np.eye(160, 2), y=np.random.default_rng(0).standard_normal(160))
    null_distribution(result.search_id, impostors=["other.npz"], level=0.5, test=True, progress=False)
    assert openings.opened(open_store(), key) == (winner, used, f"{winner}/null/impostor")


def test_no_use_of_the_test_rows_is_noted_where_they_do_not_suffice(result):
    key = run_of(result).data.tags["test_key"]
    opened = openings.opened(open_store(), key)
    with pytest.raises(DataError, match=r"at least 2 test rows .*; use n = 38 or less"):
        null_distribution(result.search_id, n=200, test=True, progress=False)
    assert openings.opened(open_store(), key) == opened
    assert len(opened) == 1


@pytest.mark.slow
def test_test_rows_that_are_sealed_stay_sealed(small_config, invoke):
    independent = small_config.updated(families=["lasso"], rows="independent")
    result = run_search(independent, promote=False, progress=False)
    code, _, err = invoke("null", result.search_id, "--test", "--kind", "permutation")
    assert code == 2
    assert f"`regsearch promote {result.search_id}` opens them" in err
    assert "test_opened_for" not in run_of(result).data.tags
    found = null_distribution(result.search_id, kind="permutation", n=19, progress=False)
    promote(result.search_id)
    for text in (
        run_of(result).data.tags["mlflow.note.content"],
        open_store().client.get_model_version_by_alias("small", "champion").description,
    ):
        assert text.count(f"**Better than chance?** {found}.") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--n", "10"], r"n = 10 null targets of kind shift give p = 0.167 at best, above the level 0.05; use n = 38"),
        (
            ["--n", "200"],
            r"100 neighbouring rows .* found stretches of at most 120 neighbouring rows; use n = 76 or less",
        ),
        (["--n", "39"], r"must be even, found 39; use 40"),
        (["--kind", "session"], r"found no groups"),
        (["--kind", "impostor"], r"needs impostors"),
        (["--kind", "shift", "--impostors", "a.npz"], r"impostors are of kind impostor"),
        (["--kind", "permutation"], r"found rows in time; .* --independent .* else take --kind shift"),
        (["--kind", "nonsense"], r"expected shift, session, impostor or permutation"),
        (["--impostors", "small.npz", "--n", "30"], r"n = 30 targets .* found 1; give 30"),
        (["--level", "2"], "--level: expected a number of at most 1, found 2"),
    ],
)
def test_bad_input_is_one_line(result, invoke, options, said):
    code, out, err = invoke("null", result.search_id, "--quiet", *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(said, err), err


def test_what_no_null_distribution_could_use_is_refused_before_the_data_are_read(result, invoke, workspace):
    (workspace / "small.npz").unlink()
    code, _, err = invoke("null", result.search_id, "--n", "39", "--quiet")
    assert code == 2
    assert err == "regsearch: null: shifts go as far back as ahead, so n must be even, found 39; use 40\n"


def test_numbers_from_python_are_checked_and_those_of_numpy_are_numbers(search_few):
    search, null = search_few
    found = search()
    for name, value in (("n", "20"), ("n", 1.5), ("step", True), ("level", "x")):
        with pytest.raises(ConfigError, match=rf"^--{name}: expected a .*, found {value!r}$"):
            null(found.search_id, **{name: value})
    asked = {"n": np.int64(4), "step": np.int8(1), "level": np.float32(0.5), "workers": np.int64(1)}
    assert null(found.search_id, **asked) == null(found.search_id, n=4, level=0.5)


def test_a_search_that_is_not_there_is_named(result, invoke):
    code, _, err = invoke("null", result.search_id[:5])
    assert code == 1
    assert f"did you mean {result.search_id}?" in err


def test_null_targets_that_the_rows_do_not_suffice_for_are_refused_before_anything_is_solved(small_config, workspace):
    asked = SearchConfig.from_toml(small_config.to_toml() + "\n[null]\nn = 100\n")
    split = {"validation": {"fraction": 0.3}, "test": {"folds": 5}}
    for config in (asked, asked.updated(split=split)):
        with pytest.raises(DataError, match=r"use n = \d+ or less"):
            run_search(config, progress=False)
    assert not open_store().client.search_experiments(filter_string="name = 'small'")


@pytest.mark.slow
def test_a_search_whose_configuration_asks_for_it_ends_with_it(small_config):
    plain = small_config.updated(families=["lasso"], rows="independent")
    asked = SearchConfig.from_toml(plain.to_toml() + '\n[null]\nkind = "permutation"\nn = 19\n')
    result = run_search(asked, progress=False)
    assert result.search_id == run_search(plain, progress=False).search_id
    assert (result.null.kind, result.null.n) == ("permutation", 19)
    assert run_search(asked, progress=False).null == result.null
    with pytest.raises(ConfigError, match="null"):
        SearchConfig.from_toml(plain.to_toml() + '\n[null]\nkind = "impostor"\n')


@pytest.mark.slow
def test_each_of_several_targets_is_told_its_p(recording, workspace, invoke):
    X = recording.X[:, :8]
    np.savez(workspace / "two.npz", X=X, y=X[:, 0], z=X[:, 1], name="two")
    (workspace / "two.toml").write_text(
        'name = "two"\n[null]\nn = 38\n[data]\nsource = "two.npz"\ntarget = ["y", "z"]\n'
        "[families.lasso]\nalpha = [0.1]\n"
    )
    code, out, _ = invoke("run", "two.toml", "--quiet")
    assert code == 0
    assert re.findall(r"(\w): better than chance\? p = 0\.05", out) == ["y", "z"]


@pytest.mark.slow
def test_a_search_of_a_file_that_was_resumed_from_memory_still_reads_the_file(result, small_config, recording):
    resumed = run_search(small_config, data=from_arrays(recording.X, recording.y), progress=False)
    assert (resumed.search_id, resumed.new_trials) == (result.search_id, 0)
    assert null_distribution(result.search_id, n=38, progress=False).n == 38
    with pytest.raises(DataError, match="nowhere: expected"):
        null_distribution(result.search_id, impostors="nowhere", level=1, progress=False)


@pytest.mark.slow
def test_subjects_of_one_label_each_are_left_out_in_turn_and_exchange_their_labels(workspace):
    rng, subject = np.random.default_rng(0), np.repeat(np.arange(16), 3)
    label = (subject % 2).astype(float)
    X = rng.standard_normal((48, 6))
    X[:, 0] += 2 * label
    search = 'name = "label"\ndata = { source = "memory", groups = "s", split = { test = "none", validation = '
    config = SearchConfig.from_toml(search + '{ groups = "each" } } }\n[families.lasso]\nalpha = [0.01, 0.1]\n')
    recording = from_arrays(X, label, groups=subject)
    result = run_search(config, data=recording, promote=False, progress=False)
    assert 0.3 < result.best["r2_validation"] < 1
    found = null_distribution(result.search_id, data=recording, kind="session", n=19, progress=False)
    assert found.p == 1 / 20


FEW = {"at_most": 1}


@pytest.fixture
def search_few(workspace):
    """Return a quick search by a rule, with or without null targets."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    recording = from_arrays(X, X[:, 0] + X[:, 1] + 0.3 * rng.standard_normal(60))
    text = 'name = "few"\ndata = { source = "memory", rows = "independent" }\n'
    text += '[families.lasso]\nalpha = { points = 4, of = "max" }\n'

    def search(select="best", null=""):
        config = SearchConfig.from_toml(text + null).updated(select=select)
        return run_search(config, data=recording, promote=False, progress=False)

    return search, partial(null_distribution, data=recording, progress=False)


@pytest.mark.slow
def test_a_result_is_neither_told_nor_recalled_for_another_rule_or_other_settings(search_few):
    search, compare = search_few
    first = search()
    compare(first.search_id, n=19)
    assert "**Better than chance?**" in run_of(first).data.tags["mlflow.note.content"]
    p = search().null.p
    assert run_of(first).data.metrics["null_p"] == p

    for _ in range(2):  # the second is recalled
        other = search(FEW)
        assert (other.search_id, other.null) == (first.search_id, None)
        assert other.winner != first.winner
        assert np.isnan(run_of(other).data.metrics["null_p"])
    assert "Better than chance?" not in run_of(other).data.tags["mlflow.note.content"]

    asked = "[null]\nn = 19\n"
    assert search(null=asked).null.n == 19
    assert run_of(first).data.metrics["null_p"] == p
    compare(first.search_id, n=20)
    assert search(null=asked).null.n == 19


@pytest.mark.slow
def test_scores_that_another_rule_left_before_it_was_stopped_are_not_the_result(search_few, monkeypatch):
    search, _ = search_few
    asked = "[null]\nn = 19\n"
    first = search(null=asked)

    def stopped(*_):
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(module, "conclude", stopped)
        with pytest.raises(StoppedError):
            search(FEW, asked)
    assert search(null=asked).null == first.null


@pytest.mark.slow
def test_a_killed_call_goes_on_and_a_cluster_has_the_same_scores(independent, launch, workspace, monkeypatch):
    result = independent
    arguments = ("null", result.search_id, "--kind", "permutation", "--n", "400", "--quiet", "--json")
    killed = launch(*arguments)
    written = until(lambda: next((workspace / "mlruns" / "artifacts").rglob("null/permutation.csv"), None), killed)
    killed.kill()
    left = table(result, "permutation")
    assert written.exists()
    assert 0 < len(left) < 401
    resumed = launch(*arguments)
    assert resumed.wait() == 0, resumed.stderr
    found = json.loads(resumed.stdout)
    assert [float(row["score"]) for row in left] == [found["score"], *found["null"]][: len(left)]
    monkeypatch.setattr(module, "known_scores", lambda *_: {})
    on_cluster = null_distribution(result.search_id, kind="permutation", n=20, cluster="local:2", progress=False)
    assert [on_cluster.score, *on_cluster.null] == [found["score"], *found["null"][:20]]


def until(condition, process):
    """Return what a condition comes to once it is true."""
    for _ in range(1200):
        if (found := condition()) or process.returncode is not None:
            assert found, process.stderr
            return found
        time.sleep(0.05)
    raise AssertionError("nothing was written in a minute")
