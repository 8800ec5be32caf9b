"""A description that proves nothing is refused when it is built, with its key and a way to correct it."""

from pathlib import Path
from typing import Any

import pytest

from push_relay.adapters.catalog import open_source_folder
from push_relay.core.rules.findings import Mistakes
from push_relay.core.trust.presets import PRESETS
from push_relay.core.trust.presets.preset import Preset
from push_relay.core.trust.schemes.registry import read_scheme
from push_relay.core.trust.verify_base import Verify
from relayctl.checking import check

SIGNED = {"scheme": "signed", "signature": "header:X-S"}
LISTED = {**SIGNED, "split": ",", "item": "v1"}
PUBLIC = {"scheme": "public-key", "signature": "header:X-S", "algorithm": "ed25519", "key": "hex"}
TIMED = {**SIGNED, "timestamp": "header:X-T"}

MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"scheme": "signed"}, "verify", "`signature` is missing"),
    ({**SIGNED, "header": "X-S"}, "verify.header", "is short for `signature`"),
    ({**SIGNED, "text": "{header:X-A}"}, "verify.text", "does not contain the content"),
    ({**SIGNED, "text": "{body|crc32}"}, "verify.text", "does not contain the content"),
    ({**SIGNED, "text": "{form:payload}"}, "verify.text", "does not contain the content"),
    ({**SIGNED, "content": "unsigned"}, "verify.content", "`text` contains it"),
    ({**SIGNED, "text": "{bodi}"}, "verify.text", "`{bodi}` is not a placeholder; did you mean `{body}`?"),
    ({**SIGNED, "text": "{signature}{body}"}, "verify.text", "a place such as {header:NAME}, {setting:NAME}"),
    ({**SIGNED, "text": "{body|md5}"}, "verify.text", "`md5` in `{body|md5}` is not a filter"),
    ({**SIGNED, "text": "{body}}"}, "verify.text", "a brace that belongs to no placeholder"),
    ({**SIGNED, "text": "{header|plivo}{body}"}, "verify.text", "`{header|plivo}` is not a placeholder"),
    ({**SIGNED, "text": "{body|plivo}"}, "verify.text", "`plivo` cannot be used in `{body|plivo}`"),
    ({**SIGNED, "text": "{timestamp}.{body}"}, "verify.text", "needs the key `timestamp`"),
    ({**SIGNED, "text": "{url}{body}"}, "verify.text", "nothing between `{url}` and `{body}`"),
    (
        {**SIGNED, "text": "{header:x-id}{body}"},
        "verify.text",
        "nothing between `{header:x-id}` and `{body}`",
    ),
    (
        {**SIGNED, "text": "[[{header:x-id}.]]{body}"},
        "verify.text",
        "a part in `[[ ]]` that a forger can leave out",
    ),
    ({**SIGNED, "text": "{item:t}.{body}"}, "verify.text", "add the key `split`"),
    ({**SIGNED, "signature": "json:/sig"}, "verify.signature", "inside the content that `text` signs"),
    ({**SIGNED, "signature": "form:sig"}, "verify.signature", "inside the content that `text` signs"),
    ({**SIGNED, "signature": "cookie:sig"}, "verify.signature", "`cookie:sig` is not a place"),
    ({**SIGNED, "signature": "json:sig"}, "verify.signature", "is not a JSON pointer"),
    ({**SIGNED, "signature": "header:X S"}, "verify.signature", "is not a header's name"),
    ({**SIGNED, "signature": "query:"}, "verify.signature", "has no name after its colon"),
    ({**SIGNED, "also": ["header:X-S-{2-900}"]}, "verify.also", "is not a numbered family"),
    (TIMED, "verify.timestamp", "is not signed, so that a forger can write another one"),
    ({**SIGNED, "timestamp_header": "X-T"}, "verify.timestamp_header", "is not signed"),
    ({**SIGNED, "timestamp": "item:t"}, "verify.timestamp", "needs the key `split`"),
    ({**SIGNED, "tolerance_secs": 60}, "verify.tolerance_secs", "has no effect without `timestamp`"),
    (
        {**TIMED, "text": "{timestamp}.{body}", "timestamp_required": False},
        "verify.timestamp_required",
        "everybody can leave it out",
    ),
    ({**SIGNED, "id": "header:X-Id"}, "verify.id", "add `{header:x-id}` to `text`"),
    ({**SIGNED, "item": "v1"}, "verify.item", "has no effect without `split`"),
    ({**SIGNED, "each": "/items/*"}, "verify.each", "needs a `signature` at `json:/POINTER`"),
    ({**SIGNED, "key": "pem"}, "verify.key", "`pem` is not one of"),
    ({**SIGNED, "key": "whsec", "key_append": "x"}, "verify.key_append", "has no effect on keys of the form"),
    ({**SIGNED, "algorithm": "ed25519"}, "verify.algorithm", "`ed25519` is not one of"),
    ({**PUBLIC, "algorithm": "hmac-sha256"}, "verify.algorithm", "`hmac-sha256` is not one of"),
    ({**PUBLIC, "algorithm": "rsa-pkcs1-sha256"}, "verify.key", "is only the form of a key for `ed25519`"),
    ({**PUBLIC, "key_append": "x"}, "verify.key_append", "is not a key here"),
    ({"scheme": "token", "token": "json:/a", "header": "X"}, "verify", "name either"),
    ({"scheme": "token", "header": "X", "each": "/a/*"}, "verify.each", "needs a token in the document"),
    ({"scheme": "githib"}, "verify.scheme", "did you mean `github`?"),
    ({"scheme": "github", "encoding": "base32"}, "verify.encoding", "is not one of"),
    ({"scheme": "github", "text": "none"}, "verify.text", "does not contain the content"),
]


