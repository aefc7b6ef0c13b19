import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModelStatus, Metric, Param

from regsearch.errors import ModelRejectedError, RegistryError
from regsearch.tracking import registry
from regsearch.tracking.estimator import fitted
from regsearch.tracking.model import load, save
from regsearch.tracking.runs import SearchRun
from tests.conftest import everywhere
from tests.tracking.conftest import SEARCH
from tests.tracking.test_runs import trial

COEF = np.array([1.0, 0.0, -2.5])
X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


def saving(model):
    """Return a call that writes a model into a folder, as `registry.register` wants it."""
    return lambda folder: {"model_sha256": save(model, folder)}


def registered(store, coef=COEF, names=(), model="m", **tags):
    run_id = store.client.create_run(store.experiment("e")).info.run_id
    linear = fitted(coef, 0.5, [(X, None)], strengths=(0, 0), feature_names=names)

    return run_id, str(
        registry.register(store, model, run_id, saving(linear), tags=tags, description="what it is").version
    )


def test_the_champion_loads_through_its_alias(store, monkeypatch):
    _, version = registered(store, search_id="s")
    assert registry.champion(store, "m") is None
    assert registry.crown(store, "m", version) is None
    champion = registry.champion(store, "m")
    assert (str(champion.version), champion.tags["search_id"], champion.description) == (version, "s", "what it is")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    loaded = mlflow.pyfunc.load_model("models:/m@champion")
    np.testing.assert_allclose(loaded.predict(X), X.astype(float) @ COEF + 0.5, rtol=1e-6)


def test_a_named_recording_makes_a_model_that_takes_a_table(store, monkeypatch):
    _, version = registered(store, names=("a", "b", "c"))
    registry.crown(store, "m", version)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    loaded = mlflow.pyfunc.load_model("models:/m@champion")
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    np.testing.assert_allclose(loaded.predict(table[["c", "a", "b"]]), X.astype(float) @ COEF + 0.5, rtol=1e-5)


@pytest.mark.slow
def test_where_regsearch_is_not_installed_the_champion_predicts_the_same(store, tmp_path):
    _, version = registered(store)
    registry.crown(store, "m", version)
    script = (
        "import sys, mlflow, numpy as np\n"
        "assert not 'regsearch' in sys.modules\n"
        "sys.meta_path.insert(0, type('Absent', (), {'find_spec': staticmethod(lambda name, *_: (_ for _ in ()).throw("
        "ImportError(name)) if name.partition('.')[0] in ('regsearch', 'search', 'tracking', 'data') else None)}))\n"
        f"mlflow.set_tracking_uri({store.uri!r})\n"
        "np.save('out.npy', mlflow.pyfunc.load_model('models:/m@champion').predict(np.load('in.npy')))\n"
    )
    np.save(tmp_path / "in.npy", X)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out.npy"), fitted(COEF, 0.5, [(X, None)], strengths=(0, 0)).predict(X)
    )


def test_registering_the_same_run_again_gives_the_same_version(store):
    run_id, version = registered(store)

    def refuse(folder):
        raise AssertionError("the model is there already")

    assert str(registry.register(store, "m", run_id, refuse, tags={}, description="").version) == version
    assert len(registry.versions(store, "m")) == 1


def test_rolling_back_restores_the_previous_champion(store):
    _, first = registered(store)
    _, second = registered(store, coef=COEF * 2)
    registry.crown(store, "m", first)
    assert registry.crown(store, "m", second) == first
    assert registry.rollback(store, "m", lambda version: None) == first
    assert str(registry.champion(store, "m").version) == first
    with pytest.raises(RegistryError, match=f"champion version {first} replaced none"):
        registry.rollback(store, "m", lambda version: None)


