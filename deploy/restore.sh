#!/usr/bin/env bash
# usage: restore.sh BACKUP    Restore both databases and the artifacts from a folder that backup.sh made.
# shellcheck source=deploy/settings.sh
source "$(dirname "$0")/settings.sh"

[[ $# == 1 ]] || stop "expected one folder that backup.sh made, found $# arguments; give for example $BACKUPS/latest"
for part in optuna.dump mlflow.dump artifacts; do
    [[ -e $1/$part ]] || stop "$1: expected a backup, found no $part in it; give another folder"
done
require_unused
scratch=$(mktemp --directory)
trap 'rm -r "$scratch"' EXIT
for database in optuna mlflow; do # read both dumps completely before replacing anything
    pg_restore --no-owner --no-privileges --file="$scratch/$database.sql" "$1/$database.dump"
done
for database in optuna mlflow; do
    psql --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --single-transaction --dbname="$database" \
        --command='SET client_min_messages = warning' --command='DROP OWNED BY CURRENT_USER' \
        --file="$scratch/$database.sql"
done
mkdir --parents "$MLFLOW_ARTIFACTS_DESTINATION"
rsync --archive --delete "$1/artifacts/" "$MLFLOW_ARTIFACTS_DESTINATION/"
