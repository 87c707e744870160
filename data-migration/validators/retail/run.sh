#!/usr/bin/env bash
# Compares what a shop answers about imported orders with the retail source, to the cent.
#
#   run.sh --refused FILE [--shop-refused FILE] [--orders N|all] [--url URL] [--token TOKEN] [--output table|json]
#   run.sh test                                                               run the unit tests
#
# Exit codes: 0 they agree, 2 wrong use, 3 they differ, 4 could not check.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../../.." && pwd)"
. "$root/data-migration/seeders/retail/venv.sh"

export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = test ]; then
  shift
  exec "$venv/bin/python" -m unittest discover --start-directory "$here/tests" --top-level-directory "$here" "$@"
fi
exec "$venv/bin/python" -m validate "$@"
