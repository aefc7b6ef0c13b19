"""The rows of a trial's run in an embedded store, written in one transaction at its start and one at its end.

MLflow's client writes the same rows by nested transactions and 30 statements, which takes ten times as long.
"""

from __future__ import annotations

import math
import sys
import time
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from mlflow.entities import LifecycleStage, Run, RunData, RunInfo
from mlflow.store.tracking.dbmodels.models import (
    SqlExperiment,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_USER
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy import Engine, Select, create_engine, insert, select, text, update
from sqlalchemy.pool import NullPool

from regsearch.tracking.sqlite_file import LOCKED_SECONDS


def insert_run(
    uri: str,
    experiment_id: str,
    name: str,
    *,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
) -> Run | None:
    """Insert a running run with all that is known of it, and return it without its data.

    Parameters
    ----------
    uri : str
        Of an SQLite database that this MLflow has opened.
    experiment_id, name : str
    tags, params : mapping of str to str
        At least one of each, and each value as long as MLflow allows.
    metrics : mapping of str to float
        At least one.

    Returns
    -------
    Run or None
        ``None`` if the experiment is not there or was deleted; then nothing is written.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        If the database cannot be written.
    """
    run_id, now = uuid.uuid4().hex, int(time.time() * 1000)
    of_experiment: Select[tuple[str]] = select(SqlExperiment.artifact_location).where(
        SqlExperiment.experiment_id == int(experiment_id), SqlExperiment.lifecycle_stage == LifecycleStage.ACTIVE
    )
    with _engine(uri).connect() as connection, connection.begin():
        connection.execute(text("PRAGMA foreign_keys = ON"))
        location = connection.scalar(of_experiment)
        if location is None:
            return None
        row: dict[str, Any] = {
            "user_id": tags.get(MLFLOW_USER, "unknown"),
            "status": "RUNNING",
            "start_time": now,
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "artifact_uri": append_to_uri_path(location, run_id, "artifacts"),
        }
        sources = {"source_type": "UNKNOWN", "source_name": "", "source_version": "", "entry_point_name": ""}
        connection.execute(
            insert(SqlRun), {"run_uuid": run_id, "experiment_id": int(experiment_id), "name": name, **row, **sources}
        )
        of_run = {"run_uuid": run_id}
        for table, values in ((SqlTag, {**tags, MLFLOW_RUN_NAME: name}), (SqlParam, params)):
            connection.execute(insert(table), [{"key": key, "value": value, **of_run} for key, value in values.items()])
        numbers = [{"key": key, "timestamp": now, "step": 0, **_stored(metrics[key]), **of_run} for key in metrics]
        for table in (SqlMetric, SqlLatestMetric):
            connection.execute(insert(table), numbers)
    return Run(RunInfo(run_id=run_id, experiment_id=experiment_id, end_time=None, run_name=name, **row), RunData())


def finish_run(uri: str, run_id: str) -> bool:
    """End a run as finished, now.

    Returns
    -------
    bool
        Whether the run is there and was not deleted; if not, nothing is written.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        If the database cannot be written.
    """
    of_run = (SqlRun.run_uuid == run_id, SqlRun.lifecycle_stage == LifecycleStage.ACTIVE)
    ended = update(SqlRun).where(*of_run).values(status="FINISHED", end_time=int(time.time() * 1000))
    with _engine(uri).connect() as connection, connection.begin():
        return connection.execute(ended).rowcount == 1


@cache
def _engine(uri: str) -> Engine:
    """Return an engine that keeps its compiled statements, and no connection."""
    return create_engine(uri, poolclass=NullPool, connect_args={"timeout": LOCKED_SECONDS})


def _stored(value: float) -> dict[str, Any]:
    """Return a metric as MLflow's tables hold it, which have no place for NaN and infinity."""
    largest = sys.float_info.max
    return {"value": 0.0 if math.isnan(value) else min(max(value, -largest), largest), "is_nan": math.isnan(value)}
