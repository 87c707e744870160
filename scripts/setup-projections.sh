#!/usr/bin/env bash
# Lists the projections of a shop that runs; with names, builds these anew beside what serves and lets the new ones serve.
# Usage: scripts/setup-projections.sh [NAME…]   (settings as for madrigal: MADRIGAL_URL, MADRIGAL_TOKEN, madrigal.toml)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-}" in -h | --help) usage; exit ;; esac
for name in "$@"; do
  madrigal projections rebuild "$name" --no-input
done
madrigal projections list --no-input
