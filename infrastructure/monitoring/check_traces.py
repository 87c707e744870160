#!/usr/bin/env python3
"""Reads the trace of an order back from a running Jaeger, and checks that it is one: from the gateway to the last copy.

usage: check_traces.py --jaeger URL [--wait SECONDS]

Looks at the traces of placed orders until one is whole, or the time is over (default 60 s): every wanted span is there,
every parent is there, exactly one span begins it, no name has an id in it. Prints the trace as a tree; or what is wrong,
with exit code 1. Needs nothing but Python's standard library.
"""
import argparse
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

BEGINS = ("gateway", "POST /v1/orders")
# What must be seen of an order, by whom; an order may share batches with others, and so have more.
WANTED = {
    BEGINS,
    ("order-service", "call user.get-buyer"),
    ("user-service", "answer user.get-buyer"),
    ("order-service", "saga place-order"),
    ("order-service", "step reserve-inventory"),
    ("catalog-service", "answer catalog.reserve-stock"),
    ("order-service", "step process-payment"),
    ("payment-service", "answer payment.charge"),
    ("order-service", "step create-order"),
    ("order-service", "step confirm-reservation"),
    ("order-service", "step send-confirmation"),
    ("notification-service", "handle mail"),
    ("order-service", "fold order-view"),
    ("catalog-service", "fold products"),
    ("analytics-service", "collect orders"),
    ("sync-service", "handle orders"),
}
WORDS = "pass-on|call|answer|saga|step|undo|fold|handle|collect|capture|tell"
NAME = re.compile(rf"(({WORDS}) [a-z][a-z._-]*|(GET|HEAD|POST|PUT|PATCH|DELETE) [^ ]*)$")


def asked(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)["data"]


def spans_of(trace):
    """The spans by id: (service, name, parent or None, begin)."""
    spans = {}
    for span in trace["spans"]:
        service = trace["processes"][span["processID"]]["serviceName"]
        parents = [ref["spanID"] for ref in span["references"]
                   if ref["refType"] == "CHILD_OF" and ref["traceID"] == span["traceID"]]
        spans[span["spanID"]] = (service, span["operationName"], parents[0] if parents else None, span["startTime"])
    return spans


def problems_of(spans):
    problems = [f"no span {service}: {name}" for service, name in sorted(WANTED - {span[:2] for span in spans.values()})]
    begins = [span[:2] for span in spans.values() if span[2] is None]
    if begins != [BEGINS]:
        problems.append(f"it begins with {begins}")
    for service, name, parent, _ in spans.values():
        if parent is not None and parent not in spans:
            problems.append(f"the parent of {service}: {name} is missing")
        if not NAME.match(name) or re.search(r"[0-9a-f]{8}", name):
            problems.append(f"{service}: {name} is no declared name")
    return problems


def shown(spans, parent=None, depth=0):
    for key, (service, name, above, _) in sorted(spans.items(), key=lambda item: item[1][3]):
        if above == parent:
            print(f"{'  ' * depth}{service}: {name}")
            shown(spans, key, depth + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jaeger", required=True, metavar="URL")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS")
    options = parser.parse_args()
    query = urllib.parse.urlencode({"service": BEGINS[0], "operation": BEGINS[1], "limit": 20})
    end, problems = time.monotonic() + options.wait, ["there is no trace of an order"]
    while True:
        try:
            for trace in asked(f"{options.jaeger}/api/traces?{query}"):
                spans = spans_of(trace)
                problems = problems_of(spans)
                if not problems:
                    shown(spans)
                    print(f"one trace of {len(spans)} spans, from the gateway to the last copy")
                    return 0
        except (urllib.error.URLError, TimeoutError) as error:
            problems = [f"Jaeger does not answer: {error}"]
        if time.monotonic() > end:
            print("\n".join(problems), file=sys.stderr)
            return 1
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