def test_a_model_is_described_when_it_is_made_and_what_people_wrote_of_it_stays(store):
    def register(about):
        run_id = store.client.create_run(store.experiment("e")).info.run_id
        model = fitted(COEF, 0.5, [(X, None)], strengths=(0, 0))
        registry.register(
            store,
            "m",
            run_id,
            saving(model),
            tags={},
            description="a version",
            about=about,
        )
        return store.client.get_registered_model("m").description

    assert register("") == ""
    assert register("a card") == "a card"
    store.client.update_registered_model("m", "my own words")
    assert register("a card") == "my own words"


def test_without_a_champion_there_is_nothing_to_roll_back(store):
    registered(store)
    with pytest.raises(RegistryError, match="there is no champion"):
        registry.rollback(store, "m", lambda version: None)


def test_the_history_names_scores_and_who_is_champion(store):
    _, first = registered(store, r2_test="0.5", search_id="s", family="lasso", trial_name="lasso alpha=0.1")
    _, second = registered(store)
    registry.crown(store, "m", first)
    one, two = registry.history(store, "m")
    assert (one["version"], one["champion"], one["r2_test"], one["trial"]) == (first, True, 0.5, "lasso alpha=0.1")
    assert (two["version"], two["champion"]) == (second, False)


@pytest.mark.parametrize("name", ["it's", "naïve 🐭", "semi;colon", "a' OR name = 'b"])
def test_names_survive(name, store):
    registered(store, model=name)
    assert registry.names(store) == [name]
    assert len(registry.versions(store, name)) == 1


def register(store, run_id, coef=COEF):
    """Register the model of a run."""
    linear = fitted(coef, 0.5, [(X, None)], strengths=(0, 0))
    return registry.register(store, "m", run_id, saving(linear), tags={}, description="")


def scored_run(store, r2_validation=0.25):
    """Return the id of a finished run with a score and a strength."""
    run_id = store.client.create_run(store.experiment("e")).info.run_id
    store.client.log_batch(run_id, [Metric("r2_validation", r2_validation, 1234, 0)], [Param("alpha", "0.1")])
    return run_id


@everywhere
def test_the_model_of_a_run_is_a_logged_model_with_its_scores_its_run_and_its_version(store, monkeypatch):
    run_ids = [scored_run(store, score) for score in (0.25, 0.75)]
    versions = [register(store, run_id, COEF * number) for number, run_id in enumerate(run_ids, start=1)]
    (found,) = store.client.search_logged_models([store.experiment("e")], "metrics.r2_validation > 0.5")
    assert (found.source_run_id, found.params, found.status) == (run_ids[1], {"alpha": "0.1"}, LoggedModelStatus.READY)
    assert json.loads(found.tags["mlflow.modelVersions"]) == [{"name": "m", "version": int(versions[1].version)}]
    run = store.client.get_run(run_ids[1])
    assert [output.model_id for output in run.outputs.model_outputs] == [found.model_id]
    assert len(store.client.get_metric_history(run_ids[1], "r2_validation")) == 1
    registry.crown(store, "m", str(versions[1].version))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    for address in (f"models:/{found.model_id}", f"runs:/{run_ids[1]}/model", "models:/m@champion"):
        predicted = mlflow.pyfunc.load_model(address).predict(X)
        np.testing.assert_allclose(predicted, X.astype(float) @ (2 * COEF) + 0.5, rtol=1e-6, err_msg=address)


def test_a_damaged_model_is_written_again_into_the_same_logged_model(store):
    run_id = scored_run(store)
    version = register(store, run_id)
    location = store.client.get_logged_model(version.tags["logged_model"]).artifact_location
    weights = Path(location.removeprefix("file://"), "model.skops")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert not registry.is_intact(store, version)
    again = register(store, run_id)
    assert (again.version, again.tags["logged_model"]) == (version.version, version.tags["logged_model"])
    assert registry.is_intact(store, again)


