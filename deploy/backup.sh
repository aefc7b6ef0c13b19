#!/usr/bin/env bash
# Back up both databases and the artifacts into a new folder of $BACKUPS, while the server and searches run.
# shellcheck source=deploy/settings.sh
source "$(dirname "$0")/settings.sh"
umask 077

backup=$BACKUPS/$(date --utc +%Y-%m-%dT%H:%M:%SZ)
mkdir --parents "$backup.unfinished" "$MLFLOW_ARTIFACTS_DESTINATION" # which MLflow makes with the first file
# In this order, because a trial's files are written before MLflow calls it finished, and Optuna is told after that:
# what one part relies on is in the next.
pg_dump --format=custom --file="$backup.unfinished/optuna.dump" optuna
pg_dump --format=custom --file="$backup.unfinished/mlflow.dump" mlflow
unchanged=() # files that are hard links to those of the latest backup
if [[ -d $BACKUPS/latest ]]; then unchanged=(--link-dest="$BACKUPS/latest/artifacts"); fi
rsync --archive "${unchanged[@]}" "$MLFLOW_ARTIFACTS_DESTINATION/" "$backup.unfinished/artifacts/"
mv "$backup.unfinished" "$backup"
ln --symbolic --force --no-dereference "$backup" "$BACKUPS/latest"
find "$BACKUPS" -mindepth 1 -maxdepth 1 -type d -mtime "+$BACKUP_DAYS" -exec rm -r {} +
echo "$backup"
