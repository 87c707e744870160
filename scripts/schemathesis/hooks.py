"""What Schemathesis cannot know: which things are there, media types that it does not write, and rules that a schema cannot
say.

A complaint that does not count is dropped by one of the functions in `EXCUSES`, each with its reason. It is asked for one
kind of complaint only: that a request which fits the schema was refused. Everything else counts.
"""

import json
import os
import zlib

import schemathesis

# What `prepare.py` made: ids by the name of the parameter.
KNOWN = json.loads(os.environ.get("MADRIGAL_KNOWN", "{}"))

# How every cursor and every position begins: base64url of {"v":1, and of {".
MADE_HERE = ("eyJ2Ijox", "eyJ")


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    """Lines of an import are sent as they are made: most are no JSON, which is what an import must stand."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(ctx, case, **kwargs):
    """Leads half of the good requests to things that exist, leaves out cursors and positions that nobody gave out, and
    writes integers without a fraction: JSON Schema takes 1.0 for one; here it is refused, so that a number has one spelling
    in every engine."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    for container, name in ((case.query, "cursor"), (case.headers, "Madrigal-Position")):
        if container and name in container and not str(container[name]).startswith(MADE_HERE):
            del container[name]
    case.body = spelled(case.body)
    if case.meta.phase.name.value == "stateful":
        return
    for name in list(case.path_parameters or {}):
        case.path_parameters[name] = known(name, case.path_parameters[name])
    body = case.body if isinstance(case.body, dict) else {}
    lines = body.get("items")
    for line in lines if isinstance(lines, list) else [body]:
        if isinstance(line, dict) and isinstance(line.get("productId"), str):
            line["productId"] = known("productId", line["productId"])


def spelled(value):
    """The same value, with its integers as integers."""
    if isinstance(value, dict):
        return {name: spelled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def known(name, made):
    """One of the things that exist, for every other value: always the same for the same value."""
    there, draw = KNOWN.get("userId" if name == "id" else name), zlib.crc32(repr(made).encode())
    return there[draw // 2 % len(there)] if there and draw % 2 else made


def a_cursor_is_made_by_the_list_alone(problem, case):
    """Cursors are opaque: a schema can say which characters they have, not which of them a list gave out."""
    return problem["code"] == "bad-cursor"


def a_log_ends_somewhere(problem, case):
    """Reading beyond the end of a log is refused, because the reader has seen another history."""
    return case.operation.path.startswith("/v1/logs/") and pointers(problem) == {"/after"}


def a_product_stands_in_one_line(problem, case):
    """JSON Schema has unique items, not items that are unique in one field."""
    return problem["code"] == "invalid-body" and any("twice" in detail for detail in details(problem))


def card_data_is_never_taken(problem, case):
    """A payment token that looks like the number of a card is refused: no pattern says Luhn's rule."""
    return any("card data is never taken" in detail for detail in details(problem))


def a_password_is_known_or_not(problem, case):
    """The current password is a field of a body that fits its schema, and it is another one."""
    return case.operation.path == "/v1/users/{id}/password" and pointers(problem) == {"/current"}


def a_verb_needs_what_it_does(problem, case):
    """`skip` needs a step or a reason, `mark-undone` its evidence, a switch to other rows a reason."""
    verbs = case.operation.path.startswith(("/v1/sagas/", "/v1/projections/"))
    needed = ("is required for ", "is required to ")
    return verbs and bool(details(problem)) and all(detail.startswith(needed) for detail in details(problem))


def an_operator_says_whose_order_it_is(problem, case):
    """`userId` is a customer's own where it is missing; who calls is no part of a schema."""
    return pointers(problem) == {"/userId"} and details(problem) == {"say for which user the order is"}


def two_ways_of_asking_exclude_each_other(problem, case):
    """OpenAPI has no parameters that exclude each other: a log is read by stream or by correlation."""
    return bool(details(problem)) and all("together with" in detail for detail in details(problem))


def a_key_belongs_to_one_body(problem, case):
    """The same `Idempotency-Key` with another body is refused; a schema sees one request at a time."""
    return problem["code"] == "idempotency-key-reused"


def a_shop_may_refuse_an_order(problem, case):
    """No such product or user, another currency, a sum beyond what is paid at once: 422s with codes of their own."""
    return problem["code"] in ("order-refused", "unorderable-lines", "unknown-user")


def a_period_has_a_beginning_before_its_end(problem, case):
    """Dates fit their format one by one; that the first is not after the last, and how many days there may be, is between them."""
    return case.operation.path.startswith("/v1/analytics/") and pointers(problem) <= {"/from", "/to"}


def a_connector_has_the_keys_of_its_class(problem, case):
    """A connector is declared in Debezium's own keys: which are known, and needed, its class says."""
    return case.operation.path == "/v1/sync/connectors" and problem["code"] == "invalid-body"


EXCUSES = [
    a_period_has_a_beginning_before_its_end,
    a_connector_has_the_keys_of_its_class,
    a_verb_needs_what_it_does,
    an_operator_says_whose_order_it_is,
    two_ways_of_asking_exclude_each_other,
    a_key_belongs_to_one_body,
    a_shop_may_refuse_an_order,
    a_cursor_is_made_by_the_list_alone,
    a_log_ends_somewhere,
    a_product_stands_in_one_line,
    card_data_is_never_taken,
    a_password_is_known_or_not,
]


@schemathesis.hook
def filter_failure(ctx, failure, case, response):
    """Whether the complaint counts."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData" and "application/x-ndjson" in str(case.media_type):
        # An import takes any text as lines, and answers each bad one by a result of its own.
        return False
    if kind == "AcceptedNegativeData" and case.path_parameters and str((case.query or {}).get("cursor", "")).isdigit():
        # Parked events are listed from a number on, and a number may have any zeros before it.
        return not case.operation.path.endswith("/parked")
    if kind != "RejectedPositiveData":
        return True
    try:
        problem = json.loads(response.content)
    except ValueError:
        return True
    return not any(excuse(problem, case) for excuse in EXCUSES)


def pointers(problem):
    """Where the body or the query is wrong."""
    return {error["pointer"] for error in problem.get("errors", [])}


def details(problem):
    """What is wrong there."""
    return {error["detail"] for error in problem.get("errors", [])}
