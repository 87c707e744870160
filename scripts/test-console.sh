#!/usr/bin/env bash
# Tests the console in a real Chromium against a demo shop of its own. Needs Node.js with npm and Chromium; installs their
# Debian packages where that can be done without asking. Usage: scripts/test-console.sh [WORDS OF A TEST'S NAME]
# MADRIGAL names the binary; unless it does, the debug build is made and used.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/browser.sh
if [ -z "${MADRIGAL:-}" ]; then
  cargo build --locked -p madrigal
  MADRIGAL=${CARGO_TARGET_DIR:-target}/debug/madrigal
fi
browser_ready
node tests/console/run.mjs "$(realpath "$MADRIGAL")" "$@"
