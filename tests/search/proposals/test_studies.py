import itertools

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from regsearch import SearchConfig
from regsearch.search.config.families import grid_points
from regsearch.search.proposals.optuna_storage import open_storage
from regsearch.search.proposals.samplers import BATCH
from regsearch.search.proposals.studies import open_studies, stagnation

TPE = """
name = "s"
seed = 7
sampler = "{sampler}"
[families.elasticnet]
l1_alpha = {{ low = 0.001, high = 1 }}
l2_alpha = {{ low = 0.01, high = 100 }}
trials = {trials}
"""

SAMPLERS = ["tpe", "random", "cmaes", "nsgaii", "gp"]


def config(sampler="tpe", trials=35):
    if sampler == "gp":
        pytest.importorskip("torch", reason="torch is too large for the extra `dev`: pip install 'regsearch[gp]'")
    return SearchConfig.from_toml(TPE.format(sampler=sampler, trials=trials))


def score(parameters):
    return -((np.log10(parameters["l1_alpha"]) + 2) ** 2) - (np.log10(parameters["l2_alpha"]) - 1) ** 2


def open_study(path, config):
    return open_studies(config, "abc", open_storage(str(path), path.parent), 100)[1]


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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_proposes_the_same_and_another_seed_another(sampler, tmp_path):
    one = run(tmp_path / "a", config(sampler, trials=25), set())
    assert one == run(tmp_path / "b", config(sampler, trials=25), set())
    assert one != run(tmp_path / "c", config(sampler, trials=25).updated(seed=8), set())
    assert len(one) == 25
    if sampler != "nsgaii":  # which copies its best
        assert len({tuple(parameters.values()) for _, parameters, _ in one}) == 25


@pytest.mark.parametrize("sampler", [sampler for sampler in SAMPLERS if sampler != "random"])
def test_what_is_told_draws_the_proposals_to_the_optimum(sampler, tmp_path):
    values = [value for _, _, value in run(tmp_path / "a", config(sampler, trials=30), set())]
    assert np.mean(values[20:]) > np.mean(values[:10])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_reopening_between_any_two_tells_changes_nothing(sampler, tmp_path):
    undisturbed = run(tmp_path / "a", config(sampler, trials=25), set())
    assert run(tmp_path / "b", config(sampler, trials=25), set(), interrupt=lambda step: step % 3 == 1) == undisturbed


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


@pytest.mark.parametrize(
    ("sampler", "stop_after"),
    [*(("tpe", place) for place in range(1, 9)), *((sampler, 1) for sampler in SAMPLERS if sampler != "tpe")],
)
def test_a_batch_stopped_while_it_was_asked_is_completed_the_same(sampler, stop_after, tmp_path):
    """Stop in the third batch after some asks, the last of them between its two parameters."""
    undisturbed = run(tmp_path / "a", config(sampler, trials=30), set())
    study = open_study(tmp_path / "b", config(sampler, trials=30))
    logged = set()
    for _ in range(2):
        for proposal in study.ask(logged):
            study.tell(proposal.number, score(proposal.parameters))
            logged.add(proposal.number)
    distributions = study._space
    for _ in range(stop_after):
        study.study.ask(distributions)
    half = study.study.ask()
    half.suggest_float("l1_alpha", 0.001, 1, log=True)
    assert run(tmp_path / "b", config(sampler, trials=30), logged) == undisturbed


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


def test_a_trial_is_settled_once_it_is_both_told_and_logged(tmp_path):
    study = open_study(tmp_path / "a", config())
    for proposal in study.ask(set())[:4]:
        study.tell(proposal.number, 0.0)
    assert [study.settled(logged) for logged in (set(), {0, 2}, {0, 1, 2, 3, 4, 5})] == [0, 2, 4]


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


def patient(patience, trials=60):
    return SearchConfig.from_toml(f"{TPE.format(sampler='random', trials=trials)}patience = {patience}")


def rises_until(last):
    """Return a score that improves with every trial up to one, and never after."""
    count = itertools.count()
    return lambda parameters: min(next(count), last) / 1000


@pytest.mark.parametrize(
    ("patience", "last", "made"), [(10, 9, 20), (10, 10, 30), (15, 3, 20), (30, 0, 40), (60, 0, 60)]
)
def test_patience_is_looked_at_when_a_batch_has_been_told(patience, last, made, tmp_path):
    assert len(run(tmp_path / "a", patient(patience), set(), score=rises_until(last))) == made


def test_the_trials_before_a_stop_are_those_of_a_search_that_does_not_stop(tmp_path):
    stopped = run(tmp_path / "a", patient(20), set(), score=rises_until(12))
    whole = run(tmp_path / "b", config("random", trials=60), set(), score=rises_until(12))
    assert stopped == whole[:40]


def test_a_stop_is_the_same_after_any_interruption_and_more_trials_do_not_undo_it(tmp_path):
    undisturbed = run(tmp_path / "a", patient(20), set(), score=rises_until(12))
    logged = set()
    path = tmp_path / "b"
    disturbed = run(path, patient(20), logged, score=rises_until(12), interrupt=lambda step: step % 3 == 1)
    assert disturbed == undisturbed
    assert open_study(path, patient(20, trials=200)).ask(logged) == []
    assert [one.number for one in open_study(path, patient(40)).ask(logged)] == list(range(40, 50))


def test_patience_that_ends_within_an_interrupted_batch_leaves_no_trial_of_it_open(tmp_path):
    study, logged = open_study(tmp_path / "a", patient(8)), set()
    for proposal in study.ask(logged)[:9]:
        study.tell(proposal.number, 0.5)
        logged.add(proposal.number)
    assert [proposal.number for proposal in open_study(tmp_path / "a", patient(8)).ask(logged)] == [9]


def test_a_score_is_better_by_more_than_the_last_digit_that_is_shown():
    assert stagnation([0.5, 0.50009, 0.5001, 0.50011]) == 0
    assert stagnation([0.5, 0.50009, 0.5001]) == 2
    assert stagnation([0.1, 0.3, 0.2, 0.2, 0.2]) == 3
    assert stagnation([]) == 0


def test_grid_points_reach_optuna_to_the_last_bit(tmp_path):
    wanted = grid_points(config("grid", trials=16).families.elasticnet)
    assert [parameters for _, parameters, _ in run(tmp_path / "a", config("grid", trials=16), set())] == wanted


def test_the_baseline_is_a_study_of_one_trial_without_parameters(tmp_path):
    baseline = open_studies(config(), "abc", open_storage(str(tmp_path / "a"), tmp_path), 100)[0]
    (proposal,) = baseline.ask(set())
    assert (baseline.family, proposal.number, dict(proposal.parameters)) == ("none", 0, {})
    baseline.tell(0, 0.5)
    assert baseline.ask({0}) == []


def test_a_database_is_a_storage_too(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'optuna.db'}", tmp_path)
    assert isinstance(storage, optuna.storages.RDBStorage)
    study = open_studies(config(trials=5), "abc", storage, 100)[1]
    assert [proposal.number for proposal in study.ask(set())] == [0, 1, 2, 3, 4]
