import json
from functools import reduce

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from regsearch import SearchConfig, from_arrays, from_frame, run_search, run_targets
from regsearch.data import Recording
from regsearch.data.annotations import NOTHING
from regsearch.errors import ConfigError, RegsearchError
from regsearch.search.config import SplitConfig
from regsearch.search.config.families import ends_of
from regsearch.search.cutting import split_of
from regsearch.search.rows import recordings_of

BASE = SearchConfig.from_preset("default").to_toml()

strength = st.floats(1e-6, 1e3)
span = st.tuples(strength, st.floats(1.001, 1e4)).map(lambda pair: {"low": pair[0], "high": pair[0] * pair[1]})
grid = st.lists(strength, min_size=1, max_size=6, unique=True)
searched = st.builds(lambda alpha, trials: {"alpha": alpha, "trials": trials}, span, st.integers(1, 500))
exact = grid.map(lambda alpha: {"alpha": alpha})
mixes = st.builds(lambda l1, l2: {"l1_alpha": l1, "l2_alpha": l2}, grid, grid)
families = st.fixed_dictionaries({"ridge": searched | exact}, optional={"lasso": searched | exact, "elasticnet": mixes})
configurations = st.builds(
    lambda families, seed, sampler: SearchConfig.model_validate(
        {"name": "any", "seed": seed, "sampler": sampler, "families": families}
    ),
    families,
    st.integers(0, 2**32 - 1),
    st.sampled_from(["tpe", "random", "grid"]),
)


@given(configurations)
def test_toml_reads_back_to_the_same_configuration(config):
    assert SearchConfig.from_toml(config.to_toml()) == config


@given(configurations)
def test_trials_are_counted_per_family(config):
    expected = 1
    for settings in config.families.searched.values():
        if settings.trials is not None:
            expected += settings.trials
        elif hasattr(settings, "alpha"):
            expected += len(settings.alpha)
        else:
            expected += len(settings.l1_alpha) * len(settings.l2_alpha)
    assert config.n_trials == expected


def test_the_presets_are_the_designed_ones():
    default, tutorial = SearchConfig.from_preset("default"), SearchConfig.from_preset("tutorial")
    assert default.n_trials == 1 + 30 + 30 + 25
    assert tutorial.n_trials == 1 + 5 + 5 + 25
    assert tutorial.families.ridge.alpha == (0.01, 0.1, 1, 10, 100)
    assert tutorial.families.lasso.alpha == (0.0005, 0.001, 0.005, 0.01, 0.1)
    assert default.data.split == tutorial.data.split


SPLITS = (
    {"validation": {"folds": 3}, "test": {"folds": 3, "embargo": 1}},
    {"train": {"groups": ["a"]}, "validation": {"groups": ["b"]}, "test": {"fraction": 0.1}},
    {"validation": {"column": "fold"}, "test": "none"},
    {"validation": {"given": [{"train": [0, 5], "validation": [5, 9]}, {"train": [5, 9], "validation": [0, 5]}]}},
)


def tables(values, *place):
    """Yield where the tables of a configuration are."""
    if isinstance(values, dict):
        yield place
    inside = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in inside:
        yield from tables(value, *place, key)


