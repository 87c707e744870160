"""Makes things for Schemathesis to find: orders in every state, drafts, their sagas, payments and mails. Prints their ids as
JSON, by the name of the parameter that takes them.

Usage: prepare.py URL OPERATOR_TOKEN
"""

import json
import sys
import time
import urllib.request

URL, TOKEN = sys.argv[1:]


def call(method, path, body=None, **headers):
    """The answer's body, or None where the shop refuses."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def place(key, **more):
    lines = [{"productId": "candle", "quantity": 2}, {"productId": "lute", "quantity": 1}]
    return call("POST", "/v1/orders", {"items": lines, **more}, Idempotency_Key=key)["orderId"]


def main():
    visa = {"paymentMethod": {"token": "tok_visa"}}
    orders = [place(f"prepared-{user}-{nth}", userId=user, **visa) for user in (1, 2) for nth in range(4)]
    drafts = [place(f"draft-{user}", userId=user, draft=True) for user in (1, 2)]
    for order in orders[:2] + orders[4:6]:
        call("POST", f"/v1/orders/{order}/ship", {"carrier": "Staffetta", "trackingNumber": "IT-4711"})
    call("POST", f"/v1/orders/{orders[0]}/deliver", {})
    call("POST", f"/v1/orders/{orders[3]}/cancel", {})
    while len(mails := call("GET", "/v1/mails?limit=200")["items"]) < len(orders):
        time.sleep(0.05)
    sagas = [saga["sagaId"] for saga in call("GET", "/v1/sagas?limit=200")["items"]]
    json.dump(
        {
            "orderId": orders + drafts,
            "sagaId": sagas,
            "productId": ["lute", "candle", "stand", "last-ticket"],
            "userId": [1, 2, 3],
            "name": [projection["name"] for projection in call("GET", "/v1/projections")["items"]],
            "key": [mail["key"] for mail in mails],
        },
        sys.stdout,
    )


main()