@pytest.mark.parametrize(("verify", "key", "message"), MISTAKES, ids=[f"{k}:{m}" for _, k, m in MISTAKES])
def test_a_description_that_proves_nothing_is_refused(verify: dict[str, Any], key: str, message: str) -> None:
    """The finding has the key, and a text that explains what to change."""
    with pytest.raises(Mistakes) as refused:
        read_scheme(verify)
    assert [found.key for found in refused.value.findings] == [key]
    assert message in refused.value.findings[0].message


@pytest.mark.parametrize(
    "verify",
    [
        {**SIGNED, "text": "{method}{body}"},
        {**SIGNED, "text": "{body|sha256-hex}{header:X-A}"},
        {**TIMED, "text": "{timestamp}{body}"},
        {**TIMED, "text": "{header:X-T}{body}"},
        {**TIMED, "text": "[[{timestamp}.]]{body}"},
        {**SIGNED, "text": "[[{timestamp}.]]{body}"},
        {**SIGNED, "text": "{url}{body}", "adjacent": "no suffix of a JSON document is one"},
        {**SIGNED, "text": "{header:X-A}", "content": "unsigned"},
        {**SIGNED, "timestamp": "json:/time", "timestamp_required": False},
        {**SIGNED, "signature": "json:/sig", "text": "{json:/id}", "content": "unsigned"},
        {**LISTED, "timestamp": "item:", "item": "", "text": "{timestamp}.{body}"},
    ],
    ids=str,
)
def test_a_description_that_proves_the_content_is_accepted(verify: dict[str, Any]) -> None:
    """A rule that refused these would be switched off."""
    read_scheme(verify)


@pytest.mark.parametrize("slug", PRESETS)
def test_a_preset_has_no_mistake(slug: str) -> None:
    """A preset is refused for the same reasons as a description in a source."""
    preset = PRESETS[slug]
    assert isinstance(preset, Preset)
    if preset.event.get("form_field") is None or preset.verify["scheme"] == "twilio":
        read_scheme({"scheme": slug})


def test_a_table_knows_its_preset_and_its_scheme() -> None:
    """Handshakes and the documentation go by the preset, the verification by the scheme."""
    table = Verify.for_document({"scheme": "slack"})({"scheme": "slack", "tolerance_secs": 60})
    assert (table.preset, table.scheme, table.name) == ("slack", "signed", "slack")
    assert table.values["tolerance_secs"] == 60
    assert table.remember_secs == 12 * 3600
    plain = Verify.for_document({"scheme": "basic"})({"scheme": "basic"})
    assert (plain.preset, plain.scheme, plain.name) == ("", "basic", "basic")


def folder(directory: Path, verify: str) -> Path:
    """Write a source folder."""
    made = directory / "sources" / "shop"
    made.mkdir(parents=True)
    lines = [
        'title = "Shop"',
        'docs = "d"',
        "",
        "[verify]",
        verify,
        "[[message]]",
        'title = "t"',
        'body = "b"',
    ]
    (made / "source.toml").write_text("\n".join(lines))
    (made / "schema.json").write_text("{}")
    return made


@pytest.mark.parametrize(
    ("verify", "place"),
    [
        ('scheme = "github"\nsignature = "header:X"\ntext = "{header:X-A}"', "source.toml:7: verify.text: "),
        ('scheme = "slack"\ntolerance_secs = 0', "source.toml:6: verify.tolerance_secs: "),
        ('scheme = "slack"\ntext = "{body}"', "source.toml:4: verify.timestamp: is not signed"),
    ],
)
def test_a_mistake_has_the_place_in_the_source(verify: str, place: str, tmp_path: Path) -> None:
    """A key of the preset is not in the file: the table is the nearest place."""
    (found,) = open_source_folder(folder(tmp_path, verify)).mistakes()
    assert place in str(found)


@pytest.mark.parametrize(
    ("verify", "policy", "warnings"),
    [
        ('scheme = "twilio"', "", 1),
        ('scheme = "signed"\nsignature = "header:X"\ntext = "{url}.{body}"', "", 1),
        ('scheme = "twilio"', '[source.shop]\nurl = "https://hooks.example.com/shop"', 0),
        ('scheme = "github"', "", 0),
    ],
)
def test_a_source_whose_url_is_signed_without_a_url_is_a_warning(
    verify: str, policy: str, warnings: int, tmp_path: Path
) -> None:
    """Without a proxy the request reveals the URL, so it is not a mistake."""
    folder(tmp_path, verify)
    config = tmp_path / "relay.toml"
    config.write_text(f'[[route]]\nsource = "shop"\nto = ["user:1"]\n{policy}\n')
    result = check(tmp_path / "sources", config)
    assert result.ok
    found = [finding for finding in result.findings if "has no `url`" in finding.message]
    assert len(found) == warnings
