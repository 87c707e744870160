#!/usr/bin/env bash
# Makes every service's stores in a data directory, with nothing in them, or leaves those that are there as they are.
# Usage: scripts/init-databases.sh [DATA]   (default: what madrigal.toml or MADRIGAL_DATA says, else data)
# Embedded engines only: the shop must not run. Can be repeated.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-}" in -h | --help) usage; exit ;; esac
madrigal init --no-input ${1:+--data "$(named "$1")"}
