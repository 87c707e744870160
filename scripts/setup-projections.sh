#!/usr/bin/env bash
# Lists the projections of a shop that runs; with names, builds these anew beside what serves, compares both, and lets the
# new ones serve where they are equal (exit code 3 where they are not: `madrigal projections switch` says what then).
# Usage: scripts/setup-projections.sh [NAME…]   (settings as for madrigal: MADRIGAL_URL, MADRIGAL_TOKEN, madrigal.toml)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-}" in -h | --help) usage; exit ;; esac
for name in "$@"; do
  madrigal projections rebuild "$name" --wait --no-input
  madrigal projections compare "$name" --no-input
  madrigal projections switch "$name" --no-input
  madrigal projections confirm "$name" --no-input
done
madrigal projections list --no-input
