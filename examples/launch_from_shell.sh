#!/usr/bin/env bash
# Search a recording from a shell: show the plan, run the search, promote the winner, list the registered models.
#
#   examples/launch_from_shell.sh [recording.npz | .csv | .parquet]
set -euo pipefail

data=${1:-twin}

regsearch run --data "$data" --dry-run
search_id=$(
    regsearch run --data "$data" --no-promote --json |
        python -c 'import json, sys; print(json.load(sys.stdin)["search_id"])'
)
regsearch promote "$search_id"
regsearch models
