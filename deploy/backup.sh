#!/usr/bin/env bash
# Back up both databases and the artifacts into a new folder in $BACKUPS. The server and searches may be running.
# A backup that fails leaves nothing behind.
# shellcheck source=deploy/settings.sh
source "$(dirname "$0")/settings.sh"
umask 077

# First of all, so that a disk that has filled up is freed: what interrupted backups left, and what is too old; the
# latest is kept in any case.
prune() {
    local latest
    latest=$(readlink --canonicalize "$BACKUPS/latest" || true)
    find "$BACKUPS" -mindepth 1 -maxdepth 1 -type d \( -name '*.unfinished' -o -mtime "+$BACKUP_DAYS" \) \
        ! -name "${latest##*/}" -exec rm -r {} +
}
mkdir --parents "$BACKUPS"
exec 9>"$BACKUPS/.lock"
flock --nonblock 9 || stop "another backup is being made in $BACKUPS"
prune

backup=$BACKUPS/$(date --utc +%Y-%m-%dT%H:%M:%SZ)
trap 'rm -rf "$backup.unfinished"' EXIT
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
prune
echo "$backup"
