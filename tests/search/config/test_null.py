"""What no recording could be compared with is refused by the configuration itself."""

import re

import pytest

from regsearch import SearchConfig
from regsearch.errors import ConfigError
from regsearch.search.config.null import fewest


def configured(null, data=""):
    return SearchConfig.from_toml(f'name = "x"\n[data]\n{data}\n[families.lasso]\nalpha = [0.1]\n[null]\n{null}')


@pytest.mark.parametrize(
    ("null", "said"),
    [
        ('kind = "shift"\nn = 5', "so n must be even, found 5; use 38"),
        ("n = 41", "so n must be even, found 41; use 42"),
        ("n = 20", "n = 20 null targets of kind shift give p = 0.0909 at best, above the level 0.05; use n = 38"),
        ("level = 0.01", "use n = 198 or more"),
        ('kind = "permutation"', "rows in time; set rows = .independent. in .data. or give `run` --independent"),
        ('impostors = ["a.npz"]\nn = 30', "need as many, found 1; give 30$"),
        ('impostors = "a.npz"', r"null.impostors: expected a list of files, such as \[.other.npz.\], found 'a.npz'"),
        ('impostors = [""]', "null.impostors: expected a text that is not empty"),
        ("level = true", "null.level: expected a number, found True"),
        ('impostors = ["a.npz"]', "use n = 19 or more"),
    ],
)
def test_null_targets_that_can_never_do_are_refused(null, said):
    with pytest.raises(ConfigError) as refused:
        configured(null)
    assert re.search(said, str(refused.value)), refused.value


def test_independent_rows_are_permuted_and_rows_in_time_shifted():
    independent = configured("n = 19", 'rows = "independent"')
    assert independent.null.kind_for(is_independent=True) == "permutation"
    assert configured("n = 38").null.kind_for(is_independent=False) == "shift"


@pytest.mark.parametrize("level", [0.05, 0.01, 1 / 3, 1.0, 1e-9])
def test_the_fewest_null_targets_are_found_at_once_for_every_level(level):
    assert fewest("session", level) == max(1, round(1 / level) - 1)


@pytest.mark.parametrize("n", [2, 10, 16, 22, 36])
def test_the_level_that_a_refusal_names_is_one_that_n_reaches(n):
    with pytest.raises(ConfigError) as refused:
        configured(f"n = {n}")
    level = re.search(r"or a level of ([\d.]+)$", str(refused.value))[1]
    assert configured(f"n = {n}\nlevel = {level}").null.n == n
