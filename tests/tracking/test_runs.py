import io
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine, event

from regsearch.errors import SearchNotFoundError, SearchStoppedError, StoreError
from regsearch.tracking import registry
from regsearch.tracking.queries import open_runs
from regsearch.tracking.records import METRICS, SearchRecord, TrialRecord
from regsearch.tracking.runs import SearchRun, elsewhere
from tests.conftest import everywhere
from tests.tracking.conftest import SEARCH


def trial(number=0, family="ridge", **params):
    metrics = {name: float(place) for place, name in enumerate(METRICS)}
    return TrialRecord(
        family, number, params or {"alpha": 0.1}, metrics, f"{family} {number}", "a trial", certified=number != 3
    )


def test_a_search_is_one_parent_with_its_data_as_input(store, run):
    parent = store.client.get_run(run.run_id)
    assert parent.info.run_name == "search abc123"
    assert parent.info.status == "RUNNING"
    assert parent.data.params == {"seed": "3"}
    assert {key: parent.data.tags[key] for key in ("search_id", "data_sha256", "mlflow.note.content")} == {
        "search_id": "abc123",
        "data_sha256": "f" * 64,
        "mlflow.note.content": "what it is",
    }
    (dataset,) = parent.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("here.npz", "f" * 36)


def test_starting_again_reopens_the_same_run(store, run):
    with pytest.raises(ZeroDivisionError), run.running(lambda: None):
        1 / 0  # noqa: B018
    assert run.run.info.status == "FAILED"
    assert b"ZeroDivisionError" in run.read(run.run_id, "traceback.txt")
    again = SearchRun.start(store, "small", SEARCH)
    assert again.run_id == run.run_id
    assert again.run.info.status == "RUNNING"
    assert SearchRun.find(store, "abc123").run_id == run.run_id
    assert SearchRun.find(store, "other") is None


def test_searches_of_the_same_new_data_that_start_at_the_same_moment_share_one_dataset(store):
    def start(number, data):
        record = replace(SEARCH, search_id=f"{data}{number}", data_sha256=data * 64)
        return SearchRun.start(store, "small", record).run.inputs.dataset_inputs[0].dataset.digest

    store.experiment("small")
    with ThreadPoolExecutor(4) as pool:
        for data in "abcdef":
            assert set(pool.map(start, range(4), data * 4)) == {data * 36}


@pytest.mark.parametrize("last", [MlflowClient.create_run, MlflowClient.log_inputs])
def test_a_search_that_was_killed_before_its_parameters_were_logged_has_them_from_its_next_start(
    store, last, monkeypatch
):
    def killed(*arguments, **options):
        last(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, last.__name__, killed)
        with pytest.raises(KeyboardInterrupt):
            SearchRun.start(store, "small", SEARCH)
    left = SearchRun.find(store, "abc123")
    assert not left.has_begun
    run = SearchRun.start(store, "small", SEARCH)
    assert (run.run_id, run.has_begun, run.run.data.params) == (left.run_id, True, {"seed": "3"})
    assert len(run.run.inputs.dataset_inputs) == 1


