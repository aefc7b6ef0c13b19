#!/usr/bin/env bash
# Search a recording from a shell: show the plan, run the search, promote the winner, list the registered models.
#
#   examples/launch_from_shell.sh [recording.npz | .csv | .parquet [option of regsearch run ...]]
set -euo pipefail

search=(regsearch run --data "${1:-twin}" "${@:2}")

"${search[@]}" --dry-run
search_id=$(
    "${search[@]}" --no-promote --json |
        python -c 'import json, sys; print(json.load(sys.stdin)["search_id"])'
)
regsearch promote "$search_id"
regsearch models
