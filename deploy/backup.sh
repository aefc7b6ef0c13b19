#!/usr/bin/env bash
# Back up both databases and the artifacts into a new folder in $BACKUPS. The server and searches may be running.
# shellcheck source=deploy/settings.sh
source "$(dirname "$0")/settings.sh"
umask 077

backup=$BACKUPS/$(date --utc +%Y-%m-%dT%H:%M:%SZ)
mkdir --parents "$backup.unfinished" "$MLFLOW_ARTIFACTS_DESTINATION" # MLflow makes the second with the first artifact
# The order matters. A search writes a trial's files, then finishes its run in MLflow, then tells Optuna its score. The
# copies are made in reverse order, so that each finds in the later ones everything that it refers to.
pg_dump --format=custom --file="$backup.unfinished/optuna.dump" optuna
pg_dump --format=custom --file="$backup.unfinished/mlflow.dump" mlflow
unchanged=() # a file that has not changed becomes a hard link to the latest backup's
if [[ -d $BACKUPS/latest ]]; then unchanged=(--link-dest="$BACKUPS/latest/artifacts"); fi
rsync --archive "${unchanged[@]}" "$MLFLOW_ARTIFACTS_DESTINATION/" "$backup.unfinished/artifacts/"
mv "$backup.unfinished" "$backup"
ln --symbolic --force --no-dereference "$backup" "$BACKUPS/latest"
find "$BACKUPS" -mindepth 1 -maxdepth 1 -type d -mtime "+$BACKUP_DAYS" -exec rm -r {} +
echo "$backup"
