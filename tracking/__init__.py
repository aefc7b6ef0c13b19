"""MLflow: where it is, the runs of a search, their figures, and the model registry."""
