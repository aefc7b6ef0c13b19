#!/usr/bin/env bash
# Make a backup, then upgrade both databases to the schemas of the installed MLflow and Optuna.
# shellcheck source=deploy/settings.sh
source "$(dirname "$0")/settings.sh"

require_unused
"$(dirname "$0")/backup.sh"
mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"
optuna storage upgrade --storage "$OPTUNA_STORAGE"
