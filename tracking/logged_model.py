"""The winner as a logged model, which MLflow's Models tab, its lineage and `mlflow.search_logged_models` show."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS, MLFLOW_PARENT_RUN_ID

from regsearch.tracking.listing import listed
from regsearch.tracking.store import Store

NAME = "model"
"""Name of the logged model of a run, so that MLflow finds it at ``runs:/RUN_ID/model``."""

_SCORES = ("r2_train", "r2_validation", "r2_test", "n_nonzero")


def log(store: Store, run: Run, files: Mapping[str, bytes]) -> LoggedModel:
    """Write a model's files into the logged model of a run, and return it.

    A run has one: a call that was interrupted is completed by the next one.

    Parameters
    ----------
    store : Store
    run : Run
        The run that made the model; its parameters and scores become the model's.
    files : mapping of str to bytes
        Contents by path within the model's folder.
    """
    run_id, experiment_id = run.info.run_id, run.info.experiment_id
    found = listed(store.client.search_logged_models, [experiment_id], f"source_run_id = '{run_id}'")
    model = next(found, None) or store.client.create_logged_model(
        experiment_id, NAME, source_run_id=run_id, params=dict(run.data.params)
    )
    store.write_model(model, files)
    outputs = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in [output.model_id for output in outputs]:
        store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    scores = [store.client.get_metric_history(run_id, name)[-1] for name in _SCORES if name in run.data.metrics]
    of = {"model_id": model.model_id, **_dataset(store, run)}
    store.client.log_batch(  # with the times that the run has, for which it keeps them once
        run_id, [Metric(one.key, one.value, one.timestamp, one.step, **of) for one in scores]
    )
    return store.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _dataset(store: Store, run: Run) -> dict[str, str]:
    """Return the dataset of the search that a trial's run belongs to, as a metric names it."""
    parent = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
    inputs = store.client.get_run(parent).inputs if parent else None
    if inputs is None or not inputs.dataset_inputs:
        return {}
    dataset = inputs.dataset_inputs[0].dataset
    return {"dataset_name": dataset.name, "dataset_digest": dataset.digest}


def link(store: Store, model_id: str, name: str, version: str) -> None:
    """Name the version of the registered model that a logged model became, as MLflow's pages expect it."""
    versions = json.dumps([{"name": name, "version": int(version)}])
    if store.client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS) != versions:
        store.client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: versions})
