"""Every provider's own published example is accepted. Each sample names its source."""

import json
from pathlib import Path
from typing import Any

import pytest

from push_relay.core.errors import SignatureInvalid
from push_relay.core.trust.presets import FAMILIES
from push_relay.core.trust.schemes.moment import iso8601
from push_relay.core.trust.schemes.proof import Evidence
from push_relay.core.trust.schemes.registry import SCHEMES, read_scheme
from push_relay.core.trust.schemes.signed import Signed
from sns_sender import URL, Request

SAMPLES = Path(__file__).parents[2] / "samples" / "schemes"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))

#: Schemes that compute nothing, so there is nothing to publish a vector for.
WITHOUT_VECTOR = {"token", "any-of", "none"}
#: Zendesk's own vector uses the signed order of 2021. Another project's vector uses the present order, but a
#: timestamp format that Zendesk does not use. Both are written with the scheme `hmac`. A test below compares
#: the scheme `zendesk` with the second.
SPELT_OUT = {"zendesk"}
#: Schemes whose proof does not cover the body.
WITHOUT_BODY = {"basic"}


def load(name: str) -> tuple[dict[str, Any], Request, Evidence]:
    """Return a vector, its request, and the evidence that the receiver has."""
    vector = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    request = Request(vector["body"].encode(), vector["headers"], {}, vector.get("url", URL))
    evidence = Evidence(
        [vector["secret"].encode()],
        vector["now"],
        lambda _address: (SAMPLES / vector["certificate"]).read_bytes(),
        frozenset({vector.get("topic", "")}),
    )
    return vector, request, evidence


@pytest.mark.parametrize("name", NAMES)
def test_the_published_vector_is_accepted(name: str) -> None:
    """The provider or the standard defines which signature is correct."""
    vector, request, evidence = load(name)
    verified = read_scheme(vector["verify"])(request, evidence)
    assert verified.event_id == vector.get("event_id")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_BODY])
def test_the_published_vector_with_another_body_is_refused(name: str) -> None:
    """A scheme that accepted everything would pass the test above."""
    vector, request, evidence = load(name)
    body = request.body.replace(b"o", b"0").replace(b"test", b"best")
    if "change" in vector:
        body = request.body.replace(*(text.encode() for text in vector["change"]))
    assert body != request.body
    with pytest.raises(SignatureInvalid):
        read_scheme(vector["verify"])(Request(body, request.headers, {}, request.url), evidence)


def test_every_scheme_has_a_published_vector() -> None:
    """A new scheme needs a vector, or an entry above with the reason."""
    published = {load(name)[0]["verify"]["scheme"] for name in NAMES}
    assert published >= {*SCHEMES, *FAMILIES["first"]} - WITHOUT_VECTOR - SPELT_OUT
    assert all(load(name)[0]["source"] for name in NAMES)


def test_zendesk_differs_from_its_vector_only_in_the_format_of_the_time() -> None:
    """Header, order, hash function and encoding are equal, so the vector also holds for the scheme."""
    vector, _, _ = load("zendesk-webhookx")
    written_out, ours = (read_scheme(verify).verify for verify in (vector["verify"], {"scheme": "zendesk"}))
    assert isinstance(written_out, Signed)
    assert isinstance(ours, Signed)
    left, right = written_out.description, ours.description
    assert (left.timestamp, right.timestamp) != (None, None)
    for name in ("places", "prefix", "list", "spelling", "algorithm", "key_name", "id", "covers"):
        assert getattr(left, name) == getattr(right, name)
    assert [piece.name for piece in left.text.variables] == [piece.name for piece in right.text.variables]
    assert left.timestamp
    assert right.timestamp == left.timestamp._replace(read=iso8601, format="iso8601")