def test_a_version_without_a_logged_model_is_read_from_its_run_and_gets_one_when_it_is_mended(store, tmp_path):
    run_id = scored_run(store)
    digest = save(fitted(COEF, 0.5, [(X, None)], strengths=(0, 0)), tmp_path / "model")
    store.client.log_artifacts(run_id, str(tmp_path / "model"), "model")
    registry.ensure_model(store, "m")
    version = store.client.create_model_version("m", f"runs:/{run_id}/model", run_id, tags={"model_sha256": digest})
    assert registry.is_intact(store, version)
    assert register(store, run_id).version == version.version
    with TemporaryDirectory() as folder:
        np.testing.assert_array_equal(load(registry.download(store, version, folder), digest).coef_, COEF)

    (saved,) = (Path.cwd() / "mlruns" / "artifacts").rglob("model/model.skops")
    saved.unlink()
    mended = register(store, run_id)
    assert (mended.version, mended.source) == (version.version, version.source)
    assert registry.is_intact(store, mended)


def test_a_logged_model_of_another_run_is_no_model_of_a_version(store):
    mine, other = register(store, scored_run(store)), register(store, scored_run(store))
    store.client.set_model_version_tag("m", mine.version, "logged_model", other.tags["logged_model"])
    mixed = store.client.get_model_version("m", mine.version)
    with TemporaryDirectory() as folder, pytest.raises(ModelRejectedError, match="was not registered by regsearch"):
        registry.download(store, mixed, folder)


class Killed(BaseException):
    """What ends a process at once."""


def killed_after(store, monkeypatch, method, call):
    """Call, as a process does that dies once a method of the client has returned."""
    inner = store.client._client
    original = getattr(inner, method)

    def last(*arguments, **options):
        original(*arguments, **options)
        raise Killed

    monkeypatch.setattr(inner, method, last)
    with pytest.raises(Killed):
        call()
    monkeypatch.setattr(inner, method, original)


