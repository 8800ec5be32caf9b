"""Providers that sign a time with the body: in a header of its own, or in the signature's list."""

from collections.abc import Callable

from provider_signer.kit import Pen, Sent, sha256
from provider_signer.sender import LIST_BODY, Send, Sender

type Clock = Callable[[Pen], str]


def standard(begins: str) -> Send:
    """Return a sender of the Standard Webhooks family."""

    def send(pen: Pen) -> Sent:
        stamp = pen.secs()
        text = b"msg_planted." + stamp.encode() + b"." + pen.body
        proofs = " ".join("v1," + pen.b64(pen.mac(text, key=key)) for key in pen.keys)
        return pen.post(
            {f"{begins}-Id": "msg_planted", f"{begins}-Timestamp": stamp, f"{begins}-Signature": proofs}
        )

    return send


def finch(pen: Pen) -> Sent:
    """Finch has the family's text, with headers of its own."""
    stamp = pen.secs()
    text = b"evt-7." + stamp.encode() + b"." + pen.body
    proofs = " ".join("v1," + pen.b64(pen.mac(text, key=key)) for key in pen.keys)
    return pen.post({"Finch-Event-Id": "evt-7", "Finch-Timestamp": stamp, "Finch-Signature": proofs})


def listed(  # noqa: PLR0913, PLR0917 (each is a trait of a list)
    header: str,
    time: str,
    item: str,
    joint: str = ",",
    between: bytes = b".",
    name: str = "sha256",
    clock: Clock = Pen.secs,
    write: Callable[[Pen, bytes], str] = Pen.hex,
) -> Send:
    """Return a sender of `t=<time>,v1=<proof>`, with an item for each key."""

    def send(pen: Pen) -> Sent:
        stamp = clock(pen)
        text = stamp.encode() + between + pen.body
        proofs = [f"{item}={write(pen, pen.mac(text, name, key))}" for key in pen.keys]
        return pen.post({header: joint.join([f"{time}={stamp}", *proofs])})

    return send


def persona(pen: Pen) -> Sent:
    """Persona writes a group for each key, with a space between them."""
    stamp = pen.secs()
    text = stamp.encode() + b"." + pen.body
    groups = [f"t={stamp},v1={pen.hex(pen.mac(text, key=key))}" for key in pen.keys]
    return pen.post({"Persona-Signature": " ".join(groups)})


def recurly(pen: Pen) -> Sent:
    """Recurly writes the time first, without a name."""
    stamp = pen.millis()
    text = stamp.encode() + b"." + pen.body
    return pen.post(
        {"recurly-signature": ",".join([stamp, *(pen.hex(pen.mac(text, key=k)) for k in pen.keys)])}
    )


def coinbase(pen: Pen) -> Sent:
    """Coinbase's header also has items that bind further headers."""
    stamp = pen.secs()
    proof = pen.hex(pen.mac(stamp.encode() + b"." + pen.body))
    return pen.post({"X-Hook0-Signature": f"t={stamp},h=content-type x-event-id,v0={proof},v1={'ab' * 32}"})


def ripple(pen: Pen) -> Sent:
    """Ripple signs the body's hash, and repeats the time."""
    stamp = pen.millis()
    proof = pen.hex(pen.mac(f"{stamp}.{sha256(pen.body)}".encode()))
    return pen.post({"X-Webhook-Signature": f"t={stamp},v1={proof}", "X-Webhook-Timestamp": stamp})


def untimed_list(header: str, item: str) -> Send:
    """Return a sender of `v1=<proof>` for each key, without a time."""
    return lambda pen: pen.post(
        {header: ",".join(f"{item}={pen.hex(pen.mac(pen.body, key=key))}" for key in pen.keys)}
    )


def mollie(pen: Pen) -> Sent:
    """Mollie repeats its header for each key, which an HTTP API joins with a comma and a space."""
    return pen.post(
        {"X-Mollie-Signature": ", ".join("sha256=" + pen.hex(pen.mac(pen.body, key=k)) for k in pen.keys)}
    )


def workos(pen: Pen) -> Sent:
    """WorkOS writes a space after the comma."""
    stamp = pen.millis()
    return pen.post(
        {"WorkOS-Signature": f"t={stamp}, v1={pen.hex(pen.mac(stamp.encode() + b'.' + pen.body))}"}
    )


def version_0(signature: str, timestamp: str, begins: str = "v0=") -> Send:
    """Return a sender of the text `v0:<time>:<body>`, which is Slack's."""

    def send(pen: Pen) -> Sent:
        stamp = pen.secs()
        proof = pen.hex(pen.mac(b"v0:" + stamp.encode() + b":" + pen.body))
        return pen.post({signature: begins + proof, timestamp: stamp})

    return send


