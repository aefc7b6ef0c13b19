"""Predict over HTTP with the current champion of a registered model.

    python examples/serve_champion.py running-speed --port 8000
    curl localhost:8000/predict -H 'Content-Type: application/json' -d '{"rows": [[0.1, 2.3, ...], ...]}'

The service needs MLflow and the model's own requirements, but not regsearch.  It looks up the champion at every
request, and loads the model again when the champion has changed.  A promotion or a rollback therefore needs no restart.
"""

import argparse
import os
from functools import lru_cache
from typing import Annotated, Any

import mlflow
import numpy as np
import pandas as pd
import uvicorn
from fastapi import Body, FastAPI, HTTPException
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel


def service(name: str) -> FastAPI:
    """Return the web application that serves one registered model."""
    client = MlflowClient()

    @lru_cache(maxsize=1)
    def load(version: str) -> PyFuncModel:
        return mlflow.pyfunc.load_model(f"models:/{name}/{version}")

    app = FastAPI(title=f"{name}@champion")

    @app.post("/predict")
    def predict(rows: Annotated[list[list[float]], Body(embed=True)]) -> dict[str, Any]:
        try:
            version = str(client.get_model_version_by_alias(name, "champion").version)
        except MlflowException as error:
            raise HTTPException(503, f"{name} has no champion: {error.message}") from error
        model = load(version)
        try:
            predicted = model.predict(as_input(model, rows))
        except (MlflowException, ValueError) as error:
            raise HTTPException(422, str(error)) from error
        return {"version": version, "predictions": np.asarray(predicted).tolist()}

    return app


def as_input(model: PyFuncModel, rows: list[list[float]]) -> Any:
    """Return rows in the form of the model's signature: a table if its columns have names, else an array."""
    inputs = model.metadata.signature.inputs
    return np.array(rows) if inputs is None else pd.DataFrame(rows, columns=inputs.input_names())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="running-speed", help="registered model (default: running-speed)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one (default: 8000)")
    arguments = parser.parse_args()
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db"))
    uvicorn.run(service(arguments.name), host="127.0.0.1", port=arguments.port)
