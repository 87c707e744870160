#!/usr/bin/env bash
# Takes the README's pictures of a demo shop, in a real Chromium (Debian: apt-get install chromium; Node.js with npm).
set -euo pipefail
cd "$(dirname "$0")/../.."
madrigal=${MADRIGAL:-target/release/madrigal}
work=target/screenshots
mkdir -p "$work"
cp scripts/screenshots/package.json scripts/screenshots/*.cjs "$work/"
(cd "$work" && npm install --no-audit --no-fund --silent)
data=$(mktemp -d)
"$madrigal" --data "$data" up --demo --listen 127.0.0.1:18470 2> "$work/shop.log" &
shop=$!
trap 'kill "$shop"; wait "$shop" || true; rm -rf "$data"' EXIT
for _ in $(seq 1 300); do grep -q 'Try, in another terminal' "$work/shop.log" && break; sleep 0.1; done
(cd "$work" && node first-page.cjs http://127.0.0.1:18470/ "$OLDPWD/docs/images/first-page.png")
