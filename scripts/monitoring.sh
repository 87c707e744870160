#!/usr/bin/env bash
# Checks infrastructure/monitoring: the Prometheus configuration and alert rules (promtool check), what each alert is about
# (promtool test rules), and that every query of every dashboard returns data from a real Prometheus that scrapes a live
# shop; no alert may fire for a shop that is well. The shop's traces are read back from a real Jaeger.
# Usage: scripts/monitoring.sh [rules|live|traces] (default: all).
#
# Needs promtool and prometheus (Debian: prometheus), Go for Jaeger (scripts/engines.sh builds it: here where traces are asked
# for, else it must be there), and for live and traces the binary: $MADRIGAL, or a build of this checkout. Everything runs
# on loopback, in target, and is stopped at the end. What is missing is said to be ignored, and the rest is done, unless
# MADRIGAL_REQUIRE names it (prometheus, jaeger).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
monitoring=$root/infrastructure/monitoring
what=${1:-all}
case "$what" in all | rules | live | traces) ;; *) echo "monitoring.sh: rules, live, traces, or nothing for all" >&2; exit 2 ;; esac

for command in promtool prometheus; do
  [ "$what" != traces ] || break
  if ! command -v "$command" >/dev/null 2>&1; then
    case ",${MADRIGAL_REQUIRE:-}," in *,prometheus,*) echo "monitoring.sh: $command is missing" >&2; exit 1 ;; esac
    echo "monitoring.sh: ignored: $command is missing (Debian: apt-get install prometheus)" >&2
    exit 0
  fi
done