@given(st.data(), st.sampled_from(SPLITS), st.text(max_size=8) | st.sampled_from(["at-most", "l1-alpha", "embargo"]))
def test_a_key_that_is_not_there_is_said_so_in_one_line_wherever_it_is_and_whatever_it_is(data, split, key):
    null, select = {"kind": "shift", "n": 38}, {"at_most": 9}
    values = {**SearchConfig.from_preset("own-data").model_dump(exclude_none=True), "null": null, "select": select}
    values = json.loads(json.dumps(values | {"data": {"split": split}}))
    place = data.draw(st.sampled_from([*tables(values)]))
    table = reduce(lambda table, step: table[step], place, values)
    assume(key not in table)
    table[key] = {}
    with pytest.raises(ConfigError) as caught:
        SearchConfig.from_values(values, "mine.toml")
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith("mine.toml: ")
    if not key.isidentifier():
        assert message.startswith("mine.toml: unknown key ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("low = 0.01", "low = 0.01\nof-max = 1"), "unknown key 'families.ridge.alpha.of-max'; known are high, low"),
        (("seed = 0", "seed = 0\n'' = 1"), "unknown key ''; known are"),
        (
            ("\n[families.ridge.alpha]\nlow = 0.01\nhigh = 100.0", "alpha = 3"),
            "families.ridge.alpha: expected a table with low and high, or a list of numbers, found 3",
        ),
        (
            ("[data]", "[data]\nsampler = 'tpe'"),
            "unknown key 'data.sampler'; 'sampler' belongs at the top, before all sections; known here are covariates",
        ),
        (("seed = 0", "target = 'y'"), "unknown key 'target'; 'target' belongs in [data]; known here are data, exp"),
        (
            ("[families.ridge]", "[families.ridge]\nl1_alpha = [1]"),
            "'l1_alpha' belongs in [families.elasticnet]; known here are alpha, patience, trials",
        ),
        (("low = 0.01", "low = '0.01'"), "families.ridge.alpha.low: expected a number, found '0.01'"),
        (("low = 0.01", "low = 0.01\npoints = 0.5"), "families.ridge.alpha.points: expected a whole number, found 0.5"),
        (("tolerance = 1e-06", "tolerance = '1e-6'"), "tolerance: expected a number, found '1e-6'"),
        (("0.0005,", "true,"), "families.elasticnet.l1_alpha: expected a number, found True"),
        (("seed = 0", "sede = 0"), "unknown key 'sede'; did you mean 'seed'?"),
        (("trials = 30", "trails = 30"), "unknown key 'families.ridge.trails'; did you mean 'trials'?"),
        (("[families.ridge", "[families.rigde"), "unknown key 'families.rigde'; did you mean 'ridge'?"),
        (("low = 0.01", "lo = 0.01"), "unknown key 'families.ridge.alpha.lo'; did you mean 'low'?"),
        (("low = 0.01", ""), "families.ridge.alpha: a range needs low and high, or of"),
        (("low = 0.01", "low = 200"), "low must be below high, found low = 200 and high = 100"),
        (("low = 0.01", "low = -1"), "families.ridge.alpha.low: expected a number above 0, found -1"),
        (("low = 0.01", "low = 0"), "families.ridge.alpha.low: expected a number above 0, found 0"),
        (("low = 0.01", "low = nan"), "families.ridge.alpha.low: expected a finite number, found nan"),
        (("trials = 30", "trials = 0"), "families.ridge.trials: expected a number above 0, found 0"),
        (("trials = 30", ""), "families.ridge: a range needs `trials`"),
        (('sampler = "tpe"', 'sampler = "foo"'), "sampler: expected 'tpe', 'random', 'grid', 'gp', 'cmaes' or"),
        (
            ("trials = 30", "trials = 30\npatience = 0"),
            "ridge.patience: expected a number above 0, found 0",
        ),
        (("l1_alpha = [", "patience = 9\nl1_alpha = ["), "families.elasticnet: an exact grid is tried whole"),
        (("0.0005,", "0.0,"), "families.elasticnet.l1_alpha: expected a number above 0, found 0.0"),
        (("0.0005,", "0.001,"), "families.elasticnet: l1_alpha repeats a value"),
        (("l1_alpha = [", "trials = 9\nl1_alpha = ["), "families.elasticnet: an exact grid takes no trials"),
        (('name = "running-speed"', 'name = "a/b"'), "name must be a word or more without"),
        (('name = "running-speed"', ""), "'name' is required and missing"),
        (("5000,", ""), "data.split.train: expected a range of rows [start, stop), found"),
        (("seed = 0", "seed = ["), "expected TOML, found a syntax error"),
        (("seed = 0", "seed = true"), "seed: expected a whole number, found True"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(change, says):
    text = BASE.replace(*change)
    assert text != BASE
    with pytest.raises(ConfigError) as caught:
        SearchConfig.from_toml(text, source="mine.toml")
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert says in message
    assert "\n" not in message


def test_one_strength_by_range_and_the_other_by_array_is_refused():
    text = """
    name = "x"
    [families.elasticnet]
    l1_alpha = { low = 0.1, high = 1 }
    l2_alpha = [1, 2]
    trials = 30
    """
    with pytest.raises(ConfigError, match="give l1_alpha and l2_alpha both as ranges or both as grids"):
        SearchConfig.from_toml(text)


def test_no_family_is_refused():
    with pytest.raises(ConfigError, match="name at least one of ridge, lasso and elasticnet"):
        SearchConfig.from_toml('name = "x"\n[families]\n')


def test_a_grid_over_two_ranges_needs_a_square():
    text = """
    name = "x"
    sampler = "grid"
    [families.elasticnet]
    l1_alpha = { low = 0.1, high = 1 }
    l2_alpha = { low = 0.1, high = 1 }
    trials = 30
    """
    with pytest.raises(ConfigError, match="found 30; use 25 or 36"):
        SearchConfig.from_toml(text)


def test_a_grid_is_tried_whole():
    text = """
    name = "x"
    sampler = "grid"
    [families.ridge]
    alpha = { low = 0.1, high = 1 }
    trials = 30
    patience = 5
    """
    with pytest.raises(ConfigError, match=r'families.ridge: sampler = "grid" tries its points'):
        SearchConfig.from_toml(text)


def test_a_configuration_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nope.toml: no such configuration; give a TOML file or one of default"):
        SearchConfig.load(str(tmp_path / "nope.toml"))
    with pytest.raises(ConfigError, match=r"tutoral: no such configuration; did you mean 'tutorial'\?"):
        SearchConfig.load("tutoral")


@given(configurations, st.integers(1, 500))
def test_identity_is_of_what_decides_the_trials(config, trials):
    here = config.search_id("a")
    assert here == SearchConfig.from_toml(config.to_toml()).search_id("a")
    assert here == config.model_copy(update={"data": config.data.model_copy(update={"source": "moved"})}).search_id("a")
    assert here != config.search_id("b")
    assert here != config.model_copy(update={"seed": config.seed ^ 1}).search_id("a")
    assert here != config.model_copy(update={"name": "other"}).search_id("a")
    ranges = [family for family, settings in config.families.searched.items() if not settings.is_grid]
    if ranges and config.sampler != "grid":
        assert here == config.updated(trials=trials).search_id("a")


def test_more_trials_are_wanted_of_the_families_searched_by_range():
    config = SearchConfig.from_preset("default").updated(seed=5, trials=7)
    assert (config.seed, config.n_trials) == (5, 1 + 7 + 7 + 25)
    with pytest.raises(ConfigError, match="every family is an exact grid"):
        SearchConfig.from_preset("tutorial").updated(trials=7)


def test_ones_own_file_brings_its_own_rows_and_name(tmp_path):
    default = SearchConfig.from_preset("default")
    own = default.on("recordings/mouse 7.npz")
    assert (own.name, own.data.split, own.data.source) == ("mouse 7", None, "recordings/mouse 7.npz")
    assert default.on("stringer").data.split == default.data.split
    np.save(tmp_path / "stringer_spontaneous.npy", {"run": 1})
    assert default.on(f"{tmp_path}/stringer_spontaneous.npy").name == default.name


@pytest.mark.parametrize(
    ("split", "stays"),
    [
        ({"validation": {"groups": 3}, "test": {"groups": "each"}}, True),
        ({"validation": {"folds": 3}, "test": {"fraction": 0.2}}, True),
        ({"train": {"groups": ["a"]}, "validation": {"column": "fold"}, "test": {"groups": ["b"]}}, True),
        ({"validation": {"folds": 3}, "test": [20, 30]}, False),
        ({"validation": [[0, 5], [9, 12]]}, False),
        ({"validation": {"given": [{"train": [0, 4], "validation": [4, 8]}] * 2}}, False),
    ],
)
def test_a_split_goes_along_to_another_recording_unless_it_names_rows_by_number(split, stays):
    config = SearchConfig.from_preset("own-data").updated(split=split)
    assert config.on("other.csv").data.split == (config.data.split if stays else None)


def test_another_target_has_a_name_and_so_a_model_of_its_own_unless_it_is_given_one():
    own = SearchConfig.from_preset("default").on("worm.npz")
    assert own.updated(target="speed").data.target == "speed"
    assert own.updated(target="speed").name == "worm-speed"
    assert own.updated(target="turn/rate").name == "worm-turn-rate"
    assert own.updated(target="speed", name="mine").name == "mine"
    assert own.updated(target="y").name == "worm"


def test_what_is_changed_most_is_changed_in_one_call():
    default = SearchConfig.from_preset("default")
    changed = default.updated(families=["lasso"], alpha=(1e-6, 1e-2), select="one-se", folds=5)
    assert list(changed.families.searched) == ["lasso"]
    assert ends_of(changed.families.lasso.alpha) == (1e-6, 1e-2)
    assert changed.select == "one-se"
    assert changed.data.split.model_dump()["validation"] == {"folds": 5, "embargo": 0}
    assert changed.data.split.train == ((2000, 2250), (5000, 7000))
    tutorial = SearchConfig.from_preset("tutorial").updated(alpha=(0.1, 1.0))
    assert tutorial.families.ridge.n_trials == 30
    own = default.on("worm.npz").updated(folds=3)
    assert own.data.split.model_dump(exclude_none=True) == {
        "validation": {"folds": 3, "embargo": 0},
        "share_groups": False,
    }
    assert split_of(own, 200, NOTHING).shown["train"] == "[0, 170)"


def test_numbers_of_numpy_and_single_texts_are_taken_as_those_of_python():
    own = SearchConfig.from_preset("own-data")
    of_numpy = own.updated(
        seed=np.int64(3), lags=np.arange(3), trials=np.int32(9), alpha=np.array([1, 10]), families="ridge"
    )
    assert of_numpy == own.updated(seed=3, lags=[0, 1, 2], trials=9, alpha=(1, 10), families=["ridge"])
    assert own.updated(lags=range(3)).data.lags == (0, 1, 2)
    assert own.with_family("lasso", alpha=np.logspace(-3, 0, 4)).families.lasso.n_trials == 4
    assert own.updated(split={"validation": {"folds": np.int64(4)}}).data.split.validation.folds == 4
    assert own.updated(select="at-most:7").select.at_most == 7


def test_a_split_is_changed_with_its_masks_and_the_folds_of_a_splitter():
    own = SearchConfig.from_preset("own-data").updated(groups="session")
    folds = [{"train": train, "validation": part} for train, part in KFold(2).split(np.arange(20))]
    split = {"validation": {"given": folds}, "test": np.arange(30) >= 20, "share_groups": True}
    changed = own.updated(split=split)
    assert changed.data.split.test == ((20, 30),)
    assert [fold.validation for fold in changed.data.split.validation.given] == [((0, 10),), ((10, 20),)]
    assert changed.data.groups == "session"
    assert own.updated(split=SplitConfig(**split)) == changed
    assert changed.updated(seed=0) == changed
    with pytest.raises(ConfigError, match="found both; put folds into"):
        own.updated(split=split, folds=5)
    with pytest.raises(ConfigError, match=r"data\.split\.test: .* found 'nothing'"):
        own.updated(split={**split, "test": "nothing"})


def test_one_family_is_changed_or_added_without_rebuilding_the_others():
    tutorial = SearchConfig.from_preset("tutorial")
    changed = tutorial.with_family("lasso", alpha={"low": 0.001, "high": 1}, trials=9)
    assert changed.families.lasso.n_trials == 9
    assert changed.families.ridge == tutorial.families.ridge
    assert changed.with_family("lasso", trials=12).families.lasso.n_trials == 12
    with pytest.raises(ConfigError, match="a range needs `trials`"):
        changed.with_family("lasso", trials=None)


def test_a_grid_in_place_of_ranges_drops_the_keys_that_only_ranges_have():
    default = SearchConfig.from_preset("default").with_family("lasso", patience=5)
    for grid in ([0.01, 0.1], {"low": 0.001, "points": 7, "of": "max"}):
        lasso = default.with_family("lasso", alpha=grid).families.lasso
        assert (lasso.trials, lasso.patience) == (None, None)
    assert default.with_family("lasso", alpha={"low": 0.1, "high": 1}).families.lasso.patience == 5
    span = {"low": 0.1, "high": 1}
    mixes = default.with_family("elasticnet", l1_alpha=span, l2_alpha=span, trials=4)
    assert mixes.with_family("elasticnet", l1_alpha=[0.1, 1], l2_alpha=[1]).families.elasticnet.n_trials == 2
    with pytest.raises(ConfigError, match="an exact grid takes no trials"):
        default.with_family("lasso", alpha=[0.01, 0.1], trials=9)


def test_a_limit_of_weights_is_written_as_it_is_read_and_does_not_decide_the_trials():
    default = SearchConfig.from_preset("default")
    limited = default.updated(select={"at_most": 100})
    assert limited.select.at_most == 100
    assert SearchConfig.from_toml(limited.to_toml()) == limited == default.updated(select=limited.select)
    assert limited.search_id("f" * 64) == default.search_id("f" * 64)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"families": ["lass"]}, "families: expected some of ridge, lasso, elasticnet, found 'lass'"),
        ({"families": "lass"}, "families: expected some of ridge, lasso, elasticnet, found 'lass'"),
        ({"trails": 3}, "unknown key 'trails'; did you mean 'trials'?"),
        ({"lag": (0, 1)}, "unknown key 'lag'; did you mean 'lags'?"),
        ({"alpha": 3}, "alpha: expected two ends, such as (0.001, 1), found 3; give a list"),
        ({"select": "at-most:few"}, "select: expected at-most:N with N of 1 or more"),
        ({"select": "worst"}, "select: expected best, one-se, one-se-paired or { at_most = N } (at-most:N"),
        ({"select": {"at_most": 0}}, "select.at_most: expected a number of at least 1, found 0"),
        ({"select": {"most": 5}}, "unknown key 'select.most'; did you mean 'at_most'?"),
        ({"alpha": (1.0, 0.1)}, "low must be below high"),
        ({"families": ["elasticnet"], "alpha": (0.1, 1.0)}, "alpha: only ridge and the lasso have an alpha"),
        ({"folds": 1}, "folds: expected a number of at least 2"),
    ],
)
def test_a_change_that_does_not_fit_is_said_in_one_line(change, says):
    with pytest.raises(ConfigError) as caught:
        SearchConfig.from_preset("default").updated(**change)
    assert says in str(caught.value)


