#!/usr/bin/env bash
# Makes the logs of a data directory, reads every record of them, and says whether all are intact.
# Usage: scripts/setup-eventstore.sh [DATA]   (default: data)
# Embedded engines only: the shop must not run. Can be repeated. Exit code 5: a log is damaged; it says where, and what to do.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-}" in -h | --help) usage; exit ;; esac
data=${1:+$(named "$1")}
data=${data:-${MADRIGAL_DATA:-data}}
[ -f "$data/FORMAT" ] || madrigal init --no-input --data "$data" >/dev/null
madrigal doctor --repair --no-input --data "$data"
