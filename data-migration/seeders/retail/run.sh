#!/usr/bin/env bash
# Converts a year of retail baskets to Madrigal's import files.
#
#   run.sh [--orders N|all] [--out DIR] [--only-used]   convert (2,000 baskets to target/retail)
#   run.sh test                                         run the unit tests
#
# The first call makes a virtual environment in target/retail-venv; later calls reuse it
# for as long as requirements.txt stays the same.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../../.." && pwd)"
. "$here/venv.sh"

export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1
if [ "${1:-}" = test ]; then
  shift
  exec "$venv/bin/python" -m unittest discover --start-directory "$here/tests" --top-level-directory "$here" "$@"
fi
exec "$venv/bin/python" -m retail "$@"
