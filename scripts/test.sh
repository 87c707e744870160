#!/usr/bin/env bash
# Runs everything that must hold: formatting, lints, dependency rules, licences, tests, documentation and the README's
# own commands. Needs Rust (rustup); fetches the pinned toolchain's components itself. Usage: scripts/test.sh [STEP…],
# where STEP is one of: format lint test docs retail readme (default: all of them, in this order).
set -euo pipefail
cd "$(dirname "$0")/.."

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(format lint test docs retail readme)

need() {
  command -v "$1" >/dev/null 2>&1 || { echo "test.sh: $1 is missing: $2" >&2; exit 1; }
}
need cargo "install Rust from your distribution or with rustup"
need cc "install a C compiler (Debian: apt-get install gcc): SQLite is compiled from source"
rustup component add rustfmt clippy >/dev/null 2>&1 || true

step() {
  printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"
}

for name in "${steps[@]}"; do
  step "$name"
  case "$name" in
    format) cargo fmt --all --check ;;
    lint) cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    test) cargo test --workspace --locked ;;
    docs) RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked ;;
    retail) data-migration/seeders/retail/run.sh test ;;
    readme) scripts/readme-commands.sh ;;
    *) echo "test.sh: no step $name" >&2; exit 2 ;;
  esac
done
echo
echo "everything holds"
