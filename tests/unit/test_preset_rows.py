"""The presets as data: complete, where the index expects them, and replaced by a source's own keys."""

import re
from importlib import import_module
from typing import Any

import pytest

from fakes import ROOT
from push_relay.core.rules.findings import Report
from push_relay.core.rules.source import read_source
from push_relay.core.rules.source_file import SourceFile
from push_relay.core.trust.handshake_names import AS_DATA
from push_relay.core.trust.presets import FAMILIES, PRESETS
from push_relay.core.trust.presets.not_offered import NOT_OFFERED
from relayctl.reference import providers

#: Providers that must stay: 180 are offered, and each of the others has its reason.
MOST_THAT_MAY_BE_MISSING = 3


def source_file(verify: dict[str, Any], **tables: dict[str, Any]) -> SourceFile:
    """Return a source's file without mistakes."""
    report = Report()
    file = SourceFile({"title": "Planted", "docs": "-", "verify": verify, **tables}, report)
    report.raise_mistakes()
    return file


@pytest.mark.parametrize("family", FAMILIES)
def test_the_index_lists_the_rows_of_a_module(family: str) -> None:
    """`PRESETS` imports only the module that the index names."""
    module = import_module(f"push_relay.core.trust.presets.{family}")
    assert list(FAMILIES[family]) == list(module.PRESETS)


@pytest.mark.parametrize("slug", PRESETS)
def test_a_row_describes_its_provider(slug: str) -> None:
    """A deployer finds where to set it up, and what to store."""
    row = PRESETS[slug]
    assert re.fullmatch(r"[a-z0-9-]{1,40}", slug)
    assert row.title
    assert row.docs.startswith("https://")
    assert row.secret
    assert not row.secret.endswith(".")
    assert not row.note or row.note.endswith(".")


@pytest.mark.parametrize("slug", PRESETS)
def test_the_name_alone_makes_a_source(slug: str) -> None:
    """The formats that the preset needs are among its defaults."""
    document = {"title": "Planted", "docs": "docs", "verify": {"scheme": slug}}
    assert read_source("planted", document, {}).verify


def test_a_provider_is_offered_or_has_a_reason() -> None:
    """A preset that is removed must be explained."""
    assert not set(PRESETS) & set(NOT_OFFERED)
    assert len(NOT_OFFERED) == MOST_THAT_MAY_BE_MISSING
    assert all(each.reason.endswith(".") for each in NOT_OFFERED.values())


def test_the_defaults_of_a_preset_are_taken() -> None:
    """Fitbit sends a list, and expects the status 204."""
    file = source_file({"scheme": "fitbit"})
    assert file.event.format == "list"
    assert file.answer is not None
    assert file.answer.status == 204


def test_a_source_s_own_keys_replace_those_of_the_preset() -> None:
    """In each of the three tables; the other keys of the preset stay."""
    verify = {"scheme": "calendly", "tolerance_secs": 60}
    assert source_file(verify).verify.tolerance_secs == 60  # type: ignore[union-attr] # there is one
    file = source_file({"scheme": "fitbit"}, event={"format": "json"}, answer={"status": 200})
    assert file.event.format == "json"
    assert file.answer is not None
    assert file.answer.status == 200
    assert file.verify is not None
    assert file.verify.values["key_append"] == "&"


def test_a_scheme_of_the_engine_has_no_defaults() -> None:
    """Only a preset's name brings them."""
    file = source_file({"scheme": "signed", "signature": "header:x-planted"})
    assert file.event.format == "json"
    assert file.answer is None


@pytest.mark.parametrize(
    ("slug", "signed", "window"),
    [
        ("github", "body", "none"),
        ("calendly", "body, time", "3m"),
        ("hubspot", "method, address, body, time", "5m"),
        ("clerk", "body, id, time", "5m"),
        ("twilio", "address, form", "none"),
        ("mailgun", "a part of the event", "none"),
        ("gitlab", "nothing", "none"),
        ("aws-sns", "the message's fields", "1h"),
        ("mercado-pago", "address", "none"),
        ("paypal", "a checksum of the body", "none"),
        ("netlify", "body", "none"),
        ("plaid", "body", "5m"),
        ("jira-connect", "address", "until its end"),
        ("google-pubsub", "nothing", "until its end"),
    ],
)
def test_the_table_states_what_is_signed(slug: str, signed: str, window: str) -> None:
    """A deployer has to know what a proof is worth."""
    assert providers.signed(PRESETS[slug].verify) == signed
    assert providers.window(PRESETS[slug].verify) == window


def test_the_page_lists_every_provider() -> None:
    """Each has a line with its name, and `make check` compares the lines with the rows."""
    page = (ROOT / "docs" / "providers.md").read_text("utf-8")
    assert providers.filled(page) == page
    assert all(f"| `{slug}`" in page for slug in PRESETS)
    assert all(each.title in page for each in NOT_OFFERED.values())
    line = next(line for line in page.splitlines() if "| `zoom`" in line)
    assert "zoom" in AS_DATA
    assert "| yes |" in line
