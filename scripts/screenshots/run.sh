#!/usr/bin/env bash
# Takes the README's pictures of a demo shop, in a real Chromium. Usage: scripts/screenshots/run.sh
# MADRIGAL names the binary (target/release/madrigal unless it does).
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/browser.sh
browser_ready
node tests/console/pictures.mjs "$(realpath "${MADRIGAL:-target/release/madrigal}")" docs/images
