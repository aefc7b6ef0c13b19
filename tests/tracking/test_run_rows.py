import math
import sqlite3

import pytest
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from regsearch.tracking.run_rows import finish_run, insert_run
from regsearch.tracking.runs import SearchRun
from tests.tracking.conftest import SEARCH
from tests.tracking.test_runs import trial

TAGS = {"role": "trial", "mlflow.user": "ada", "mlflow.note.content": "a 'trial' of ä"}
PARAMS = {"family": "lasso", "alpha": "0.1"}
METRICS = {"r2_validation": 0.5, "nan": math.nan, "above": math.inf, "below": -math.inf, "tiny": 5e-324}
TIMES = {"start_time", "end_time", "timestamp"}


def rows_of(run_id):
    """Return every row of a run in MLflow's tables, without its id and its times."""
    with sqlite3.connect("mlruns/mlflow.db") as database:
        database.row_factory = sqlite3.Row
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [
            (table, *(f"{name}: {row[name]}".replace(run_id, "ID") for name in row.keys() if name not in TIMES))  # noqa: SIM118
            for table in tables
            if "run_uuid" in {column[1] for column in database.execute(f"PRAGMA table_info({table})")}
            for row in database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", [run_id])
        ]
    database.close()
    return sorted(rows)


def test_the_rows_of_a_run_are_those_that_mlflows_client_writes(store):
    experiment = store.experiment("small")
    inserted = insert_run(store.uri, experiment, "lasso 1", tags=TAGS, params=PARAMS, metrics=METRICS)
    logged = store.client.create_run(experiment, tags=TAGS, run_name="lasso 1")
    metrics = [Metric(name, value, 1, 0) for name, value in METRICS.items()]
    store.client.log_batch(logged.info.run_id, metrics, [Param(*item) for item in PARAMS.items()])
    assert len(rows_of(logged.info.run_id)) == 1 + len(TAGS) + 1 + len(PARAMS) + 2 * len(METRICS)
    assert rows_of(inserted.info.run_id) == rows_of(logged.info.run_id)
    read = store.client.get_run(inserted.info.run_id)
    assert dict(inserted.info) == dict(read.info)
    assert {metric.timestamp for metric in read.data._metric_objs} == {read.info.start_time}


def test_a_run_ends_as_mlflows_client_ends_it(store):
    experiment = store.experiment("small")
    ended, expected = (
        insert_run(store.uri, experiment, "lasso 1", tags=TAGS, params=PARAMS, metrics=METRICS).info.run_id
        for _ in range(2)
    )
    assert finish_run(store.uri, ended)
    store.client.set_terminated(expected, "FINISHED")
    assert rows_of(ended) == rows_of(expected)
    read = [store.client.get_run(run_id).info for run_id in (ended, expected)]
    assert read[0].start_time <= read[0].end_time <= read[1].end_time


def test_a_run_that_was_deleted_is_not_ended(store):
    experiment = store.experiment("small")
    run_id = insert_run(store.uri, experiment, "lasso 1", tags=TAGS, params=PARAMS, metrics=METRICS).info.run_id
    store.client.delete_run(run_id)
    before = rows_of(run_id)
    assert not finish_run(store.uri, run_id)
    assert not finish_run(store.uri, "0" * 32)
    assert rows_of(run_id) == before


def test_a_trial_of_an_experiment_that_was_deleted_meanwhile_is_refused_by_mlflow_and_leaves_no_rows(store):
    run = SearchRun.start(store, "small", SEARCH)
    store.client.delete_experiment(run.experiment_id)
    with pytest.raises(MlflowException, match="active"):
        run.log_trial(trial(), {})
    assert rows_of(run.run_id)
    with sqlite3.connect("mlruns/mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    database.close()
