# shellcheck shell=bash
# Read by the scripts beside it: the settings, and what they have in common.
set -euo pipefail
while IFS= read -r line; do # as systemd does, so that a `$` or a quote in a password is only itself
    if [[ $line == [A-Z]*=* ]]; then export "${line?}"; fi
done <"${SERVER_ENV:-/etc/regsearch/server.env}"

stop() {
    echo "$(basename "$0"): $1" >&2
    exit 2
}

require_unused() {
    local connected
    for database in mlflow optuna; do
        connected=$(psql --no-psqlrc --dbname="$database" --tuples-only --no-align --command="
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
        ((connected == 0)) ||
            stop "database $database is in use by $connected connection(s); stop the server and all searches first"
    done
}
