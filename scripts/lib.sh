# What the scripts of this directory share; sourced, not run.

# The binary: $MADRIGAL, else the one on the path, else the release build of this checkout.
madrigal() {
  if [ -n "${MADRIGAL:-}" ]; then
    "$MADRIGAL" "$@"
  elif type -P madrigal >/dev/null; then
    command madrigal "$@"
  elif [ -x target/release/madrigal ]; then
    target/release/madrigal "$@"
  else
    echo "$(basename "$0"): there is no madrigal: cargo build --release, or name it in MADRIGAL" >&2
    return 1
  fi
}

# A path that the caller named, who may stand elsewhere: each script goes to the checkout first.
named() {
  case $1 in /*) echo "$1" ;; *) echo "$OLDPWD/$1" ;; esac
}

# Prints the comment at the head of the script that calls it.
usage() {
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}