def samsara(pen: Pen) -> Sent:
    """Samsara's text is like Slack's, of version 1."""
    stamp = pen.secs()
    proof = pen.hex(pen.mac(b"v1:" + stamp.encode() + b":" + pen.body))
    return pen.post({"X-Samsara-Signature": f"v1={proof}", "X-Samsara-Timestamp": stamp})


def before(
    signature: str,
    timestamp: str,
    between: bytes,
    clock: Clock = Pen.secs,
    write: Callable[[Pen, bytes], str] = Pen.hex,
) -> Send:
    """Return a sender that signs the time, a text between, and the body."""

    def send(pen: Pen) -> Sent:
        stamp = clock(pen)
        return pen.post(
            {signature: write(pen, pen.mac(stamp.encode() + between + pen.body)), timestamp: stamp}
        )

    return send


def klaviyo(pen: Pen) -> Sent:
    """Klaviyo signs the body and an HTTP date."""
    stamp = pen.http_date()
    return pen.post(
        {"Klaviyo-Signature": pen.hex(pen.mac(pen.body + stamp.encode())), "Klaviyo-Timestamp": stamp}
    )


def box(pen: Pen) -> Sent:
    """Box sends one header for each of two keys, and a time with an offset."""
    stamp = pen.stamp(f"{pen.moment():%Y-%m-%dT%H:%M:%S}+00:00")
    names = ("BOX-SIGNATURE-PRIMARY", "BOX-SIGNATURE-SECONDARY")
    proofs = {
        name: pen.b64(pen.mac(pen.body + stamp.encode(), key=key))
        for name, key in zip(names, pen.keys, strict=False)
    }
    return pen.post(proofs | {"BOX-DELIVERY-TIMESTAMP": stamp, "BOX-DELIVERY-ID": "d-1"})


def configcat(pen: Pen) -> Sent:
    """ConfigCat signs an id, a time and the body, with nothing between them."""
    stamp = pen.secs()
    text = b"0123456789abcdef" + stamp.encode() + pen.body
    return pen.post(
        {
            "X-ConfigCat-Webhook-ID": "0123456789abcdef",
            "X-ConfigCat-Webhook-Timestamp": stamp,
            "X-ConfigCat-Webhook-Signature-V1": ",".join(pen.b64(pen.mac(text, key=k)) for k in pen.keys),
        }
    )


def sinch(pen: Pen) -> Sent:
    """Sinch signs the body, a nonce and the time."""
    stamp = pen.secs()
    proof = pen.b64(pen.mac(pen.body + b".01ABCNONCE." + stamp.encode()))
    name = "x-sinch-webhook-signature"
    return pen.post(
        {
            name: proof,
            f"{name}-timestamp": stamp,
            f"{name}-nonce": "01ABCNONCE",
            f"{name}-algorithm": "HmacSHA256",
        }
    )


def twitch(pen: Pen) -> Sent:
    """Twitch's time has nanoseconds."""
    stamp = pen.rfc3339(".634234626")
    proof = pen.hex(pen.mac(b"e76c6bd4-55c9" + stamp.encode() + pen.body))
    begins = "Twitch-Eventsub-Message"
    return pen.post(
        {
            f"{begins}-Id": "e76c6bd4-55c9",
            f"{begins}-Timestamp": stamp,
            f"{begins}-Signature": f"sha256={proof}",
        }
    )


def linear(pen: Pen) -> Sent:
    """Linear's time is in the signed body."""
    body = pen.body[:-1] + f', "webhookTimestamp": {pen.millis()}}}'.encode()
    return pen.post({"Linear-Signature": pen.hex(pen.mac(body))}, body)


def zendesk(pen: Pen) -> Sent:
    """Zendesk signs a time in RFC 3339 and the body."""
    stamp = pen.rfc3339()
    proof = pen.b64(pen.mac(stamp.encode() + pen.body))
    name = "X-Zendesk-Webhook-Signature"
    return pen.post({name: proof, f"{name}-Timestamp": stamp})


_STANDARD = (
    *("render", "openai", "replicate", "gemini", "incident-io", "etsy", "loops", "increase"),
    "standard-webhooks",
)

