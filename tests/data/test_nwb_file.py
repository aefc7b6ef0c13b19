"""An NWB file, as pynwb writes it, becomes a recording of a series or a table, or one line that says why not."""

import warnings
from datetime import UTC, datetime

import numpy as np
import pytest

from regsearch import data
from regsearch.data.roles import Roles
from regsearch.data.sources import load_target
from regsearch.errors import DataError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pynwb

N = 30
RNG = np.random.default_rng(0)
F = RNG.standard_normal((N, 4)).astype("f4")
SPEED = RNG.integers(0, 100, N).astype("i2")
POSITION = RNG.standard_normal((N, 2))
REACTION = RNG.random(10)
FEATURES, TARGET = "processing/ophys/dff/data", "processing/behavior/speed/data"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = pynwb.NWBFile("a session", "an id", datetime(2020, 1, 1, tzinfo=UTC))
    ophys = file.create_processing_module("ophys", "imaging")
    ophys.add(pynwb.TimeSeries(name="dff", data=F, unit="a", rate=30.0, starting_time=0.0))
    behavior = file.create_processing_module("behavior", "behaviour")
    times = np.arange(N) / 30
    for name, values, more in (
        ("speed", SPEED, {"timestamps": times, "conversion": 0.01}),
        ("position", POSITION, {"rate": 30.0, "starting_time": 0.01}),
        ("late", SPEED, {"timestamps": times + 0.5}),
        ("slow", SPEED[::3], {"rate": 10.0}),
    ):
        behavior.add(pynwb.TimeSeries(name=name, data=values, unit="m", **more))
    stuck = np.where((times > 0.4) & (times < 0.6), 0.6, times)
    unknown = np.where(times == 0, np.nan, times)
    for name, moments in (("stuck", stuck), ("unknown", unknown), ("linked", behavior["late"])):
        behavior.add(pynwb.TimeSeries(name=name, data=SPEED, unit="m", timestamps=moments))
    moments = times + 5 * (times > 0.3) + 2.5 * (times > 0.7)
    behavior.add(pynwb.TimeSeries(name="paused", data=F, unit="a", timestamps=moments))
    behavior.add(pynwb.TimeSeries(name="beside", data=SPEED, unit="m", timestamps=behavior["paused"]))
    for name in ("contrast", "reaction", "stimulus"):
        file.add_trial_column(name, "a column")
    for trial in range(10):
        values = {"contrast": trial % 3 / 2, "reaction": REACTION[trial], "stimulus": "ab"[trial % 2]}
        file.add_trial(start_time=float(trial), stop_time=trial + 0.5, **values)
    for unit in range(3):
        file.add_unit(spike_times=np.arange(5.0) + unit)
    where = tmp_path_factory.mktemp("nwb") / "session.nwb"
    with pynwb.NWBHDF5IO(where, "w") as io:
        io.write(file)
    return str(where)


def refusal(path, roles):
    with pytest.raises(DataError) as caught:
        data.load(path, roles)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_gap_in_the_times_of_the_features_is_told_because_no_lag_stops_at_it(path):
    roles = Roles(("processing/behavior/beside/data",), features="processing/behavior/paused/data")
    (note,) = data.load(path, roles).notes
    assert "its times have 2 gaps, the first after row 9, and rows beside a gap count as neighbours; " in note
    assert not any("gap" in note for note in data.load(path, Roles((TARGET,), features=FEATURES)).notes)


def test_features_and_target_are_the_data_of_series_in_their_units(path):
    roles = Roles((TARGET, "processing/behavior/position/data:1"), features=FEATURES)
    speed, position = data.load_targets(path, roles)
    np.testing.assert_array_equal(speed.X[:, :], F)
    assert speed.X.dtype == np.float32
    np.testing.assert_array_equal(speed.y, SPEED * 0.01)
    np.testing.assert_array_equal(position.y, POSITION[:, 1])
    assert speed.notes == (f"session.nwb: array '{TARGET}' was scaled as its attributes say",)
    assert data.shape(path, roles) == (N, 4)
    found = {entry.name: entry.role for entry in data.contents(path, roles)}
    assert (found[FEATURES], found[TARGET]) == ("features", "target")
    assert not any(name.startswith("specifications") for name in found)
    assert data.is_recording(path)


def test_a_table_of_trials_is_its_columns(path):
    roles = Roles(("reaction",), features="intervals/trials", exclude=("st*_time",), groups="stimulus")
    recording = data.load(path, roles)
    assert recording.feature_names == ("contrast",)
    np.testing.assert_array_equal(recording.X[:, 0], np.arange(10) % 3 / 2)
    assert recording.annotations.groups.tolist() == list("ababababab")
    assert data.shape(path, roles) == (10, 1)
    found = {entry.name.removeprefix("intervals/trials/"): entry.role for entry in data.contents(path, roles)}
    taken = {"contrast": "features", "reaction": "target", "stimulus": "groups", "start_time": "left out"}
    assert {name: found[name] for name in taken} == taken
    by_path = data.load(path, Roles(("intervals/trials/reaction",), features="intervals/trials", exclude=("st*",)))
    for target in ("reaction", "intervals/trials/reaction"):
        roles = Roles((target, "contrast"), features="intervals/trials")
        np.testing.assert_array_equal(load_target(path, roles), REACTION)
    np.testing.assert_array_equal(load_target(path, Roles((TARGET,))), SPEED * 0.01)
    assert (by_path.target, by_path.sha256 != recording.sha256) == ("reaction", True)


@pytest.mark.parametrize(
    ("features", "target", "says"),
    [
        (None, TARGET, "say by --features which series to predict from, such as 'processing/…/data', or which table"),
        ("units/spike_times", TARGET, "count the spikes per time bin first"),
        (FEATURES, "units/spike_times", "count the spikes per time bin first"),
        (
            FEATURES,
            "processing/behavior/slow/data",
            "10 from 0 to 0.9 s in 'processing/behavior/slow/data' beside 30 from 0 to ",
        ),
        (
            FEATURES,
            "processing/behavior/late/data",
            "30 from 0.5 to 1.46667 s in 'processing/behavior/late/data' beside 30 from 0 to 0.966667 s, the "
            "first that differ at row 0: 0.5 beside 0 s; interp",
        ),
        (FEATURES, "processing/behavior/stuck/data", "at row 13: 0.6 beside 0.433333 s; interp"),
        (FEATURES, "processing/behavior/unknown/data", "at row 0: nan beside 0 s; interp"),
        (FEATURES, "processing/behavior/linked/data", "at row 0: 0.5 beside 0 s; interp"),
        (
            "intervals/trials",
            "reaction",
            "text in 1 of 5 columns: 'stimulus', the first with 'a'; leave it out by exclude = "
            '["stimulus"] (--exclude stimulus)',
        ),
        ("intervals/trials", "reactoin", "expected the column 'reactoin'"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(features, target, says, path):
    assert says in refusal(path, Roles((target,), features=features))
