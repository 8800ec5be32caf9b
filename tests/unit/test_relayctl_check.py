"""`relayctl check` reports every mistake and warning of all files, for people and for programs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import ROOT, SAMPLES, captured
from push_relay.adapters.catalog import Catalog, read_routing_file
from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules import findings
from relayctl.__main__ import main
from relayctl.checks import problems

#: Files with many mistakes, and what is found in them.
MISTAKES = ROOT / "tests/samples/mistakes"
RIGHT = 'title = "Shop"\ndocs = "d"\n[[message]]\ntitle = "t"\nbody = "b"\n'
ROUTES = (
    '[account.mill]\ncredentials_secret = "s"\n[[route]]\nsource = "shop"\nto = "user:1"\ndigest = "5m"\n'
)
type Check = Callable[..., tuple[int, str, str]]


def found(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    """Check the files with many mistakes; return the exit code, standard output and standard error."""
    paths = ["--sources", str(MISTAKES / "sources"), "--config", str(MISTAKES / "relay.toml")]
    code = main(["check", *paths, *options])
    out, err = (text.replace("tests/samples/mistakes/", "") for text in capsys.readouterr())
    return code, out, err


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that checks a source folder and a relay.toml."""

    def run(*options: str, relay: str = ROUTES) -> tuple[int, str, str]:
        folder = tmp_path / "sources" / "shop"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "source.toml").write_text(RIGHT)
        (folder / "schema.json").write_text("{}")
        (tmp_path / "relay.toml").write_text(relay)
        paths = ["--sources", str(tmp_path / "sources"), "--config", str(tmp_path / "relay.toml")]
        code = main(["check", *paths, *options])
        out, err = (text.replace(f"{tmp_path}/", "") for text in capsys.readouterr())
        return code, out, err

    return run


def test_all_mistakes_of_all_files_are_reported_in_one_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run is enough to correct everything, except mistakes that depend on other corrections."""
    monkeypatch.chdir(ROOT)
    code, out, err = found(capsys)
    assert (code, out) == (1, "")
    assert err == (MISTAKES / "findings.txt").read_text()


def test_the_findings_are_one_json_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program gets the same findings, and nothing else on standard output."""
    monkeypatch.chdir(ROOT)
    code, out, err = found(capsys, "--json")
    assert (code, err) == (1, "")
    document = json.loads(out)
    assert (document["ok"], document["sources"]) == (False, ["shop"])
    assert (document["accounts"], document["routes"]) == ([], 0)
    texts = [_text(finding) for finding in document["findings"]]
    assert texts == (MISTAKES / "findings.txt").read_text().splitlines()
    by_key = {finding["key"]: finding for finding in document["findings"]}
    assert by_key["event.form"] == {
        "file": "sources/shop/source.toml",
        "line": 10,
        "key": "event.form",
        "code": "renamed_key",
        "message": "is now called `form_field`; the old name works for one more version",
        "severity": "warning",
    }
    assert by_key["titel"]["code"] == "unknown_key"
    assert by_key["route[2]"]["code"] == "missing_key"
    assert by_key["route[2].to"]["code"] == "invalid_value"


def test_an_account_without_credentials_has_a_missing_key(check: Check) -> None:
    """A program can tell a key that only some accounts need from a wrong value."""
    (finding,) = json.loads(check("--json", relay="[account.mill]\n")[1])["findings"]
    assert (finding["key"], finding["code"]) == ("account.mill", "missing_key")
    assert finding["message"].startswith("`credentials_secret` is missing: ")


def _text(finding: dict[str, Any]) -> str:
    """Write a finding of the JSON document as the command prints it for people."""
    warning = "warning: " if finding["severity"] == "warning" else ""
    key = f"{finding['key']}: " if finding["key"] else ""
    return f"{finding['file']}:{finding['line']}: {warning}{key}{finding['message']}"


def test_warnings_alone_are_not_a_failure(check: Check) -> None:
    """A build must not stop because of a name that still works."""
    code, out, err = check()
    assert (code, out) == (0, "check: relay.toml and all sources are valid\n")
    assert err == (
        "relay.toml:6: warning: route[1].digest: is now called `batch`; the old name works for one more "
        "version\n"
    )
    code, out, err = check("--json")
    document = json.loads(out)
    assert (code, err, document["ok"]) == (0, "", True)
    assert (document["accounts"], document["routes"]) == (["mill", "default"], 1)
    assert [finding["severity"] for finding in document["findings"]] == ["warning"]


