"""Providers that sign a text of their own, or whose proof is in the body."""

import hashlib
import hmac
import json
from urllib.parse import parse_qsl, quote, urlencode

from provider_signer.kit import URL, Pen, Sent
from provider_signer.sender import FORM_BODY, LIST_BODY, Send, Sender, as_json

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def linkedin(pen: Pen) -> Sent:
    """LinkedIn signs a beginning and the body."""
    return pen.post({"X-LI-Signature": pen.hex(pen.mac(b"hmacsha256=" + pen.body))})


def deel(pen: Pen) -> Sent:
    """Deel signs the method and the body."""
    return pen.post({"x-deel-signature": pen.hex(pen.mac(b"POST" + pen.body))})


def framer(pen: Pen) -> Sent:
    """Framer signs the body and the submission's id."""
    proof = pen.hex(pen.mac(pen.body + b"7f3d-submission"))
    return pen.post(
        {"Framer-Signature": f"sha256={proof}", "Framer-Webhook-Submission-Id": "7f3d-submission"}
    )


def square(pen: Pen) -> Sent:
    """Square signs the address and the body."""
    return pen.post({"x-square-hmacsha256-signature": pen.b64(pen.mac(URL.encode() + pen.body))})


def trello(pen: Pen) -> Sent:
    """Trello signs the body and the address."""
    return pen.post({"X-Trello-Webhook": pen.b64(pen.mac(pen.body + URL.encode(), "sha1"))})


def _fields(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True)


def address_and_form(header: str) -> Send:
    """Return a sender that signs the address and the form's fields, sorted, with nothing between them."""

    def send(pen: Pen) -> Sent:
        text = URL + "".join(name + value for name, value in sorted(_fields(pen.body)))
        return pen.post(FORM | {header: pen.b64(pen.mac(text.encode(), "sha1"))})

    return send


def hubspot(pen: Pen) -> Sent:
    """HubSpot signs method, address, body and time."""
    stamp = pen.millis()
    text = b"POST" + URL.encode() + pen.body + stamp.encode()
    return pen.post({"X-HubSpot-Signature-v3": pen.b64(pen.mac(text)), "X-HubSpot-Request-Timestamp": stamp})


def contentful(pen: Pen) -> Sent:
    """Contentful signs method, path, the headers that a list names, and the body."""
    stamp = pen.millis()
    signed = {"x-contentful-timestamp": stamp, "x-contentful-topic": "ContentManagement.Entry.publish"}
    names = sorted([*signed, "x-contentful-signed-headers"])
    headers = signed | {"x-contentful-signed-headers": ",".join(names)}
    lines = ";".join(f"{name}:{headers[name]}" for name in names)
    text = f"POST\n/webhooks/planted\n{lines}\n".encode() + pen.body
    return pen.post(headers | {"x-contentful-signature": pen.hex(pen.mac(text))})


def plivo(pen: Pen) -> Sent:
    """Plivo signs the address, the form's sorted fields, and a nonce."""
    fields = "".join(name + value for name, value in sorted(_fields(pen.body)))
    text = f"{URL}?{fields}.12345".encode()
    proofs = ",".join(pen.b64(pen.mac(text, key=key)) for key in pen.keys)
    return pen.post(FORM | {"X-Plivo-Signature-V3": proofs, "X-Plivo-Signature-V3-Nonce": "12345"})


def mercado_pago(pen: Pen) -> Sent:
    """Mercado Pago signs an id in the query, the request's id, and a time."""
    stamp = pen.millis()
    proof = pen.hex(pen.mac(f"id:ord01jq4planted;request-id:req-7;ts:{stamp};".encode()))
    return pen.post(
        {"x-signature": f"ts={stamp},v1={proof}", "x-request-id": "req-7"},
        query={"data.id": "ORD01JQ4PLANTED", "type": "order"},
        url=f"{URL}?data.id=ORD01JQ4PLANTED&type=order",
    )


