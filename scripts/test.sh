#!/usr/bin/env bash
# Runs everything that must hold: formatting, lints, dependency rules, licences, tests, documentation and the README's
# own commands. Needs Rust (rustup); fetches the pinned toolchain's components itself. Usage: scripts/test.sh [STEP…],
# where STEP is one of: format lint test docs api console monitoring retail readme (default: all of them, in this order).
set -euo pipefail
cd "$(dirname "$0")/.."

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(format lint test docs api console monitoring retail readme)

# Makes sure of a command: installs its Debian package where that can be done without asking, else says what to do.
need() {
  local command=$1 package=$2
  command -v "$command" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "test.sh: installing $package" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
  else
    echo "test.sh: $command is missing: install it (Debian: apt-get install $package)" >&2
    exit 1
  fi
}
command -v cargo >/dev/null 2>&1 || { echo "test.sh: Rust is missing: see https://rustup.rs" >&2; exit 1; }
need cc gcc
need python3 python3-venv
# The pinned toolchain with its components; without rustup whatever is installed must do.
if command -v rustup >/dev/null 2>&1; then rustup show active-toolchain >/dev/null; rustup component add rustfmt clippy 2>/dev/null || true; fi

step() {
  printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"
}

for name in "${steps[@]}"; do
  step "$name"
  case "$name" in
    format) cargo fmt --all --check ;;
    lint) cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    test) cargo test --workspace --locked --no-fail-fast ;;
    docs) RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked ;;
    api) cargo build --locked -p madrigal && scripts/schemathesis/run.sh ;;
    console) scripts/test-console.sh ;;
    monitoring) need promtool prometheus; cargo build --locked -p madrigal && MADRIGAL="$PWD/target/debug/madrigal" scripts/monitoring.sh ;;
    retail)
      data-migration/seeders/retail/run.sh test
      data-migration/validators/retail/run.sh test
      # Searches over the 92,331 products against a plain scan of the file.
      # The README's commands leave only the products that their baskets name.
      [ "$(cat target/retail/products.ndjson 2>/dev/null | wc -l)" = 92331 ] || data-migration/seeders/retail/run.sh
      MADRIGAL_REQUIRE_RETAIL=1 cargo test -p madrigal-catalog-service --locked --test it retail
      ;;
    readme) scripts/readme-commands.sh ;;
    *) echo "test.sh: no step $name" >&2; exit 2 ;;
  esac
done
echo
echo "everything holds"
