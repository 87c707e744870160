#!/usr/bin/env bash
# Private servers for tests: on loopback, at free ports, with their data in target/engines, stopped by their recorded
# process ids. Usage: scripts/engines.sh build|start|stop|env jaeger
#
#   build   brings the server's program (Jaeger: built with Go from its module, as go.sum says; minutes the first time)
#   start   builds it where it is missing, starts it, waits until it answers, and prints its addresses
#   env     prints the addresses of the one that runs, to be sourced: JAEGER_URL, OTEL_EXPORTER_OTLP_ENDPOINT
#   stop    stops it and forgets its data
#
# Where an engine cannot be had the script says that it was ignored and ends with 75, or with 1 where MADRIGAL_REQUIRE
# names it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
root=$PWD
engines=$root/target/engines
verb=${1:-} engine=${2:-}
case "$verb" in build | start | stop | env) ;; *) usage; exit 2 ;; esac
case "$engine" in jaeger) ;; *) echo "engines.sh: no engine $engine" >&2; usage; exit 2 ;; esac
home=$engines/$engine

# Ends where the engine cannot be had: well, unless it is required.
missing() {
  case ",${MADRIGAL_REQUIRE:-}," in *,"$engine",*) echo "engines.sh: $*" >&2; exit 1 ;; esac
  echo "engines.sh: ignored: $*" >&2
  exit 75
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

running() { [ -f "$home/pid" ] && kill -0 "$(cat "$home/pid")" 2>/dev/null; }

# Waits until an address answers, as long as the engine lives.
answers() {
  local url=$1
  for _ in $(seq 1 600); do
    ! curl -sf -o /dev/null --max-time 5 "$url" || return 0
    running || break
    sleep 0.1
  done
  cat "$home/log" >&2
  echo "engines.sh: $engine does not answer" >&2
  return 1
}

jaeger_build() {
  [ ! -x "$engines/bin/jaeger" ] || return 0
  command -v go >/dev/null 2>&1 || missing "jaeger is built with Go, which is missing (1.24 or later)"
  echo "engines.sh: building jaeger" >&2
  mkdir -p "$engines/bin"
  (cd infrastructure/monitoring/jaeger &&
    go build -mod=readonly -trimpath -o "$engines/bin/jaeger" github.com/jaegertracing/jaeger/cmd/all-in-one) ||
    missing "jaeger could not be built"
}

jaeger_start() {
  local otlp query
  otlp=127.0.0.1:$(free_port) query=127.0.0.1:$(free_port)
  # It would send traces of its own to the port where a Jaeger usually listens.
  SPAN_STORAGE_TYPE=memory OTEL_TRACES_SAMPLER=always_off "$engines/bin/jaeger" --config-file infrastructure/monitoring/jaeger/jaeger.yaml \
    --collector.otlp.http.host-port="$otlp" --query.http-server.host-port="$query" \
    --collector.otlp.grpc.host-port="127.0.0.1:$(free_port)" --query.grpc-server.host-port="127.0.0.1:$(free_port)" \
    --collector.http-server.host-port="127.0.0.1:$(free_port)" --collector.grpc-server.host-port="127.0.0.1:$(free_port)" \
    --admin.http.host-port="127.0.0.1:$(free_port)" --log-level=warn >"$home/log" 2>&1 &
  echo $! >"$home/pid"
  printf 'export JAEGER_URL=http://%s\nexport OTEL_EXPORTER_OTLP_ENDPOINT=http://%s\n' "$query" "$otlp" >"$home/env"
  answers "http://$query/api/services" || { kill -TERM "$(cat "$home/pid")" 2>/dev/null || true; return 1; }
}

case "$verb" in
  build) "${engine}_build" ;;
  start)
    "${engine}_build"
    mkdir -p "$home"
    running || "${engine}_start"
    cat "$home/env"
    ;;
  env)
    running || { echo "engines.sh: $engine does not run" >&2; exit 1; }
    cat "$home/env"
    ;;
  stop)
    ! running || kill -TERM "$(cat "$home/pid")"
    for _ in $(seq 1 100); do running || break; sleep 0.1; done
    rm -rf "$home"
    ;;
esac
