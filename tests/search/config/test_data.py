import numpy as np
import pytest

from regsearch import SearchConfig
from regsearch.errors import ConfigError
from regsearch.search.config import DataConfig

BASE = 'name = "mine"\n[families.ridge]\nalpha = [1.0]\n[data]\n'


def config(data):
    return SearchConfig.from_toml(f"{BASE}{data}", source="mine.toml")


def test_a_configuration_with_no_new_key_keeps_its_id():
    default = SearchConfig.load("default")
    assert default.search_id("x") == "122ac443a35e"
    assert SearchConfig.load("own-data").search_id("x") == "1d5dcfd5a4f0"
    assert default.updated(folds=5).search_id("x") == "e82c33aa759b"


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("lags = [0, 1]", True),
        ('scale = "standard"', True),
        ('rows = "independent"', True),
        ("split = { validation = { groups = 3 } }", True),
        ("split = { validation = { folds = 3 }, share_groups = true }", True),
        ("lags = [0]", False),
        ('scale = "unit-norm"', False),
        ('rows = "time"', False),
        ('weights = "w"', False),  # the data's hash knows these
        ('groups = "g"', False),
        ('covariates = ["c"]', False),
        ('exclude = ["e"]', False),
    ],
)
def test_keys_that_decide_the_trials_make_another_search(key, changes):
    assert (config(key).search_id("x") != config("").search_id("x")) is changes