def test_a_search_ends_as_what_happened_to_it(run):
    with run.running(lambda: None):
        assert run.run.info.status == "RUNNING"
    assert run.run.info.status == "FINISHED"
    for interruption in (KeyboardInterrupt, SystemExit):  # the second is what handlers of some libraries raise
        with pytest.raises(interruption), run.running(lambda: None):
            raise interruption
        assert run.run.info.status == "KILLED"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_within_a_transaction_ends_the_search_as_any_other(interruption, run):
    def interrupt(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO latest_metrics"):
            event.remove(Engine, "after_cursor_execute", interrupt)
            raise interruption

    event.listen(Engine, "after_cursor_execute", interrupt)
    with pytest.raises(interruption), run.running(lambda: None):
        run.log_trial(trial(0), {})
    assert run.run.info.status == "KILLED"
    assert not open_runs(run.store, run.search_id)


def test_a_trial_is_a_flat_child_with_everything_logged(store, run):
    params = {"l1_alpha": 0.001, "l2_alpha": 10.0, "l1_ratio": 1 / 3, "sklearn_alpha": 0.1 + 0.2}
    run_id = run.log_trial(trial(4, "elasticnet", **params), {"weights.npz": b"abc", "weights.png": b"png"})
    child = store.client.get_run(run_id)
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == run.run_id
    assert {key: child.data.tags[key] for key in ("search_id", "family", "trial", "data_sha256")} == {
        "search_id": "abc123",
        "family": "elasticnet",
        "trial": "4",
        "data_sha256": "f" * 64,
    }
    assert child.data.params.pop("family") == "elasticnet"
    assert {name: float(value) for name, value in child.data.params.items()} == params
    assert child.data.metrics == {name: float(place) for place, name in enumerate(METRICS)}
    assert run.read(run_id, "weights.npz") == b"abc"
    assert {file.path for file in store.client.list_artifacts(run_id)} == {"weights.npz", "weights.png"}


def test_finished_trials_are_read_back_as_they_were_logged_in_order_of_family_and_number(run):
    logged = [trial(1), trial(0), trial(0, "lasso", alpha=0.5)]
    run_ids = [run.log_trial(record, {}) for record in logged]
    run.fail_trial(trial(2), "Traceback\nValueError: no")
    expected = [replace(record, run_id=run_id) for record, run_id in zip(logged, run_ids, strict=True)]
    assert run.finished() == expected[::-1]


def test_a_trial_that_raised_keeps_its_traceback_and_is_finished_in_its_own_run_later(store, run):
    run.fail_trial(trial(2), "Traceback (most recent call last):\n  ...\nValueError: no")
    failed = run.trial_runs()["ridge", 2]
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "ValueError: no"
    assert b"ValueError: no" in run.read(failed.info.run_id, "traceback.txt")
    assert run.log_trial(trial(2), {}, existing=failed.info.run_id) == failed.info.run_id
    assert store.client.get_run(failed.info.run_id).info.status == "FINISHED"
    assert len(run.trial_runs()) == 1


def test_other_searches_of_the_experiment_are_not_mixed_in(store, run):
    other = SearchRun.start(store, "small", SearchRecord("xyz", "search xyz", "", "", "e" * 64, "there", (1, 1)))
    run.log_trial(trial(0), {})
    other.log_trial(trial(0), {})
    other.log_trial(trial(1), {})
    assert (len(run.trial_runs()), len(other.trial_runs())) == (1, 2)


def test_annotations_reach_the_run_they_are_for(store, run):
    child = run.log_trial(trial(0), {})
    run.annotate(metrics={"best_r2_test": 0.25}, tags={"best": "ridge"})
    run.annotate(metrics={"r2_test": 0.25}, run_id=child)
    assert store.client.get_run(run.run_id).data.metrics["best_r2_test"] == 0.25
    assert store.client.get_run(child).data.metrics["r2_test"] == 0.25
    assert run.run.data.tags["best"] == "ridge"


def test_a_trial_without_a_certificate_is_marked(store, run):
    tags = [store.client.get_run(run.log_trial(trial(number), {})).data.tags["certified"] for number in (2, 3)]
    assert tags == ["true", "false"]


@pytest.mark.parametrize("damage", [b"", b"ab", b"xyz", None])
def test_weights_that_are_not_what_was_logged_are_to_be_solved_again(damage, run):
    run_id = run.log_trial(trial(), {"weights.npz": b"abc"})
    (file,) = (Path.cwd() / "mlruns").rglob("weights.npz")
    assert run.is_intact(run.trial_runs()["ridge", 0])
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
        with pytest.raises(SearchStoppedError, match="the same `regsearch run` solves that trial again"):
            run.read(run_id, "weights.npz")
    assert not run.is_intact(run.trial_runs()["ridge", 0])


@pytest.mark.parametrize("place", ["embedded", "servers"], indirect=True)
@pytest.mark.parametrize("kept", [1000, 0])
def test_weights_of_a_search_without_checksums_are_read_if_whole(kept, run, store, place):
    whole = io.BytesIO()
    np.savez(whole, coef=np.ones(100))
    run_id = run.log_trial(trial(), {"weights.npz": whole.getvalue()})
    store.client.delete_tag(run_id, "weights_sha256")  # as in runs of regsearch 0.1
    assert run.is_intact(run.trial_runs()["ridge", 0])
    assert run.read(run_id, "weights.npz") == whole.getvalue()
    (file,) = place.artifacts.rglob("weights.npz")
    file.write_bytes(whole.getvalue()[:kept])
    with pytest.raises(SearchStoppedError):
        run.read(run_id, "weights.npz")
    assert not run.is_intact(run.trial_runs()["ridge", 0])


def test_a_run_is_finished_only_once_its_files_are_on_the_disk(run, monkeypatch):
    order, sync = [], os.fsync

    def synced(opened):
        sync(opened)
        (trial,) = run.trial_runs().values()
        order.append((Path(f"/proc/self/fd/{opened}").readlink().name, trial.info.status))

    monkeypatch.setattr(os, "fsync", synced)
    run_id = run.log_trial(trial(), {"weights.npz": b"abc", "weights.png": b"png"})
    names = [name for name, status in order if status == "RUNNING"]
    assert len(names) == len(order)
    assert set(names[:2]) == {".weights.npz.unfinished", ".weights.png.unfinished"}
    assert {"artifacts", run_id} <= set(names[2:])
    assert run.trial_runs()["ridge", 0].info.status == "FINISHED"


SPOOFED = [
    {"role": "trial", "family": "ridge", "trial": "one"},
    {"role": "trial", "family": "ridge"},
    {"role": "trial", "trial": "1"},
    {"role": "something", "family": "ridge", "trial": "1"},
    {"role": "trial", "family": "ridge", "trial": "1", "mlflow.parentRunId": "0" * 32},
]


@pytest.mark.parametrize("tags", SPOOFED)
def test_a_run_that_is_no_trial_of_the_search_is_ignored(tags, run, store):
    own = {"search_id": "abc123", "mlflow.parentRunId": run.run_id}
    store.client.create_run(run.experiment_id, tags=own | tags)
    elsewhere = store.experiment("elsewhere")
    store.client.create_run(elsewhere, tags=own | {"role": "trial", "family": "ridge", "trial": "1"})
    assert run.trial_runs() == {}
    assert run.finished() == []


def test_a_look_alike_in_another_experiment_is_not_taken_for_the_search(run, store):
    run.write({"config.toml": b'name = "small"'})
    tags = {**run.run.data.tags, "mlflow.runName": "mine"}
    theirs = store.client.create_run(store.experiment("theirs"), tags=tags, start_time=1)  # as if it were the older one
    store.client.log_text(theirs.info.run_id, 'name = "small"', "config.toml")
    assert SearchRun.find(store, "abc123").run_id == run.run_id
    store.client.delete_run(run.run_id)
    assert SearchRun.find(store, "abc123") is None


def test_a_search_is_found_in_another_experiment_than_the_preferred_one_if_its_configuration_is_there(run, store):
    theirs = store.client.create_run(store.experiment("theirs"), tags=run.run.data.tags, start_time=1)
    assert SearchRun.find(store, "abc123", "new") is None  # neither run has its configuration
    run.write({"config.toml": b'name = "small"'})
    store.client.log_text(theirs.info.run_id, 'name = "theirs"', "config.toml")
    for preferred, found in (("small", run.run_id), ("theirs", theirs.info.run_id), ("new", theirs.info.run_id)):
        assert SearchRun.find(store, "abc123", preferred).run_id == found


def test_a_search_in_an_experiment_that_was_renamed_or_deleted_is_named_with_the_way_back(run, store):
    run.write({"config.toml": b'name = "small"'})
    store.client.rename_experiment(run.experiment_id, "renamed")
    with pytest.raises(SearchNotFoundError, match=r"one lies in experiment 'renamed'.* names 'small'.*rename it back"):
        SearchRun.get(store, "abc123")
    store.client.rename_experiment(run.experiment_id, "small")
    assert elsewhere(store, "abc123") is None
    assert SearchRun.get(store, "abc123").run_id == run.run_id
    store.client.delete_run(run.run_id)
    restore = f"mlflow runs restore --run-id {run.run_id}`"
    with pytest.raises(SearchNotFoundError, match=f"its run was deleted; `MLFLOW_TRACKING_URI=.* {restore}"):
        SearchRun.get(store, "abc123")
    store.client.restore_run(run.run_id)
    store.client.delete_experiment(run.experiment_id)
    restore = f"mlflow experiments restore --experiment-id {run.experiment_id}`"
    with pytest.raises(SearchNotFoundError, match=f"in experiment 'small', which was deleted; `.* {restore}"):
        SearchRun.get(store, "abc123")
    store.client.restore_experiment(run.experiment_id)
    assert SearchRun.get(store, "abc123").run_id == run.run_id


@pytest.mark.slow
@everywhere
def test_what_was_deleted_is_back_once_the_commands_of_the_messages_were_run(store, run, tmp_path, monkeypatch):
    def follow(refusal):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        subprocess.run(str(refusal.value).split("`")[1], shell=True, check=True, cwd=tmp_path, capture_output=True)

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    run.write({"config.toml": b'name = "small"'})
    store.client.delete_run(run.run_id)
    with pytest.raises(SearchNotFoundError) as refusal:
        SearchRun.get(store, "abc123")
    follow(refusal)
    store.client.delete_experiment(run.experiment_id)
    with pytest.raises(StoreError) as refusal:
        store.experiment("small")
    follow(refusal)
    assert SearchRun.get(store, "abc123").run_id == run.run_id
    assert not (tmp_path / "mlflow.db").exists()


def test_the_latest_value_is_shown_though_the_clock_was_set_back(store, run, monkeypatch):
    run.annotate(metrics={"best_r2_validation": 0.5})
    trial_id = run.log_trial(trial(), {"weights.npz": b"first"})
    day_before = time.time() - 86_400
    monkeypatch.setattr("regsearch.tracking.runs.time.time", lambda: day_before)
    run.annotate(metrics={"best_r2_validation": 0.25})
    assert run.run.data.metrics["best_r2_validation"] == 0.25
    solved_again = replace(trial(), metrics=dict.fromkeys(METRICS, -1.0))
    run.log_trial(solved_again, {"weights.npz": b"again"}, trial_id)
    assert set(store.client.get_run(trial_id).data.metrics.values()) == {-1.0}


@everywhere
def test_what_is_too_long_for_a_table_of_mlflows_ends_in_an_ellipsis(store):
    long = "0–1, " * 3000
    record = replace(SEARCH, description=long, source=long, params={"rows_train": long})
    run = SearchRun.start(store, "long", record)
    run.annotate(tags={"mlflow.note.content": long})
    kept = run.run
    (dataset,) = kept.inputs.dataset_inputs
    texts = {
        8000: kept.data.tags["mlflow.note.content"],
        6000: kept.data.params["rows_train"],
        500: dataset.dataset.name,
    }
    assert {most: len(text) for most, text in texts.items()} == {most: most for most in texts}
    assert all(text.endswith("…") for text in texts.values())
    version = registry.register(
        store, "long", run.run_id, lambda folder: folder.mkdir() or {}, tags={}, description=long, about=long
    )
    assert len(version.description) == len(store.client.get_registered_model("long").description) == 5000