@pytest.mark.parametrize(
    ("relay", "line", "cause"),
    [("[[route]\n", 1, "is not TOML"), ("a = 1\nb = \n", 2, "is not TOML")],
)
def test_a_file_that_cannot_be_read_is_one_finding(check: Check, relay: str, line: int, cause: str) -> None:
    """The rest of it is unknown."""
    (finding,) = json.loads(check("--json", relay=relay)[1])["findings"]
    assert (finding["code"], finding["line"], finding["key"]) == ("unreadable_file", line, None)
    assert cause in finding["message"]


def test_files_that_do_not_exist_are_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong path must not end in a traceback."""
    nowhere = ["--sources", str(tmp_path / "no"), "--config", str(tmp_path / "no.toml")]
    assert main(["check", "--json", *nowhere]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["line"], finding["message"]) == (None, "is not a directory")
    assert main(["check", "--json", "--sources", str(SAMPLES / "sources"), *nowhere[2:]]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    (finding,) = (each for each in found if each["file"] == str(tmp_path / "no.toml"))
    assert (finding["line"], finding["message"]) == (None, "cannot be read: No such file or directory")


# --- the same at run time -----------------------------------------------------------------------------


def test_a_function_logs_an_old_name_once_and_works(tmp_path: Path) -> None:
    """The deployer finds the line in the log before the next version stops the function."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "source.toml").write_text(RIGHT.replace("[[message]]", '[event]\nform = "p"\n[[message]]'))
    (folder / "schema.json").write_text("{}")
    with captured() as output:
        catalog = Catalog(tmp_path, output.telemetry.outdated)
        assert [catalog.named("shop").body_format.form_field for _ in range(3)] == ["p"] * 3
    (line,) = output.logs
    assert (line["level"], line["message"]) == ("WARNING", "outdated configuration")
    assert line["detail"] == (
        f"{folder}/source.toml:4: warning: event.form: is now called `form_field`; the old name works for "
        "one more version"
    )


def test_the_routing_has_the_warnings_of_its_file(tmp_path: Path) -> None:
    """The composition root logs them."""
    (tmp_path / "relay.toml").write_text(ROUTES)
    routing = read_routing_file(tmp_path / "relay.toml")
    assert [route.batch_secs for route in routing.routes] == [300]
    assert [warning.key for warning in routing.warnings] == ["route[1].digest"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[[route]]\nsource = "s"\nto = "user:1"\ndigest = "5m"', "batch"),
        ("[account.default]\nreserve_percent = 7", "reserved_percent"),
        ('[source.s]\naddress = "https://h.example/x"', "url"),
    ],
)
def test_each_renamed_key_means_the_same_under_both_names(old: str, new: str, tmp_path: Path) -> None:
    """And both together are refused."""
    file = tmp_path / "relay.toml"
    name, _, value = old.rpartition("\n")[2].partition(" = ")
    routings = []
    for written in (name, new):
        file.write_text(old.replace(f"{name} = ", f"{written} = "))
        routings.append(read_routing_file(file))
    before, after = routings
    assert before.routes.entries == after.routes.entries
    assert before._replace(warnings=(), routes=after.routes) == after
    assert [warning.code for warning in before.warnings] == ["renamed_key"]
    file.write_text(f"{old}\n{new} = {value}")
    with pytest.raises(ConfigurationInvalid, match=f"is the old name of `{new}`, which is there too"):
        read_routing_file(file)


# --- the documentation --------------------------------------------------------------------------------


def test_the_documentation_has_every_code_of_a_finding() -> None:
    """Programs use them."""
    codes = {
        value
        for module in (findings, problems)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and name not in ("ERROR", "WARNING")
    }
    table = (ROOT / "docs/configuration.md").read_text("utf-8").partition("| `code` | meaning |")[2]
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| .* \|$", table, re.MULTILINE)
    assert {code for row in rows for code in re.findall("[a-z_]+", row)} >= codes