SENDERS = [
    *(
        Sender(slug=slug, send=standard("webhook"), key="whsec", window=300, rotates=True)
        for slug in _STANDARD
    ),
    *(
        Sender(slug=slug, send=standard("svix"), key="whsec", window=300, rotates=True)
        for slug in ("clerk", "resend", "stytch", "vanta")
    ),
    Sender(slug="supabase", send=standard("webhook"), key="v1,whsec", window=300, rotates=True),
    Sender(slug="brex", send=standard("webhook"), key="base64", window=300, rotates=True),
    Sender(slug="polar", send=standard("webhook"), window=300, rotates=True),
    Sender(slug="finch", send=finch, key="base64", window=300, rotates=True),
    *(
        Sender(slug=slug, send=listed(header, time, item), window=window, rotates=True, commas=True)
        for slug, header, time, item, window in (
            ("stripe", "Stripe-Signature", "t", "v1", 300),
            ("mux", "Mux-Signature", "t", "v1", 300),
            ("shippo", "Shippo-Auth-Signature", "t", "v1", 300),
            ("buildkite", "X-Buildkite-Signature", "timestamp", "signature", 300),
            ("tiktok", "TikTok-Signature", "t", "s", 300),
            ("calendly", "Calendly-Webhook-Signature", "t", "v1", 180),
            ("elevenlabs", "ElevenLabs-Signature", "t", "v0", 1800),
            ("cloudflare-stream", "Webhook-Signature", "time", "sig1", 300),
            ("fintoc", "Fintoc-Signature", "t", "v1", 300),
        )
    ),
    Sender(
        slug="tailscale",
        send=listed("Tailscale-Webhook-Signature", "t", "v1"),
        window=300,
        rotates=True,
        commas=True,
        body=LIST_BODY,
    ),
    Sender(
        slug="affirm",
        send=listed("X-Affirm-Signature", "t", "v0", name="sha512"),
        window=300,
        rotates=True,
        commas=True,
    ),
    Sender(
        slug="knock",
        send=listed("x-knock-signature", "t", "s", clock=Pen.millis, write=Pen.b64),
        window=300,
        rotates=True,
        commas=True,
    ),
    Sender(
        slug="paddle",
        send=listed("Paddle-Signature", "ts", "h1", joint=";", between=b":"),
        window=300,
        rotates=True,
    ),
    Sender(
        slug="sanity",
        send=listed("sanity-webhook-signature", "t", "v1", clock=Pen.millis, write=Pen.b64url),
        rotates=True,
        commas=True,
    ),
    Sender(slug="workos", send=workos, window=300, commas=True),
    Sender(slug="persona", send=persona, window=300, rotates=True, commas=True),
    Sender(slug="recurly", send=recurly, window=300, rotates=True, commas=True),
    Sender(slug="coinbase-cdp", send=coinbase, window=300, commas=True),
    Sender(slug="ripple", send=ripple, key="base64", window=300, commas=True),
    Sender(slug="circleci", send=untimed_list("circleci-signature", "v1"), rotates=True, commas=True),
    Sender(slug="pagerduty", send=untimed_list("X-PagerDuty-Signature", "v1"), rotates=True, commas=True),
    Sender(slug="mollie", send=mollie, rotates=True, commas=True),
    Sender(slug="slack", send=version_0("X-Slack-Signature", "X-Slack-Request-Timestamp"), window=300),
    Sender(slug="zoom", send=version_0("x-zm-signature", "x-zm-request-timestamp"), window=300),
    Sender(slug="customer-io", send=version_0("X-CIO-Signature", "X-CIO-Timestamp", ""), window=300),
    Sender(slug="samsara", send=samsara, key="base64", window=300),
    Sender(
        slug="webflow",
        send=before("x-webflow-signature", "x-webflow-timestamp", b":", Pen.millis),
        window=300,
    ),
    Sender(slug="klaviyo", send=klaviyo, window=300),
    Sender(slug="airship", send=before("X-UA-SIGNATURE", "X-UA-TIMESTAMP", b":"), window=300),
    Sender(slug="lob", send=before("Lob-Signature", "Lob-Signature-Timestamp", b".", Pen.millis)),
    Sender(slug="airwallex", send=before("x-signature", "x-timestamp", b"", Pen.millis), window=300),
    Sender(
        slug="front",
        send=before("X-Front-Signature", "X-Front-Request-Timestamp", b":", Pen.millis, Pen.b64),
        window=300,
    ),
    Sender(slug="box", send=box, window=600, rotates=True),
    Sender(slug="configcat", send=configcat, rotates=True, commas=True),
    Sender(slug="sinch", send=sinch, window=300),
    Sender(slug="zendesk", send=zendesk, window=300),
    Sender(slug="twitch", send=twitch, window=600),
    Sender(slug="linear", send=linear, window=60),
]