@pytest.mark.parametrize(
    "moment", ["create_logged_model", "log_outputs", "log_batch", "finalize_logged_model", "create_model_version"]
)
def test_a_registration_that_was_killed_and_is_repeated_leaves_one_logged_model_and_one_version(
    moment, store, monkeypatch
):
    run_id = scored_run(store)
    inner = store.client._get_registry_client() if moment == "create_model_version" else store.client._tracking_client
    original = getattr(inner, moment)

    def last(*arguments, **options):
        original(*arguments, **options)
        raise Killed

    monkeypatch.setattr(inner, moment, last)
    with pytest.raises(Killed):
        register(store, run_id)
    monkeypatch.setattr(inner, moment, original)
    version = register(store, run_id)
    assert len(registry.versions(store, "m")) == 1
    assert registry.is_intact(store, version)
    (model,) = store.client.search_logged_models([store.experiment("e")])
    assert model.status == LoggedModelStatus.READY
    outputs = store.client.get_run(run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [model.model_id]
    assert [metric.key for metric in model.metrics] == ["r2_validation"]


@pytest.fixture
def three(store):
    """Return three versions, each of which was champion; the last is."""
    made = [registered(store, coef=COEF * number)[1] for number in (1, 2, 3)]
    for version in made:
        registry.crown(store, "m", version)
    return made


MOMENTS = ["set_model_version_tag", "set_registered_model_tag", "set_registered_model_alias"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_rollback_that_was_killed_and_is_repeated_goes_back_one_step(moment, store, three, monkeypatch):
    killed_after(store, monkeypatch, moment, lambda: registry.rollback(store, "m", lambda version: None))
    assert registry.rollback(store, "m", lambda version: None) == three[1]
    assert str(registry.champion(store, "m").version) == three[1]
    assert [note.split(",")[0] for note in registry.moves(store, "m")] == [
        *(f"version {version}" for version in three),
        f"version {three[1]}",
    ]
    assert registry.rollback(store, "m", lambda version: None) == three[0]


def test_rolling_back_again_and_again_leads_to_the_first_champion_which_is_not_marked(store, three):
    one, two, three = three

    def back():
        return registry.rollback(store, "m", lambda version: None)

    registry.crown(store, "m", one)
    assert [back() for _ in range(3)] == [three, two, one]
    with pytest.raises(RegistryError, match=f"champion version {one} replaced none"):
        back()
    history = registry.history(store, "m")
    assert [bool(version["rolled_back_at"]) for version in history] == [False, True, True]
    assert [version["replaced"] for version in history] == ["", one, two]
    registry.crown(store, "m", two)
    assert not registry.was_rolled_back(registry.champion(store, "m"))
    assert back() == one


def test_a_champion_that_is_crowned_again_is_no_longer_marked_as_rolled_back(store, three):
    store.client.set_model_version_tag("m", three[2], "rolled_back_at", "yesterday")
    registry.crown(store, "m", three[2])
    assert not registry.was_rolled_back(registry.champion(store, "m"))


def test_a_promotion_that_was_killed_before_the_alias_moved_is_no_step_of_a_rollback(store, three, monkeypatch):
    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store.client._client, "set_registered_model_alias", killed)
        with pytest.raises(Killed):
            registry.crown(store, "m", three[0])
    assert registry.rollback(store, "m", lambda version: None) == three[1]


def test_an_alias_that_was_moved_by_hand_is_noted_and_overwrites_nothing(store, three):
    before = registry.moves(store, "m")
    store.client.set_registered_model_alias("m", "champion", three[0])
    registry.crown(store, "m", three[1])
    after = registry.moves(store, "m")
    assert after[:3] == before
    assert after[3].startswith(f"version {three[0]}, moved by other means than regsearch")
    assert after[4].startswith(f"version {three[1]}, replacing {three[0]}")


def test_tags_of_somebody_else_are_not_taken_for_moves(store, three):
    before = registry.moves(store, "m")
    for key, value in {"champion_owner": "me", "champion_0100": "of the year", "champion_12": "version 1, x"}.items():
        store.client.set_registered_model_tag("m", key, value)
    assert registry.moves(store, "m") == before
    store.client.set_model_version_tag("m", three[0], "r2_test", "good")
    assert "r2_test" not in registry.history(store, "m")[0]


def test_a_version_that_was_deleted_is_not_rolled_back_to(store, three):
    store.client.delete_model_version("m", three[1])
    with pytest.raises(RegistryError, match=f"version {three[1]}, which the champion replaced, is deleted"):
        registry.rollback(store, "m", lambda version: None)


@pytest.mark.parametrize("damage", ["model.skops", "MLmodel"])
def test_a_model_that_was_damaged_is_written_again(damage, store):
    run_id, version = registered(store)
    (file,) = (Path.cwd() / "mlruns" / "artifacts").rglob(damage)
    whole = file.read_bytes()
    file.write_bytes(whole[:-5] if damage == "model.skops" else b"")
    assert not registry.is_intact(store, registry.versions(store, "m")[0])
    linear = fitted(COEF, 0.5, [(X, None)], strengths=(0, 0))
    again = registry.register(
        store, "m", run_id, lambda folder: {"model_sha256": save(linear, folder)}, tags={}, description=""
    )
    assert str(again.version) == version
    assert registry.is_intact(store, again)
    loaded = load(file.parent, again.tags["model_sha256"])
    np.testing.assert_allclose(loaded.coef_, COEF)


def test_the_run_that_a_model_was_registered_from_is_never_moved_to_the_bin(store):
    search = SearchRun.start(store, "small", SEARCH)
    run_id = search.log_trial(trial(), {"weights.npz": b"abc"})
    linear = fitted(COEF, 0.5, [(X, None)], strengths=(0, 0))
    registry.register(
        store, "m", run_id, lambda folder: {"model_sha256": save(linear, folder)}, tags={}, description=""
    )
    store.client.delete_run(run_id)
    remade = search.log_trial(trial(), {"weights.npz": b"abc"})
    store.client.restore_run(run_id)
    assert search.trial_runs()["ridge", 0].info.run_id == run_id
    assert store.client.get_run(remade).info.lifecycle_stage == "deleted"
    assert store.client.get_run(run_id).info.lifecycle_stage == "active"
