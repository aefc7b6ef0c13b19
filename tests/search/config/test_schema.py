import tomllib

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from regsearch import SearchConfig
from regsearch.errors import ConfigError
from regsearch.search.config import PRESETS, preset
from tests.search.config.test_search import BASE, configurations

SCHEMA = SearchConfig.toml_schema()
FOLDS = """
name = "x"
[data.split]
train = [[0, 9], [20, 40]]
validation = {}
test = [50, 60]
[families.ridge]
alpha = [1]
"""


def accepts(text):
    return Draft202012Validator(SCHEMA).is_valid(tomllib.loads(text))


def test_the_schema_is_one_of_the_dialect_that_it_names():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_are_accepted(name):
    assert accepts(preset(name))


@given(configurations)
def test_whatever_is_a_configuration_is_accepted(config):
    assert accepts(config.to_toml())


@pytest.mark.parametrize(
    ("strength", "is_valid"),
    [
        ("{ low = 0.1, high = 1 }\ntrials = 3", True),
        ('{ of = "max" }\ntrials = 3', True),
        ('{ low = 0.1, of = "max" }\ntrials = 3', True),
        ('{ of = "max", points = 3 }', True),
        ("{ low = 0.1, high = 1, points = 3 }", True),
        ("{ low = 0.1 }\ntrials = 3", False),
        ('{ of = "max" }', False),
        ('{ of = "max", points = 3 }\ntrials = 3', False),
        ('{ of = "min" }\ntrials = 3', False),
    ],
)
def test_strengths_relative_to_the_data_are_accepted_as_the_reader_does(strength, is_valid):
    text = f'name = "x"\n[families.lasso]\nalpha = {strength}\n'
    assert accepts(text) == is_valid
    if is_valid:
        SearchConfig.from_toml(text)
    else:
        with pytest.raises(ConfigError):
            SearchConfig.from_toml(text)


@pytest.mark.parametrize("validation", ["[10, 15]", "{ folds = 2 }", "{ folds = 2, embargo = 3 }"])
def test_every_form_of_the_rows_is_accepted(validation):
    text = FOLDS.format(validation)
    SearchConfig.from_toml(text)
    assert accepts(text)


@pytest.mark.parametrize(
    "change",
    [
        ("seed = 0", "sede = 0"),
        ("seed = 0", "seed = -1"),
        ("seed = 0", "seed = 4294967296"),
        ("seed = 0", "seed = true"),
        ("tolerance = 1e-06", "tolerance = 1"),
        ("trials = 30", "trails = 30"),
        ("trials = 30", "trials = 0"),
        ("trials = 30", "trials = 30\npatience = 0"),
        ("l1_alpha = [", "patience = 9\nl1_alpha = ["),
        ("trials = 30", ""),
        ("[families.ridge", "[families.rigde"),
        ("low = 0.01", "lo = 0.01"),
        ("low = 0.01", "low = 0"),
        ('sampler = "tpe"', 'sampler = "foo"'),
        ("0.0005,", "0.0,"),
        ("0.0005,", "0.001,"),
        ("l1_alpha = [", "trials = 9\nl1_alpha = ["),
        ('name = "running-speed"', 'name = "a/b"'),
        ('name = "running-speed"', ""),
        ("5000,", ""),
    ],
)
def test_what_is_no_configuration_is_rejected(change):
    text = BASE.replace(*change)
    assert text != BASE
    with pytest.raises(ConfigError):
        SearchConfig.from_toml(text)
    assert not accepts(text)


@pytest.mark.parametrize(
    "text", ['name = "x"', 'name = "x"\n[families]', FOLDS.format("{ folds = 1 }"), FOLDS.format("[1]")]
)
def test_what_is_missing_or_too_few_is_rejected(text):
    with pytest.raises(ConfigError):
        SearchConfig.from_toml(text)
    assert not accepts(text)


@pytest.mark.parametrize(
    "data",
    [
        "exclude = 'note'",
        "exclude = ['note']",
        "covariates = 'light'",
        "split = { validation = { groups = [1, 'b'] } }",
        "split = { validation = { fraction = 0.2 }, share_groups = true }",
    ],
)
def test_every_form_of_the_columns_is_accepted(data):
    text = f'name = "x"\n[families.ridge]\nalpha = [1]\n[data]\n{data}\n'
    SearchConfig.from_toml(text)
    assert accepts(text)


@pytest.mark.parametrize(
    "data",
    [
        "exclude = ''",
        "exclude = 3",
        "covariates = [3]",
        "target = ['y', 'y']",
        "target = []",
        "lags = []",
        "lags = [0, 0]",
        "lags = '0'",
        "split = { validation = [true, 3] }",
        "split = { validation = ['0', '3'] }",
        "split = { validation = { fraction = '0.2' } }",
        "split = { validation = { groups = ['a', 'a'] } }",
        "split = { validation = { fraction = 0.2 }, share_groups = 1 }",
    ],
)
def test_columns_and_rows_that_are_refused_are_rejected(data):
    text = f'name = "x"\n[families.ridge]\nalpha = [1]\n[data]\n{data}\n'
    with pytest.raises(ConfigError):
        SearchConfig.from_toml(text)
    assert not accepts(text)


def test_one_strength_by_range_and_the_other_by_array_is_rejected():
    mixed = "l1_alpha = { low = 0.1, high = 1 }\nl2_alpha = [1, 2]"
    for trials in ("trials = 30", ""):
        assert not accepts(f'name = "x"\n[families.elasticnet]\n{mixed}\n{trials}')


def test_every_key_says_what_it_is():
    def keys(node):
        for key, value in node.get("properties", {}).items():
            section = SCHEMA["$defs"][value["$ref"].rsplit("/", 1)[-1]] if "$ref" in value else {}
            yield key, {**section, **value}
            yield from keys(section)

    for key, value in keys(SCHEMA):
        assert value["title"], key
        assert value["description"], key
    assert SCHEMA["properties"]["tolerance"]["default"] == 1e-6
    default = SCHEMA["properties"]["data"]["default"]
    assert {key: default[key] for key in ("source", "target", "lags", "scale", "rows")} == {
        "source": "twin",
        "target": "y",
        "lags": [0],
        "scale": "unit-norm",
        "rows": "time",
    }
