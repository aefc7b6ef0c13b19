# shellcheck shell=bash
# The other scripts read this file. It exports the settings and defines shared functions.
set -euo pipefail
while IFS= read -r line; do # read like systemd, so that `$` and quotes have no meaning
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
