#!/usr/bin/env bash
# Asks the whole API whatever its description allows and forbids, as nobody, as a customer and as an operator, with every
# check of Schemathesis, and fails on any 5xx, undocumented answer, broken schema or unauthorised success. Starts a demo shop
# of its own. Needs Python 3 (with venv) and a built binary. Usage: scripts/schemathesis/run.sh [EXAMPLES-PER-OPERATION]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version=4.32.5
examples=${1:-15}
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/schemathesis
madrigal=${MADRIGAL_BINARY:-$target/debug/madrigal}
seed=1638 # the year of Monteverdi's Book VIII; any other finds other things

"$venv/bin/schemathesis" --version 2>/dev/null | grep -qF "$version" || {
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
}
[ -x "$madrigal" ] || { echo "run.sh: $madrigal is not built: cargo build -p madrigal" >&2; exit 1; }

data=$(mktemp -d)
shop=
end() {
  [ -z "$shop" ] || { kill "$shop" && wait "$shop" || true; } 2>/dev/null
  rm -rf "$data"
}
trap end EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
export MADRIGAL_DATA=$data MADRIGAL_USER__HASH_MEMORY_KIB=8 MADRIGAL_LOG__LEVEL=error NO_COLOR=1
cd "$data"
"$madrigal" up --demo --listen "127.0.0.1:$port" >/dev/null 2>"$data/shop.log" &
shop=$!
ready() { python3 -c "import urllib.request; urllib.request.urlopen('$url/v1/products/last-ticket')" 2>/dev/null; }
for _ in $(seq 300); do
  kill -0 "$shop" 2>/dev/null || { cat "$data/shop.log" >&2; exit 1; }
  ready && break
  sleep 0.1
done
operator=$("$madrigal" token issue --subject schemathesis --minutes 120 2>/dev/null)
customer=$("$madrigal" token issue --subject 1 --role customer --minutes 120 2>/dev/null)
MADRIGAL_KNOWN=$(python3 "$here/prepare.py" "$url" "$operator")
export MADRIGAL_KNOWN SCHEMATHESIS_HOOKS="$here/hooks.py"

failed=0
ask() {
  local who=$1
  shift
  printf '\n-- as %s\n' "$who"
  "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/openapi.json" \
    --checks all --seed "$seed" --max-examples "$examples" "$@" || failed=1
}
ask nobody
# The customer stays: erasing is asked for by the operator.
ask "a customer" -H "Authorization: Bearer $customer" --exclude-operation-id eraseUser
ask "an operator" -H "Authorization: Bearer $operator"

if grep -q . "$data/shop.log" && grep -n 'ERROR\|panicked' "$data/shop.log" >&2; then
  echo "run.sh: the shop logged errors" >&2
  failed=1
fi
exit "$failed"
