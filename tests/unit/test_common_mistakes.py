"""`relayctl check` names the mistakes that new users make, with the way to correct them."""

from pathlib import Path

import pytest

from relayctl.checking import check

ROUTE = '[[route]]\nsource = "kiln"\nto = ["user:1"]\n'
VERIFY = '[verify]\nscheme = "github"\n'


def problems(directory: Path, top: str = "", tables: str = "", relay: str = "") -> list[str]:
    """Return the findings of a check of one source and a relay.toml."""
    folder = directory / "sources" / "kiln"
    folder.mkdir(parents=True)
    message = '[[message]]\ntitle = "x"\nbody = "x"\n'
    (folder / "source.toml").write_text(f'title = "x"\ndocs = "x"\n{top}\n{tables}\n{message}')
    (folder / "schema.json").write_text("{}")
    (directory / "relay.toml").write_text(ROUTE + relay)
    findings = check(directory / "sources", directory / "relay.toml").findings
    return [f"{Path(each.file).name}:{each.line} {each.key} {each.message}" for each in findings]


def test_a_handshake_needs_webhooks(tmp_path: Path) -> None:
    """Otherwise the sender's question is never answered, and nothing shows why."""
    found = problems(tmp_path, 'handshake = "meta"')
    assert found == [
        "source.toml:3 handshake has no effect without `[verify]`: the source takes no webhooks",
    ]


def test_a_source_without_webhooks_may_switch_off_a_handshake(tmp_path: Path) -> None:
    """`none` has nothing to switch off, and does no harm."""
    assert problems(tmp_path, 'handshake = "none"') == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('sns_topic = "ovens"', '`ovens` fits no ARN: write `"arn:*:ovens"`'),
        ('sns_topic = "oven*"', '`oven*` fits no ARN: write `"arn:*:oven*"`'),
        ('sqs_queue = "kilns"', '`kilns` fits no ARN: write `"arn:*:kilns"`'),
    ],
)
def test_the_name_of_a_topic_or_queue_is_not_a_pattern_of_its_arn(
    tmp_path: Path, rule: str, expected: str
) -> None:
    """The rule would never fit."""
    (found,) = problems(tmp_path, tables=f"[[match]]\n{rule}")
    assert expected in found


@pytest.mark.parametrize("pattern", ["arn:aws:sns:*:ovens", "arn:*", "*:ovens", "a*ovens", "?rn:*", "*"])
def test_a_pattern_that_can_fit_an_arn_is_accepted(tmp_path: Path, pattern: str) -> None:
    """Wildcards may be at every place."""
    assert problems(tmp_path, tables=f'[[match]]\nsns_topic = "{pattern}"') == []


@pytest.mark.parametrize("name", ["secret", "signing-key"])
def test_a_signing_secret_is_refused_among_the_settings(tmp_path: Path, name: str) -> None:
    """The file is in version control, and the value would have no effect."""
    relay = f'[source.kiln.settings]\n{name} = "planted"\nplace = "north"\n'
    (found,) = problems(tmp_path, tables=VERIFY, relay=relay)
    assert f"`{name}` is not a setting: store it in the signing secrets, in Secrets Manager" in found
    assert "planted" not in found