def test_every_form_survives_toml():
    masks = {"train": np.arange(9) % 2 == 0, "validation": np.arange(9) % 2 == 1}
    for split in (
        {"validation": {"groups": [1, "s2"]}, "test": {"groups": [3]}},
        {"validation": {"groups": "each"}, "test": {"groups": "each"}},
        {"validation": {"column": "fold"}, "test": "none", "share_groups": True},
        {"train": {"fraction": 0.5}, "validation": {"fraction": 0.25}},
        {"validation": {"given": [masks, {"train": [0, 3], "validation": [3, 6]}]}, "test": np.arange(10, 14)},
    ):
        data = {"groups": "g", "lags": (2, 0, -1), "scale": "none", "rows": "independent", "split": split}
        made = SearchConfig.from_toml(BASE.removesuffix("[data]\n"), source="").model_copy(
            update={"data": DataConfig.model_validate(data)}
        )
        assert SearchConfig.from_toml(made.to_toml()) == made


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ('target = ["speed", "speed"]', "target: expected values that differ, found ['speed', 'speed']"),
        ("lags = [1, 0, 1]", "lags: expected values that differ"),
        ("lags = []", "data.lags: expected a list of 1 or more, found []"),
        ("lags = 3", "data.lags: expected a list of numbers of rows, such as [0, 1], found 3"),
        ('lags = "0,1"', "data.lags: expected a list of numbers of rows, such as [0, 1], found '0,1'"),
        ("lags = [0, 99999999999999999999999]", "data.lags: expected a number below 2147483648"),
        ("lags = [0, -99999999999999999999999]", "data.lags: expected a number above -2147483648"),
        ("lags = [0.5]", "data.lags: expected a whole number, found 0.5"),
        ('scale = "unit"', "data.scale: expected 'unit-norm', 'standard' or 'none', found 'unit'"),
        ('rows = "any"', "data.rows: expected 'time' or 'independent', found 'any'"),
        (
            "split = { train = 5, validation = [0, 5] }",
            "expected ranges of rows, { groups = … } or { fraction = … }, found 5",
        ),
        ("split = { validation = [[0, 5], [7]] }", "data.split.validation: expected a range of rows [start, stop)"),
        ("split = { validation = [] }", "data.split.validation: expected a range of rows [start, stop), found []"),
        ("split = { validation = [1, 2, 3] }", "expected a range of rows [start, stop), found [1, 2, 3]"),
        ("split = { validation = [[1, 2], 3] }", "expected a range of rows [start, stop), found 3"),
        ("split = { validation = [true, 3] }", "data.split.validation: expected a whole number, found True"),
        ("split = { validation = { fraction = '0.2' } }", "fraction: expected a number, found '0.2'"),
        ("split = { validation = [0, 5], share_groups = 1 }", "share_groups: expected true or false, found 1"),
        ("split = { validation = [0, 5], part = '1' }", "data.split.part: expected a whole number, found '1'"),
        (
            "split = { validation = { given = 3 } }",
            "given: expected a list of folds, each { train = …, validation = … }, found 3",
        ),
        ("split = { validation = { groups = [' '] } }", "groups: expected a text that is not empty, found ''"),
        ("split = { validation = true }", "{ column = … } or { given = … }, found True"),
        ('split = { validation = "none" }', "data.split.validation: expected ranges of rows, { fraction"),
        (
            'split = { validation = [0, 5], test = "no" }',
            'data.split.test: expected ranges of rows, { fraction = … }, { groups = … }, { folds = … } or "none", '
            "found 'no'",
        ),
        ('split = { train = { groups = "each" }, validation = [0, 5] }', "train: groups must be names of groups"),
        (
            "split = { train = { column = 'f' }, validation = [0, 5] }",
            "{ groups = … } or { fraction = … }, found {'column': 'f'}",
        ),
        ("split = { validation = { groups = ['a'] }, test = { groups = ['b', 'a'] } }", "group 'a' is named in valid"),
        ("split = { validation = { groups = ['a', 'a'] } }", "group 'a' is named twice in validation; name it once"),
        ("source = ''", "data.source: expected a text that is not empty, found ''"),
        ("target = ''", "data.target: expected a text that is not empty, found ''"),
        ("split = { validation = { fraction = 0.6 }, test = { fraction = 0.5 } }", "at most 1 in all, found 1.1"),
        (
            'split = { validation = { groups = "a" } }',
            'expected a list of names of groups, a number of parts or "each"',
        ),
        ("target = 3", "data.target: expected a name or a list of names, found 3"),
        ("features = 3", "data.features: expected a name or a list of names, found 3"),
        ("target = { a = 1 }", "data.target: expected a name or a list of names, found {'a': 1}"),
        ("features = { a = 1 }", "data.features: expected a name or a list of names, found {'a': 1}"),
        ("exclude = 3", "data.exclude: expected a name or a list of names, found 3"),
        ("covariates = { a = 1 }", "data.covariates: expected a name or a list of names, found {'a': 1}"),
        ("split = { validation = { groups = 1 } }", "expected a number of at least 2, found 1"),
        ("split = { validation = { groups = [] } }", "data.split.validation.groups: expected a list of 1 or more"),
        (
            "split = { validation = { folds = 3, embargo = -1 } }",
            "embargo: expected a number of at least 0, found -1",
        ),
        ("split = { train = [0, 5], validation = { folds = 2 }, test = { folds = 3 } }", "test: parts in turn leave"),
        ("split = { validation = { groups = ['a'] }, test = { groups = 'each' } }", "test: parts in turn leave other"),
        ("split = { validation = [0, 5], test = { groups = 3 } }", "give `validation` as a fraction, folds, a column"),
        ("split = { validation = { since = 2020-01-01 } }", "found {'since': 2020-01-01}"),
        ("covariates = [3]", "data.covariates: expected a text, found 3"),
        ("group = 'session'", "unknown key 'data.group'; did you mean 'groups'?"),
        (
            "split = { validation = { groups = 3, folds = 3 } }",
            "unknown key 'data.split.validation.groups' beside 'folds'; leave it out",
        ),
        (
            "split = { validation = { fraction = 0.2 }, test = { fraction = 0.2, embargo = 4 } }",
            "unknown key 'data.split.test.embargo' beside 'fraction'; leave it out",
        ),
        ("split = { validation = { groops = 3 } }", "{ column = … } or { given = … }, found {'groops': 3}"),
        ("split = { validation = {} }", "data.split.validation: expected ranges of rows, { fraction = … },"),
        (
            "split = { validation = { given = [{ training = [0, 5], validation = [5, 9] }] } }",
            "unknown key 'data.split.validation.given.training'; did you mean 'train'?",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(data, says):
    with pytest.raises(ConfigError) as caught:
        config(data)
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert says in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_folds_of_recordings_with_groups_are_of_whole_groups():
    wanted = SearchConfig.load("own-data").updated(groups="session", folds=4)
    assert wanted.data.split.validation.groups == 4
    shared = config("split = { validation = { folds = 2 }, share_groups = true }\ngroups = 'session'").updated(folds=4)
    assert shared.data.split.validation.folds == 4