@pytest.mark.parametrize("rows", ["time", "independent"])
def test_folds_are_of_whole_groups_wherever_the_recording_comes_from(rows, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((60, 3)), columns=["a", "b", "y"]).assign(session=[*"uvwxyz"] * 10)
    table.to_csv(tmp_path / "table.csv", index=False)
    own = SearchConfig.from_preset("own-data").on(f"{tmp_path}/table.csv")
    wanted = own.updated(rows=rows, folds=3, groups="session")
    read, framed = recordings_of(wanted)[0], from_frame(table, "y", groups="session")
    made = [read, framed, from_arrays(table[["a", "b"]], table["y"], groups=table["session"])]
    splits = [split_of(wanted.given(one), 60, one.annotations) for one in made]
    assert splits[0] == splits[1] == splits[2]
    assert splits[0].shown["validation"] == "3 folds of these, with whole groups of 5"


def test_a_relative_source_starts_at_the_folder_of_the_file_that_names_it(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "one.toml").write_text(BASE.replace('source = "twin"', 'source = "../recording.npz"'))
    (tmp_path / "configs" / "two.toml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    assert SearchConfig.load("configs/one.toml").data.source == "configs/../recording.npz"
    assert SearchConfig.load(f"{tmp_path}/configs/one.toml").data.source == f"{tmp_path}/configs/../recording.npz"
    assert SearchConfig.load("configs/two.toml").data.source == "twin"
    monkeypatch.chdir(tmp_path / "configs")
    assert SearchConfig.load("one.toml").data.source == "../recording.npz"


def test_a_path_in_a_configuration_may_begin_at_the_user_s_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    text = BASE.replace('source = "twin"', 'source = "~/recording.npz"')
    (tmp_path / "one.toml").write_text(
        f'{text}\n[null]\nkind = "impostor"\nlevel = 0.5\nimpostors = ["~/other.npz", "b.npz"]'
    )
    config = SearchConfig.load(tmp_path / "one.toml")
    assert config.data.source == "/home/ada/recording.npz"
    assert config.null.impostors == ("/home/ada/other.npz", f"{tmp_path}/b.npz")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("high = 100", "high = 200"), ["families.ridge.alpha.high was 100, now 200"]),
        (("seed = 0", "seed = 7"), ["seed was 0, now 7"]),
        (("    5000,", "    4000,"), ["data.split.train was [5000, 7000], now [4000, 7000]"]),
        (("trials = 30", "trials = 60"), []),
        (("trials = 30", "trials = 30\npatience = 20"), []),
        (('source = "twin"', 'source = "moved.npz"'), []),
        (('select = "best"', 'select = "one-se"'), []),
    ],
)
def test_only_what_makes_another_search_is_a_difference(change, says):
    earlier, now = SearchConfig.from_toml(BASE), SearchConfig.from_toml(BASE.replace(*change))
    assert now != earlier
    assert now.differences(earlier) == says