if [ "$what" = all ] || [ "$what" = rules ]; then
  python3 "$monitoring/check_dashboards.py" "$monitoring"/grafana/dashboards/*.json
  promtool check config "$monitoring/prometheus/prometheus.yml"
  promtool test rules "$monitoring"/prometheus/tests/*.yml
fi
[ "$what" != rules ] || exit 0

madrigal=${MADRIGAL:-}
for candidate in target/release/madrigal target/debug/madrigal; do
  [ -n "$madrigal" ] || [ ! -x "$candidate" ] || madrigal=$root/$candidate
done
[ -n "$madrigal" ] || { echo "monitoring.sh: there is no madrigal: cargo build, or name it in MADRIGAL" >&2; exit 1; }

mkdir -p target/monitoring
work=$(mktemp -d "$root/target/monitoring/run-XXXXXX")
started=()
stop() {
  for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  [ -z "${jaeger:-}" ] || scripts/engines.sh stop jaeger
  rm -rf "$work"
}
trap stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# Waits until an address answers, as long as its process lives.
answers() {
  local url=$1 pid=$2 log=$3
  for _ in $(seq 1 600); do
    ! curl -sf -o /dev/null --max-time 5 "$url" || return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$log" >&2
  echo "monitoring.sh: $url does not answer" >&2
  return 1
}

# Building Jaeger takes minutes: it is done where somebody asks for the traces.
jaeger=
asked=
case "$what,${MADRIGAL_REQUIRE:-}," in traces,* | *,jaeger,*) asked=yes ;; esac
if [ "$what" = rules ] || [ "$what" = live ]; then
  :
elif [ -z "$asked" ] && [ ! -x target/engines/bin/jaeger ]; then
  echo "monitoring.sh: ignored: traces are not read back, jaeger is not built (scripts/engines.sh build jaeger)" >&2
else
  # 75: it cannot be had, and is not required.
  scripts/engines.sh start jaeger >/dev/null && jaeger=running || [ $? = 75 ]
  [ -n "$jaeger" ] || [ "$what" != traces ] || exit 0
fi
if [ -n "$jaeger" ]; then
  addresses=$(scripts/engines.sh env jaeger)
  eval "$addresses"
  export OTEL_BSP_SCHEDULE_DELAY=500
fi

shop=127.0.0.1:$(free_port)
"$madrigal" up --demo --data "$work/shop" --listen "$shop" >"$work/shop.log" 2>&1 &
started+=($!)
answers "http://$shop/readyz" "${started[0]}" "$work/shop.log"
for _ in $(seq 1 300); do ! grep -q 'Try, in another terminal' "$work/shop.log" || break; sleep 0.1; done

# The configuration as it is, but for the shop's address and a scrape every second.
start_prometheus() {
  prometheus=127.0.0.1:$(free_port)
  mkdir "$work/prometheus"
  cp -r "$monitoring/prometheus/rules" "$work/prometheus/"
  sed -e "s/127\.0\.0\.1:8080/$shop/" -e 's/interval: 15s/interval: 1s/' \
    "$monitoring/prometheus/prometheus.yml" >"$work/prometheus/prometheus.yml"
  prometheus --config.file="$work/prometheus/prometheus.yml" --storage.tsdb.path="$work/prometheus/data" \
    --web.listen-address="$prometheus" --log.level=warn >"$work/prometheus.log" 2>&1 &
  started+=($!)
  answers "http://$prometheus/-/ready" "${started[1]}" "$work/prometheus.log"
}
[ "$what" = traces ] || start_prometheus

# Customers, so that there is something to see: orders, a profile that is read and changed, a price, a check of the copies.
customers() {
  local token round=0
  token=$("$madrigal" --data "$work/shop" token issue --subject monitoring --role operator 2>/dev/null)
  local operator=(curl -s -o /dev/null --max-time 10 -H "Authorization: Bearer $token")
  local patch=(-X PATCH -H 'Content-Type: application/merge-patch+json' -H 'Prefer: resolution=merge')
  while :; do
    round=$((round + 1))
    "$madrigal" --data "$work/shop" --url "http://$shop" order place --user 1 --item candle=1 >/dev/null 2>&1 || true
    "${operator[@]}" "${patch[@]}" -H 'If-Match: "1"' -d "{\"profile\":{\"counter\":$round}}" "http://$shop/v1/users/1" || true
    "${operator[@]}" "http://$shop/v1/users/1/profile" || true
    curl -s -o /dev/null --max-time 10 "http://$shop/v1/products/candle" || true
    curl -s -o /dev/null --max-time 10 "http://$shop/v1/products/search?q=candle" || true
    curl -s -o /dev/null --max-time 10 "http://$shop/v1/products/suggest?prefix=ca" || true
    curl -s -o /dev/null --max-time 10 "http://$shop/health" || true
    "${operator[@]}" -X POST -H 'Content-Type: application/json' -d '{}' "http://$shop/v1/consistency/checks" || true
    sleep 0.2
  done
}
customers &
started+=($!)

if [ -n "$jaeger" ]; then
  python3 "$monitoring/check_traces.py" --jaeger "$JAEGER_URL" --wait "${MONITORING_WAIT:-90}"
fi
if [ "$what" = traces ]; then
  echo "the trace of an order is read back from Jaeger"
  exit 0
fi

python3 "$monitoring/check_dashboards.py" --prometheus "http://$prometheus" --wait "${MONITORING_WAIT:-90}" \
  "$monitoring"/grafana/dashboards/*.json
promtool check metrics <<<"$(curl -sf "http://$shop/metrics")" >"$work/lint.log" 2>&1 || true
! grep -i 'error' "$work/lint.log" || { echo "monitoring.sh: /metrics is not what Prometheus reads" >&2; exit 1; }

firing=$(curl -sf "http://$prometheus/api/v1/alerts" |
  python3 -c 'import json, sys; [print(a["labels"]) for a in json.load(sys.stdin)["data"]["alerts"] if a["state"] == "firing"]')
[ -z "$firing" ] || { echo "monitoring.sh: alerts fire for a shop that is well: $firing" >&2; exit 1; }
echo "the configuration is right, the alerts say what they should, every query of the dashboards returns data"
