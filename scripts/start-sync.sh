#!/usr/bin/env bash
# Registers connectors with a shop that runs, and shows how far every copy is.
# Usage: scripts/start-sync.sh [CONNECTOR.json…]   (settings as for madrigal: MADRIGAL_URL, MADRIGAL_TOKEN, madrigal.toml)
# Without files nothing is registered: on embedded engines the connector of users is there from the first start.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-}" in -h | --help) usage; exit ;; esac
for file in "$@"; do
  madrigal sync connectors --declare "$file" --no-input
done
madrigal sync connectors --no-input
madrigal sync lag --no-input