@given(configurations, configurations)
def test_there_is_a_difference_exactly_where_the_identity_differs(one, other):
    assert bool(one.differences(other)) == (one.search_id("a") != other.search_id("a"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a = " + "[" * 5000, "found too many"),
        ("a = " + "{a = " * 5000, "found too many"),
        ("a" + ".a" * 20_000 + " = 1", "found too many"),
        ('"1.1"' + " . 1" * 20_000 + " = 1", "found too many"),
        ("# .\n" * 1_100_000, "at most 4096 kB"),
    ],
    ids=["lists", "tables", "keys", "numbers", "size"],
)
def test_a_file_beyond_all_bounds_is_refused_before_it_costs_memory(content, says, tmp_path):
    (tmp_path / "deep.toml").write_text(content)
    with pytest.raises(ConfigError, match=r"^deep\.toml: .*") as refused:
        SearchConfig.load(str(tmp_path / "deep.toml"))
    assert says in str(refused.value)


def test_many_strengths_and_many_dots_in_a_comment_are_no_depth(tmp_path):
    alphas = ", ".join(f"{number / 7}" for number in range(1, 1000))
    text = f'# {"." * 150}\nname = "many"\n[families.ridge]\nalpha = [{alphas}]\n'
    (tmp_path / "many.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Windows' editor begins a file
    assert SearchConfig.load(str(tmp_path / "many.toml")).n_trials == 1000


@pytest.mark.parametrize("path", ["a\0b.toml", "loop.toml"])
def test_a_path_that_cannot_be_one_is_said(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    with pytest.raises(ConfigError, match=r"expected a TOML file, found '(a NUL|Too many levels)") as refused:
        SearchConfig.load(path)
    assert "\0" not in str(refused.value)


def test_a_path_is_taken_as_its_text(tmp_path):
    (tmp_path / "one.toml").write_text(BASE)
    path = tmp_path / "mouse 7.npz"
    config = SearchConfig.load(tmp_path / "one.toml")
    assert config == SearchConfig.load(f"{tmp_path}/one.toml")
    assert config.on(path) == config.on(str(path))
    assert config.updated(source=path) == config.updated(source=str(path))
    with pytest.raises(ConfigError, match=r"nope.toml: no such configuration"):
        SearchConfig.load(tmp_path / "nope.toml")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SearchConfig.load(3), "configuration: expected the name of a preset or the path .*, found an .* int"),
        (lambda: run_search({"name": "x"}), "configuration: expected the name of a preset .* object of type dict"),
        (lambda: SearchConfig.from_toml(b'name = "x"'), r"expected TOML as text, .* bytes; SearchConfig.load\(path\)"),
        (lambda: SearchConfig.from_preset("default").updated(target=3), "data.target: expected .*, found 3"),
        (lambda: SearchConfig.from_preset("default").updated(target=[["y"]]), "data.target: expected a text, found"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(call, says):
    with pytest.raises(ConfigError, match=says) as refused:
        call()
    assert "\n" not in str(refused.value)


CHOOSING = 'name = "f"\n[data]\ntarget = "y"\n{}\n[families.ridge]\nalpha = [1, 10]\n'


def small_table():
    table = np.random.default_rng(0).normal(size=(30, 4))
    return pd.DataFrame(table, columns=["y", "ch1", "ch2", "dial"])


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ('features = ["ch*"]\nexclude = ["ch2", "y"]', ("ch1",)),
        ('exclude = ["ch*"]', ("dial",)),
        ('features = "dial"', ("dial",)),
        ('features = "X"', ("ch1", "ch2", "dial")),
    ],
)
def test_features_are_chosen_among_those_of_data_in_memory_as_in_a_file(keys, kept):
    config, whole = SearchConfig.from_toml(CHOOSING.format(keys)), from_frame(small_table(), "y")
    (read,) = recordings_of(config.given(whole), whole)
    assert read.feature_names == kept
    assert read.sha256 == from_frame(small_table(), "y", features=kept).sha256
    assert recordings_of(config.given(read), read) == (read,)


@pytest.mark.parametrize(
    ("keys", "made", "says"),
    [
        ('features = ["unit_*"]', from_frame(small_table(), "y"), "columns that match 'unit_.'"),
        ('exclude = ["*"]', from_frame(small_table(), "y"), "features beside the target"),
        (
            'exclude = ["dail"]',
            from_frame(small_table(), "y"),
            "memory: expected columns to exclude that match 'dail', found 4 other.s.: 'ch1', 'ch2', 'dial', …; check",
        ),
        (
            'exclude = ["ch1", "no*"]',
            from_arrays(small_table()[["ch1", "ch2"]], small_table()["y"]),
            "memory: expected columns to exclude that match 'no.', found 3 other.s.: 'ch1', 'ch2', 'y'; check",
        ),
        ('features = ["ch*"]', from_arrays(small_table().to_numpy()[:, 1:], small_table()["y"]), "give a DataFrame"),
        ("", from_frame(small_table(), "dial"), r"expected the target 'speed', found a recording of 'dial'"),
        ("", small_table(), "object of type DataFrame; make one by from_frame"),
        ("", "table.npz", r"object of type str; give a path by config.on\(path\)"),
    ],
)
def test_data_in_memory_that_are_not_as_configured_are_refused_in_one_line(keys, made, says):
    toml = CHOOSING.format(keys)
    config = SearchConfig.from_toml(toml if keys else toml.replace('"y"', '"speed"'))
    with pytest.raises(RegsearchError, match=says) as caught:
        run_search(config, data=made)
    assert "\n" not in str(caught.value)
    if not isinstance(made, Recording):
        with pytest.raises(RegsearchError, match=says):
            run_search("own-data", data=made)


@pytest.mark.parametrize("config", ["default", SearchConfig.from_preset("default")])
def test_recordings_of_several_targets_are_sent_to_the_function_for_them(config):
    several = from_frame(pd.DataFrame(np.random.default_rng(0).standard_normal((9, 3)), columns=[*"xyz"]), ["y", "z"])
    with pytest.raises(ConfigError, match="expected a recording, found 2 of them; call run_targets for one search of"):
        run_search(config, data=several)


def test_targets_that_would_share_a_model_are_refused_before_anything_is_searched():
    frame = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 4)), columns=["a", "b", "r/g", "r:g"])
    said = "found 'r/g' and 'r:g', both of the model 'shared-r-g'; rename one of them"
    with pytest.raises(ConfigError, match=said):
        run_targets("own-data", data=from_frame(frame, ["r/g", "r:g"]), name="shared", progress=False)


def test_one_of_several_targets_is_searched_as_beside_the_others_which_are_no_features():
    several = SearchConfig.from_preset("own-data").updated(target=["speed", "pupil", "lick"], exclude=["frame"])
    for one in several.for_targets():
        assert several.updated(target=one.data.target) == one
        assert several.updated(target=one.data.target, name="mine").data == one.data
    assert several.updated(target=["speed", "lick"]).data.exclude == ("frame", "pupil")
    assert several.updated(target=["speed", "blink"]).data.exclude == ("frame",)
