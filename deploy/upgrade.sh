#!/usr/bin/env bash
# Bring both databases to the schema of the installed MLflow and Optuna, after a backup.
# shellcheck source=deploy/settings.sh
source "$(dirname "$0")/settings.sh"

require_unused
"$(dirname "$0")/backup.sh"
mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"
optuna storage upgrade --storage "$OPTUNA_STORAGE"
