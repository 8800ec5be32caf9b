"""Captured requests of made-up senders, one for each shape that `relayctl new` reads.

Each has planted secrets: values that must not be found anywhere in the folder that is made of it.
"""

import json
from typing import Any, NamedTuple


class Sender(NamedTuple):
    """The files of a sender by name, and the planted values.

    files   a text is written as it is, any other value as JSON
    scheme  the scheme that is guessed
    """

    files: dict[str, Any]
    planted: tuple[str, ...]
    scheme: str = "token"
    arguments: tuple[str, ...] = ()


_SIGNATURE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_PEOPLE = ("Wilhelmina", "Oakenfold", "w.oakenfold@mill.invalid", "+44 20 7946 0958", "wilma_oak")


def _monitor(status: str, **more: Any) -> dict[str, Any]:
    return {
        "monitor": {
            "id": 17,
            "name": "Checkout page",
            "url": "https://shop.mill.invalid/checkout?k=Tr0ub4dor",
        },
        "status": status,
        "checkedFrom": "10.77.3.9",
        "oncall": {"name": "Wilhelmina Oakenfold", "email": "w.oakenfold@mill.invalid"},
        **more,
    }


#: A body alone, firing and resolved.
MONITOR = Sender(
    {
        "down.json": _monitor("down", error="Timeout. Ask Wilhelmina Oakenfold, +44 20 7946 0958."),
        "up.json": _monitor("up", latency=211),
    },
    (*_PEOPLE[:4], "mill.invalid", "Tr0ub4dor", "10.77.3.9"),
)

#: An invocation of API Gateway, whose header is that of a preset, with the types of its events in a field.
_PAID = {
    "id": "evt_1NqK3zLkdIwHu7ixM2Xo",
    "type": "invoice.paid",
    "data": {
        "invoice": {"number": "INV-7", "amount": 1999, "currency": "eur", "title": "Rye, March"},
        "note": "Packed by Elmwood",
        "customer": {
            "name": "Wilhelmina Oakenfold",
            "iban": "DE89370400440532013000",
            "phone": "+44 20 7946 0958",
        },
    },
}
_FAILED = {
    "id": "evt_2PqK3zLkdIwHu7ixM2Xo",
    "type": "payment.failed",
    "data": {
        "author": "Fred Elmwood",
        "reason": "Card declined",
        "card": {"last4": "4242"},
        "attempt_count": 2,
        "title": "Wheat, March",
    },
}


