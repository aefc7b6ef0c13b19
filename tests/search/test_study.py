import itertools

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from search import SearchConfig
from search.study import BATCH, grid_points, open_storage, open_studies

TPE = """
name = "s"
seed = 7
sampler = "{sampler}"
[families.elasticnet]
l1_alpha = {{ low = 0.001, high = 1 }}
l2_alpha = {{ low = 0.01, high = 100 }}
trials = {trials}
"""


def config(sampler="tpe", trials=35):
    return SearchConfig.from_toml(TPE.format(sampler=sampler, trials=trials))


def score(parameters):
    return -((np.log10(parameters["l1_alpha"]) + 2) ** 2) - (np.log10(parameters["l2_alpha"]) - 1) ** 2


def open_study(path, config):
    return open_studies(config, "abc", open_storage(str(path), path.parent))[1]


def run(path, config, logged, *, interrupt=None, score=score):
    """Ask and tell until nothing is left, opening everything anew wherever `interrupt` says so."""
    step = itertools.count()
    study = open_study(path, config)
    while proposals := study.ask(logged):
        for proposal in proposals:
            logged.add(proposal.number)
            if interrupt and interrupt(next(step)):
                study = open_study(path, config)
            if not proposal.told:
                study.tell(proposal.number, score(proposal.parameters))
    return [(trial.number, trial.params, trial.value) for trial in study.study.trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_proposes_the_same_and_another_seed_another(sampler, tmp_path):
    one = run(tmp_path / "a", config(sampler), set())
    assert one == run(tmp_path / "b", config(sampler), set())
    assert one != run(tmp_path / "c", config(sampler).updated(seed=8), set())
    assert len(one) == 35
    assert len({tuple(parameters.values()) for _, parameters, _ in one}) == 35


def test_tpe_closes_in_on_the_optimum(tmp_path):
    values = [value for _, _, value in run(tmp_path / "a", config(trials=60), set())]
    assert np.mean(values[-20:]) > np.mean(values[:10])


def test_reopening_between_any_two_tells_changes_nothing(tmp_path):
    undisturbed = run(tmp_path / "a", config(), set())
    assert run(tmp_path / "b", config(), set(), interrupt=lambda step: step % 3 == 1) == undisturbed


def test_rounding_error_of_the_scores_changes_no_proposal(tmp_path):
    noise = np.random.default_rng(0)

    def plateaus(parameters):
        return round(score(parameters))

    def noisy(parameters):
        return plateaus(parameters) + noise.uniform(-1e-9, 1e-9)

    proposed = [
        [parameters for _, parameters, _ in run(tmp_path / f"{one.__name__}.journal", config(), set(), score=one)]
        for one in (plateaus, noisy)
    ]
    assert proposed[0] == proposed[1]


@pytest.mark.parametrize("stop_after", range(1, 9))
def test_a_batch_stopped_while_it_was_asked_is_completed_the_same(stop_after, tmp_path):
    """Stop in the third batch after some asks, the last of them between its two parameters."""
    undisturbed = run(tmp_path / "a", config(), set())
    study = open_study(tmp_path / "b", config())
    logged = set()
    for _ in range(2):
        for proposal in study.ask(logged):
            study.tell(proposal.number, score(proposal.parameters))
            logged.add(proposal.number)
    distributions = study._distributions
    for _ in range(stop_after):
        study.study.ask(distributions)
    half = study.study.ask()
    half.suggest_float("l1_alpha", 0.001, 1, log=True)
    assert run(tmp_path / "b", config(), logged) == undisturbed


def test_a_finished_study_asks_nothing_and_more_trials_ask_the_difference(tmp_path):
    logged = set()
    first = run(tmp_path / "a", config(trials=25), logged)
    assert open_study(tmp_path / "a", config(trials=25)).ask(logged) == []
    more = run(tmp_path / "a", config(trials=32), logged)
    assert more[:25] == first
    assert len(more) == 32
    assert {trial.state for trial in open_study(tmp_path / "a", config()).study.trials} == {TrialState.COMPLETE}


def test_a_trial_that_was_told_but_never_logged_is_proposed_again(tmp_path):
    logged = set()
    table = run(tmp_path / "a", config(), logged)
    study = open_study(tmp_path / "a", config())
    (lost,) = study.ask(logged - {12})
    assert (lost.number, lost.told, dict(lost.parameters)) == (12, True, table[12][1])


def test_batches_end_at_multiples_of_their_size(tmp_path):
    study = open_study(tmp_path / "a", config(trials=23))
    logged = set()
    sizes = []
    while proposals := study.ask(logged):
        sizes.append(len(proposals))
        for proposal in proposals:
            study.tell(proposal.number, 0.0)
            logged.add(proposal.number)
    assert sizes == [BATCH, BATCH, 3]


def test_a_grid_is_proposed_whole_and_what_is_missing_of_it_after_a_stop(tmp_path):
    study = open_study(tmp_path / "a", config("grid", trials=25))
    proposals = study.ask(set())
    assert len(proposals) == 25
    for proposal in proposals[5:15]:
        study.tell(proposal.number, 0.0)
    again = open_study(tmp_path / "a", config("grid", trials=25)).ask({*range(5, 15)})
    assert [(one.number, one.parameters) for one in again] == [
        (one.number, one.parameters) for one in (*proposals[:5], *proposals[15:])
    ]


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
    points = grid_points(config("grid", trials=16).families.elasticnet)
    np.testing.assert_allclose(sorted({point["l1_alpha"] for point in points}), np.geomspace(0.001, 1, 4))
    np.testing.assert_allclose(sorted({point["l2_alpha"] for point in points}), np.geomspace(0.01, 100, 4))


def test_grid_points_reach_optuna_to_the_last_bit(tmp_path):
    wanted = grid_points(config("grid", trials=16).families.elasticnet)
    assert [parameters for _, parameters, _ in run(tmp_path / "a", config("grid", trials=16), set())] == wanted


def test_the_baseline_is_a_study_of_one_trial_without_parameters(tmp_path):
    baseline = open_studies(config(), "abc", open_storage(str(tmp_path / "a"), tmp_path))[0]
    (proposal,) = baseline.ask(set())
    assert (baseline.family, proposal.number, dict(proposal.parameters)) == ("none", 0, {})
    baseline.tell(0, 0.5)
    assert baseline.ask({0}) == []


def test_a_database_is_a_storage_too(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'optuna.db'}", tmp_path)
    assert isinstance(storage, optuna.storages.RDBStorage)
    study = open_studies(config(trials=5), "abc", storage)[1]
    assert [proposal.number for proposal in study.ask(set())] == [0, 1, 2, 3, 4]
