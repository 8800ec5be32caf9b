"""Several accounts in relay.toml: their tables, the routes that name them, and the budgets in each."""

from pathlib import Path

import pytest

from push_relay.adapters.catalog import read_routing_file
from push_relay.core.account import Account, read_account
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.relay_file import AccountTable
from push_relay.core.rules.routing import Routing

MILL = """\
[account.mill]
base_url = "https://push.example.com/mill/"
credentials_secret = "relay/mill"
daily_calls = 100
"""


def read(directory: Path, document: str) -> Routing:
    """Read a relay.toml."""
    file = directory / "relay.toml"
    file.write_text(document)
    return read_routing_file(file)


def route(source: str, account: str = "") -> str:
    """Write a route."""
    named = f'account = "{account}"\n' if account else ""
    return f'[[route]]\nsource = "{source}"\nto = ["user:1"]\n{named}'


def mistakes(directory: Path, document: str) -> list[str]:
    """Return the mistakes of a relay.toml."""
    with pytest.raises(ConfigurationInvalid) as wrong:
        read(directory, document)
    return [line.removeprefix(f"{directory}/relay.toml:") for line in wrong.value.detail.splitlines()]


def test_the_default_account_needs_no_table(tmp_path: Path) -> None:
    """Its base URL and its credentials are in the environment."""
    routing = read(tmp_path, route("shop"))
    assert routing.accounts == {"default": Account()}
    assert routing.account is routing.accounts["default"]
    assert [each.account for each in routing.routes] == ["default"]


def test_the_declared_defaults_are_those_of_the_account() -> None:
    """`Account()` is used without a file too."""
    assert read_account("default", AccountTable({})) == Account()


def test_each_account_has_its_own_table(tmp_path: Path) -> None:
    """No key of one account holds for another one."""
    default = '[account.default]\nbase_url = "https://push.example.com"\nconnections = 2\n'
    routing = read(tmp_path, default + MILL + route("shop", "mill") + route("shop"))
    assert routing.accounts["default"] == Account(base_url="https://push.example.com", connections=2)
    assert routing.accounts["mill"] == Account(
        name="mill",
        base_url="https://push.example.com/mill",
        credentials_secret="relay/mill",
        daily_calls=100,
    )
    assert routing.account.name == "default"
    assert [each.account for each in routing.routes] == ["mill", "default"]


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ("[account.mill]\n", "1: account.mill: `credentials_secret` is missing"),
        (MILL.replace("mill]", "Mill]"), "1: account.Mill: `Mill` is not an account's name"),
        (MILL.replace("mill]", f"{'m' * 33}]"), "is not an account's name"),
        (MILL.replace("https:", "http:"), "2: account.mill.base_url: is not an https URL"),
        (MILL.replace('"relay/mill"', '""'), "3: account.mill.credentials_secret: is empty"),
        (MILL + route("shop", "mil"), "8: route[1].account: there is no [account.mil]; did you mean `mill`?"),
        (route("shop", "x y"), "4: route[1].account: `x y` is not an account's name"),
    ],
)
def test_a_wrong_account_is_a_mistake(tmp_path: Path, document: str, cause: str) -> None:
    """A route must not send its pushes by an account that does not exist."""
    assert any(cause in mistake for mistake in mistakes(tmp_path, document))


# --- budgets ------------------------------------------------------------------------------------------


def test_a_default_budget_holds_where_several_sources_share_an_account(tmp_path: Path) -> None:
    """A source that has an account to itself may use all of its calls."""
    routing = read(tmp_path, MILL + route("shop") + route("oven") + route("shop", "mill"))
    assert routing.budgets == {"default": {"shop": 1125, "oven": 1125}, "mill": {}}
    routing = read(tmp_path, MILL + route("shop") + route("shop", "mill") + route("oven", "mill"))
    assert routing.budgets == {"default": {}, "mill": {"shop": 45, "oven": 45}}


def test_a_configured_budget_holds_in_each_account(tmp_path: Path) -> None:
    """An account with fewer calls bounds the source without it."""
    budget = "[source.shop]\ndaily_calls = 300\n"
    routing = read(tmp_path, MILL + budget + route("shop") + route("shop", "mill"))
    assert routing.budgets == {"default": {"shop": 300}, "mill": {"shop": 100}}


def test_a_budget_that_no_account_of_the_source_has_is_a_mistake(tmp_path: Path) -> None:
    """It would never have an effect."""
    budget = "[source.shop]\ndaily_calls = 300\n"
    assert mistakes(tmp_path, MILL + budget + route("shop", "mill")) == [
        "6: source.shop.daily_calls: is more than the account's daily_calls (100)"
    ]
