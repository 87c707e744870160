# What the console's tests and the README's pictures share: Node.js, Chromium and their two packages. To be sourced from the
# repository's root.

# Makes sure of a command: installs its Debian package where that can be done without asking, else says what to do.
browser_need() {
  local command=$1 package=$2
  command -v "$command" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $package" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
  else
    echo "$command is missing: install it (Debian: apt-get install $package)" >&2
    exit 1
  fi
}

# Node.js, npm, Chromium, and the packages as the lock file has them.
browser_ready() {
  browser_need node nodejs
  browser_need npm npm
  [ -n "${CHROMIUM:-}" ] || browser_need chromium chromium
  if [ ! -d tests/console/node_modules ] || [ tests/console/package-lock.json -nt tests/console/node_modules ]; then
    (cd tests/console && npm ci --no-audit --no-fund --silent && touch node_modules)
  fi
}
