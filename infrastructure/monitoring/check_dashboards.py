#!/usr/bin/env python3
"""Checks Grafana dashboards: their structure, and that every query returns data from a running Prometheus.

usage: check_dashboards.py [--prometheus URL [--wait SECONDS]] DASHBOARD.json...

Without a Prometheus only the structure is checked. A query that returns nothing, or only NaN, is asked again until the
time is over (default 60 s): some metrics come with the first sample. Prints what is wrong; exit code 1 if anything is.
Needs nothing but Python's standard library.
"""
import argparse
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# What Grafana puts into a query; the window covers several of the test's scrapes.
GIVEN = {"__rate_interval": "30s", "__interval": "5s", "__range": "5m"}
WITHOUT_UNIT = {"text", "logs", "table", "traces", "row"}


def panels_of(panels):
    for panel in panels:
        yield panel
        yield from panels_of(panel.get("panels", []))


def problems_of(board):
    """What is wrong with the structure, and the queries as (panel's title, query)."""
    problems, queries, ids, places = [], [], set(), []
    for member in ("title", "uid", "schemaVersion", "panels", "time"):
        if not board.get(member):
            problems.append(f"no {member}")
    variables = {variable["name"] for variable in board.get("templating", {}).get("list", [])}
    for panel in panels_of(board.get("panels", [])):
        name = f"panel {panel.get('id')} ({panel.get('title', 'without a title')})"
        if not panel.get("title"):
            problems.append(f"{name}: no title")
        if panel.get("id") in ids or panel.get("id") is None:
            problems.append(f"{name}: its id is missing or repeated")
        ids.add(panel.get("id"))
        place = panel.get("gridPos", {})
        if set("hwxy") - set(place) or place["x"] < 0 or place["x"] + place["w"] > 24 or place["h"] < 1:
            problems.append(f"{name}: gridPos {place}")
        else:
            left, top = place["x"], place["y"]
            right, bottom = left + place["w"], top + place["h"]
            if any(left < r and l < right and top < b and t < bottom for l, t, r, b in places):
                problems.append(f"{name}: lies over another panel")
            places.append((left, top, right, bottom))
        if panel["type"] in WITHOUT_UNIT - {"table"}:
            continue
        if panel["type"] not in WITHOUT_UNIT and not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
            problems.append(f"{name}: no unit")
        if not panel.get("targets"):
            problems.append(f"{name}: no query")
        for target in panel.get("targets", []):
            query = target.get("expr", "")
            for variable in re.findall(r"\$\{?(\w+)\}?", query):
                if variable not in variables and variable not in GIVEN:
                    problems.append(f"{name}: ${variable} is not declared")
            queries.append((name, query))
    return problems, queries


def filled(query):
    """The query as Grafana would send it, with every variable at All."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: GIVEN.get(found.group(1), ".*"), query)


def asked(prometheus, query):
    """How many series of the answer have a number, or the reason why there is no answer."""
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        return 0, json.load(error).get("error", str(error))
    except OSError as error:
        return 0, str(error)
    numbers = [series for series in result if not math.isnan(float(series["value"][1]))]
    return len(numbers), "no data" if not result else "only NaN"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prometheus", metavar="URL")
    parser.add_argument("--wait", metavar="SECONDS", type=float, default=60.0)
    parser.add_argument("dashboards", nargs="+")
    arguments = parser.parse_args()
    failed, open_queries, count = False, [], 0
    uids = {}
    for path in arguments.dashboards:
        with open(path, encoding="utf-8") as file:
            board = json.load(file)
        problems, queries = problems_of(board)
        if board.get("uid") in uids:
            problems.append(f"the uid of {uids[board['uid']]}")
        uids[board.get("uid")] = path
        for problem in problems:
            failed = True
            print(f"{path}: {problem}")
        count += len(queries)
        open_queries += [(path, name, query) for name, query in queries]
        print(f"{path}: {len(queries)} queries")
    if arguments.prometheus:
        until = time.monotonic() + arguments.wait
        while open_queries:
            reasons = [(entry, *asked(arguments.prometheus, filled(entry[2]))) for entry in open_queries]
            open_queries = [entry for entry, series, _ in reasons if series == 0]
            if time.monotonic() > until:
                break
            if open_queries:
                time.sleep(2)
        for (path, name, query), series, reason in reasons:
            if series == 0:
                failed = True
                print(f"{path}: {name}: {reason}: {query}")
        print(f"{count - len(open_queries)} of {count} queries return data")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