def adyen(pen: Pen) -> Sent:
    """Adyen signs fields of each item, and puts the signature into the item."""
    items = []
    for number in (1, 2):
        fields = {
            "pspReference": f"79140733813422{number}",
            "originalReference": "",
            "merchantAccountCode": "PlantedMerchant",
            "merchantReference": f"planted-{number}",
            "value": "1130",
            "currency": "EUR",
            "eventCode": "AUTHORISATION",
            "success": "true",
        }
        proof = pen.b64(pen.mac(":".join(fields.values()).encode()))
        items.append(
            {
                "NotificationRequestItem": {
                    "additionalData": {"hmacSignature": proof},
                    "amount": {"currency": "EUR", "value": 1130},
                    "eventCode": fields["eventCode"],
                    "merchantAccountCode": fields["merchantAccountCode"],
                    "merchantReference": fields["merchantReference"],
                    "pspReference": fields["pspReference"],
                    "success": "true",
                }
            }
        )
    return pen.post({}, as_json({"live": "false", "notificationItems": items}))


def mailgun(pen: Pen) -> Sent:
    """Mailgun signs a time and a token, in the body."""
    stamp = pen.secs()
    token = "b0e5planted" + "0" * 39
    signature = {"timestamp": stamp, "token": token, "signature": pen.hex(pen.mac((stamp + token).encode()))}
    return pen.post({}, as_json({"signature": signature, "event-data": {"event": "opened", "id": "e-1"}}))


def dropbox_sign(pen: Pen) -> Sent:
    """Dropbox Sign signs the event's time and type, and sends JSON in a part of multipart/form-data."""
    stamp = pen.secs()
    event = {"event_time": stamp, "event_type": "planted_sent"}
    event["event_hash"] = pen.hex(pen.mac((stamp + event["event_type"]).encode()))
    part = b'--cut\r\nContent-Disposition: form-data; name="json"\r\n\r\n'
    body = part + json.dumps({"event": event}).encode() + b"\r\n--cut--\r\n"
    return pen.post({"Content-Type": "multipart/form-data; boundary=cut"}, body)


def braintree(pen: Pen) -> Sent:
    """Braintree signs base64 of XML, under the SHA-1 of the private key, in pairs."""
    payload = "PG5vdGlmaWNhdGlvbj48a2luZD5wbGFudGVkPC9raW5kPjwvbm90aWZpY2F0aW9uPg==\n"
    name = pen.hash("sha1")
    pairs = []
    for number, key in enumerate(pen.keys):
        assert isinstance(key, bytes)
        mac = hmac.new(hashlib.sha1(key).digest(), payload.encode(), name).digest()  # noqa: S324 (Braintree's)
        pairs.append(f"public_{number}|{pen.hex(mac)}")
    return pen.post(FORM, urlencode({"bt_signature": "&".join(pairs), "bt_payload": payload}).encode())


_SORTED_FORM = b"AccountSid=AC17&Body=planted+text&From=%2B14158675309&To=%2B18005551212"
_MANDRILL = "mandrill_events=" + quote('[{"event": "open", "_id": "planted"}]')

SENDERS = [
    Sender(slug="linkedin", send=linkedin),
    Sender(slug="deel", send=deel),
    Sender(slug="framer", send=framer),
    Sender(slug="square", send=square),
    Sender(slug="trello", send=trello),
    Sender(slug="twilio", send=address_and_form("X-Twilio-Signature"), body=_SORTED_FORM),
    Sender(slug="mandrill", send=address_and_form("X-Mandrill-Signature"), body=_MANDRILL.encode()),
    Sender(slug="hubspot", send=hubspot, body=LIST_BODY, window=300),
    Sender(slug="contentful", send=contentful, window=30),
    Sender(slug="plivo", send=plivo, body=FORM_BODY, rotates=True, commas=True),
    Sender(
        slug="mercado-pago",
        send=mercado_pago,
        covers="query",
        tamper=("ORD01JQ4PLANTED", "ORD01JQ4PLANT3D"),
        commas=True,
    ),
    Sender(slug="adyen", send=adyen, key="hex-upper", covers="fields", tamper=("planted-2", "plant3d-2")),
    Sender(slug="mailgun", send=mailgun, covers="fields", tamper=("b0e5planted", "b0e5plant3d")),
    Sender(slug="dropbox-sign", send=dropbox_sign, covers="fields", tamper=("planted_sent", "plant3d_sent")),
    Sender(slug="braintree", send=braintree, tamper=("PG5vdGlm", "PG5vdGln"), rotates=True),
]
