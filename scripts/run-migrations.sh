#!/usr/bin/env bash
# Brings the tables of a data directory that is there to their current form, and lists the steps that they have seen.
# A step that was changed after it ran, or a newer program's tables, are refused, and nothing is changed.
# Usage: scripts/run-migrations.sh [DATA]   (default: data)
# Embedded engines only: the shop must not run. Can be repeated.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-}" in -h | --help) usage; exit ;; esac
data=${1:+$(named "$1")}
data=${data:-${MADRIGAL_DATA:-data}}
[ -f "$data/FORMAT" ] || { echo "run-migrations.sh: $data is no data directory: scripts/init-databases.sh makes one" >&2; exit 1; }
madrigal init --no-input --data "$data"
