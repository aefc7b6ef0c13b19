import itertools
import sys

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from regsearch import SearchConfig
from regsearch.search.config.families import grid_points
from regsearch.search.proposals.samplers import _SeededPerTrial, require_sampler

RANGES = """
name = "s"
sampler = "{sampler}"
[families.elasticnet]
l1_alpha = {{ low = 0.001, high = 1 }}
l2_alpha = {{ low = 0.01, high = 100 }}
trials = 16
"""


def ranges(sampler):
    return SearchConfig.from_toml(RANGES.format(sampler=sampler))


def test_arrays_are_every_combination_each_row_from_strong_to_weak():
    settings = SearchConfig.from_preset("tutorial").families.elasticnet
    points = grid_points(settings)
    expected = set(itertools.product(settings.l1_alpha, settings.l2_alpha))
    assert {(point["l1_alpha"], point["l2_alpha"]) for point in points} == expected
    assert len(points) == 25
    for row in (points[start : start + 5] for start in range(0, 25, 5)):
        assert len({point["l2_alpha"] for point in row}) == 1
        assert [point["l1_alpha"] for point in row] == sorted(settings.l1_alpha, reverse=True)


def test_a_grid_over_ranges_is_evenly_spaced_on_a_log_scale():
    points = grid_points(ranges("grid").families.elasticnet)
    np.testing.assert_allclose(sorted({point["l1_alpha"] for point in points}), np.geomspace(0.001, 1, 4))
    np.testing.assert_allclose(sorted({point["l2_alpha"] for point in points}), np.geomspace(0.01, 100, 4))


@pytest.mark.parametrize(("sampler", "package"), [("gp", "torch"), ("cmaes", "cmaes")])
def test_a_sampler_that_is_not_installed_is_named_before_anything_is_written(
    sampler, package, tmp_path, monkeypatch, invoke
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "s.toml").write_text(RANGES.format(sampler=sampler))
    says = f"sampler = \"{sampler}\": needs {package}, which is not installed; pip install 'regsearch[{sampler}]'"
    assert invoke("run", "s.toml") == (2, "", f"regsearch: {says}\n")
    assert invoke("run", "s.toml", "--dry-run") == (2, "", f"regsearch: {says}\n")
    assert [file.name for file in tmp_path.iterdir()] == ["s.toml"]


def test_an_exact_grid_needs_no_sampler(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    values = SearchConfig.from_preset("tutorial").model_dump(exclude_none=True) | {"sampler": "gp"}
    require_sampler(SearchConfig.model_validate(values))


class Crowd(BaseSampler):
    """Proposes how many running trials have parameters, which Optuna's Gaussian process keeps away from."""

    def infer_relative_search_space(self, study, trial):
        return {"alpha": FloatDistribution(0, 9)}

    def sample_relative(self, study, trial, search_space):
        running = study._get_trials(deepcopy=False, states=[TrialState.RUNNING])
        return {"alpha": float(sum("alpha" in other.params for other in running))}

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise AssertionError("all parameters are drawn together")


def test_a_trial_that_is_taken_up_again_is_not_its_own_neighbour():
    study = optuna.create_study(sampler=_SeededPerTrial(lambda seed: Crowd(), (0,)))
    trials = [study.ask({"alpha": FloatDistribution(0, 9)}) for _ in range(3)]
    assert [trial.params["alpha"] for trial in trials] == [0, 1, 2]
    assert [Trial(study, trial._trial_id).relative_params["alpha"] for trial in trials] == [0, 1, 2]
