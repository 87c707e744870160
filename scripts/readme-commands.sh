#!/usr/bin/env bash
# Runs the README's own commands: every block marked `sh`, in order, in a copy of its surroundings. The block that starts
# the shop runs in the background until the end; the one that runs all tests is left out, since it runs this script.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
shop=
stop() {
  # The whole group: the shell, cargo and the shop, which ends later than its shell.
  if [ -n "$shop" ]; then
    kill -TERM -- "-$shop" 2>/dev/null || true
    for _ in $(seq 1 300); do kill -0 -- "-$shop" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$shop" 2>/dev/null || true
    wait "$shop" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT

cargo build --release --locked
export PATH="$root/target/release:$PATH"
# One shop, one data directory and one address for all commands, apart from whatever runs here already.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export MADRIGAL_DATA="$work/data" MADRIGAL_LISTEN="127.0.0.1:$port" MADRIGAL_URL="http://127.0.0.1:$port"

awk -v dir="$work" '
  /^```sh$/ { inside = 1; number++; next }
  /^```/ { inside = 0; next }
  inside { print > (dir "/block-" sprintf("%03d", number) ".sh") }
' README.md

for block in "$work"/block-*.sh; do
  # Addresses in the text are the default ones.
  sed -i "s#127\.0\.0\.1:8080#127.0.0.1:$port#g" "$block"
  printf -- '-- %s\n' "$(tr '\n' ';' < "$block")"
  if grep -q 'scripts/test.sh' "$block"; then
    continue
  elif grep -q -- 'up --demo' "$block"; then
    setsid bash -euo pipefail "$block" > "$work/shop.log" 2>&1 &
    shop=$!
    ready=
    for _ in $(seq 1 600); do
      if grep -q 'Try, in another terminal' "$work/shop.log"; then ready=1; break; fi
      kill -0 "$shop" 2>/dev/null || break
      sleep 0.1
    done
    [ -n "$ready" ] || { cat "$work/shop.log" >&2; echo "readme-commands.sh: the shop did not start" >&2; exit 1; }
  else
    bash -euo pipefail "$block"
  fi
done
[ -n "$shop" ] || { echo "readme-commands.sh: no block of the README starts the shop" >&2; exit 1; }
echo "every command of the README works"
