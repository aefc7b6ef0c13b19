import pytest

from regsearch.search.output.live_run import BEST_SO_FAR, TRIALS_DONE, LiveRun
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import everywhere
from tests.tracking.conftest import SEARCH
from tests.tracking.test_runs import trial


def scored(number, r2):
    record = trial(number)
    record.metrics["r2_validation"] = r2
    return record


@pytest.fixture
def run(workspace):
    return SearchRun.start(open_store(), "small", SEARCH)


def live_of(run, done=(), **options):
    return LiveRun(run, lambda count, best: f"{count} done, best {best.name if best else 'none'}", done, **options)


def curve(run, name):
    return [(point.step, point.value) for point in run.store.client.get_metric_history(run.run_id, name)]


@everywhere
def test_the_curves_go_by_the_number_of_trials_and_an_interruption_leaves_no_trace_in_them(run):
    live = live_of(run, every=0)
    live.show()
    for number, r2, is_shown in ((0, 0.4, True), (1, 0.6, False), (2, 0.5, True)):
        live.count(scored(number, r2))
        if is_shown:
            live.show()
    records = [scored(0, 0.4), scored(1, 0.6), scored(2, 0.5)]
    resumed = live_of(run, records, every=0)
    resumed.count(scored(2, 0.5))  # solved once more, because Optuna had not been told
    resumed.show(at_once=True)
    resumed.count(scored(4, 0.7))
    resumed.show()
    assert curve(run, TRIALS_DONE) == [(1, 1), (3, 3), (4, 4)]
    assert curve(run, BEST_SO_FAR) == [(1, 0.4), (3, 0.6), (4, 0.7)]
    assert run.run.data.tags["mlflow.note.content"] == "4 done, best ridge 4"


def test_a_search_that_lost_a_trial_counts_on_from_where_it_was(run):
    live_of(run, [scored(number, 0.5) for number in range(3)]).show(at_once=True)
    live = live_of(run, [scored(0, 0.5)])
    for number in (1, 2, 4):
        live.count(scored(number, 0.4))
        live.show(at_once=True)
    assert curve(run, TRIALS_DONE) == [(3, 3), (4, 4)]


def test_a_trial_without_a_certificate_is_done_but_not_the_best(run):
    live = live_of(run, [scored(3, 0.9)])  # `trial` certifies all but number 3
    live.show(at_once=True)
    live.count(scored(1, 0.2))
    live.show(at_once=True)
    assert curve(run, TRIALS_DONE) == [(1, 1), (2, 2)]
    assert curve(run, BEST_SO_FAR) == [(2, 0.2)]


def test_the_store_is_asked_no_more_often_than_wanted(run):
    live = live_of(run, every=3600)
    for number in (0, 1):
        live.count(scored(number, 0.5))
        live.show()
    assert curve(run, TRIALS_DONE) == []
    live.show(at_once=True)
    assert curve(run, TRIALS_DONE) == [(2, 2)]