def _invocation(body: Any, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "headers": {"content-type": "application/json", "x-forwarded-for": "203.0.113.77", **headers},
        "requestContext": {"http": {"method": "POST", "path": "/webhooks/shop", "sourceIp": "203.0.113.77"}},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


INVOICES = Sender(
    {
        "a.json": _invocation(
            _PAID, {"stripe-signature": f"t=1800000000,v1={_SIGNATURE}", "cookie": "sid=c00k1e"}
        ),
        "b.json": _invocation(_FAILED, {"stripe-signature": f"t=1800000001,v1={_SIGNATURE}"}),
    },
    (
        *_PEOPLE[:2],
        "Elmwood",  # named by a field of the second file alone
        "DE89370400440532013000",
        "+44 20 7946 0958",
        "4242",
        "1NqK3zLkdIwHu7ixM2Xo",
        _SIGNATURE,
        "c00k1e",
        "203.0.113.77",
    ),
    scheme="stripe",
)

#: A dump of headers and body: a signature that no preset has, and the type in a header.
TICKETS = Sender(
    {
        "opened.txt": (
            "POST /webhooks/desk?debug=s3cr3tparam HTTP/1.1\n"
            "Host: relay.mill.invalid\n"
            "X-Desk-Event: ticket.opened\n"
            "X-Desk-Delivery: 5f0c2f6e-7a53-4c3e-9d0b-0a4bd8f6a111\n"
            f"X-Desk-Signature: sha256={_SIGNATURE}\n"
            "Content-Type: application/json\n"
            "\n"
            + json.dumps(
                {
                    "ticket": {
                        "subject": "Oven 3 is cold",
                        "description": "<p>Dear Wilhelmina, it is <b>cold</b>. password: hunter2hunter</p>",
                        "priority": "high",
                        "requester": {"login": "wilma_oak", "name": "Wilhelmina Oakenfold"},
                        "tags": ["oven", "night"],
                    }
                }
            )
        ),
        "closed.txt": (
            "> POST /webhooks/desk HTTP/2\r\n> x-desk-event: ticket.closed\r\n> x-desk-delivery: 6a\r\n"
            f"> x-desk-signature: sha256={_SIGNATURE}\r\n> content-type: application/json\r\n>\r\n\r\n"
            + json.dumps(
                {"ticket": {"subject": "Oven 3 is cold", "priority": None, "closed_by": "wilma_oak"}}
            )
        ),
    },
    (
        *_PEOPLE[:2],
        "wilma_oak",
        "hunter2hunter",
        "s3cr3tparam",
        "5f0c2f6e-7a53",
        _SIGNATURE,
        "relay.mill.invalid",
    ),
    scheme="signed",
)

#: An example with a group of alerts, and a token in a header.
GROUP = Sender(
    {
        "group.json": {
            "headers": {"X-Api-Token": "tok_live_8sd7f6s8d7f6"},
            "body": {
                "state": "firing",
                "receiver": "night",
                "alerts": [
                    {"name": "Disk full", "host": "db-07.mill.invalid", "level": "critical", "value": 97.5},
                    {"name": "Disk full", "host": "db-08.mill.invalid", "level": "critical", "value": 91.0},
                ],
                "access_key": "AKIAQZ7EXAMPLEKEY123",
            },
        }
    },
    ("tok_live_8sd7f6s8d7f6", "mill.invalid", "AKIAQZ7EXAMPLEKEY123", "db-07", "db-08"),
)

#: A form with JSON in one of its fields.
FORM_WITH_JSON = Sender(
    {
        "post.txt": (
            "Content-Type: application/x-www-form-urlencoded\n\n"
            "payload=%7B%22event%22%3A%22build%22%2C%22result%22%3A%22failed%22%2C%22project%22%3A%22bakery%22%2C%22branch%22"
            "%3A%22main%22%2C%22author%22%3A%22Wilhelmina+Oakenfold%22%7D&token=f0rmt0kenvalue"
        )
    },
    ("Wilhelmina", "Oakenfold", "f0rmt0kenvalue"),
)

#: A form whose fields are the questions of people.
FORM = Sender(
    {
        "body.txt": (
            "Your+name=Wilhelmina+Oakenfold&E-mail=w.oakenfold%40mill.invalid&Message=Two+loaves%2C+please"
            "&form_name=Order"
        ),
    },
    _PEOPLE[:3],
)

#: Answers as objects with a label and a value.
ANSWERS = Sender(
    {
        "answers.json": {
            "eventType": "FORM_RESPONSE",
            "form": {"id": "wXzQ8k", "title": "Order of bread"},
            "answers": [
                {"label": "Full name", "value": "Wilhelmina Oakenfold"},
                {"label": "Phone", "value": "02079460958"},
                {"label": "How many loaves?", "value": "2"},
            ],
        }
    },
    ("Wilhelmina", "Oakenfold", "02079460958"),
)

#: XML.
XML = Sender(
    {
        "order.xml": (
            '<?xml version="1.0"?><order id="A-7" xmlns="urn:mill"><state>late</state>'
            "<title>Rye &amp; wheat</title>"
            "<item>rye</item><item>wheat</item><customer><name>Wilhelmina Oakenfold</name>"
            "<email>w.oakenfold@mill.invalid</email></customer><secret>xmls3cretvalue</secret></order>"
        )
    },
    (*_PEOPLE[:3], "xmls3cretvalue"),
)

#: A list: each item is an event.
LIST = Sender(
    {
        "list.json": [
            {
                "event": "bounce",
                "reason": "Mailbox full",
                "recipient": "w.oakenfold@mill.invalid",
                "id": "e1",
            },
            {"event": "delivered", "recipient": "w.oakenfold@mill.invalid", "id": "e2"},
        ]
    },
    ("w.oakenfold", "mill.invalid"),
)

#: Lines of JSON.
LINES = Sender(
    {
        "log.ndjson": (
            '{"level": "error", "msg": "disk at 10.77.3.9 is full"}\n'
            '{"level": "info", "msg": "tidy", "user": "wilma_oak"}\n'
        )
    },
    ("10.77.3.9", "wilma_oak"),
)

SENDERS: dict[str, Sender] = {
    "monitor": MONITOR,
    "invoices": INVOICES,
    "tickets": TICKETS,
    "group": GROUP,
    "form-with-json": FORM_WITH_JSON,
    "form": FORM,
    "answers": ANSWERS,
    "xml": XML,
    "list": LIST,
    "lines": LINES,
}
