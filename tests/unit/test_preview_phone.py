"""`relayctl preview --phone`, `--xml` and `--bytes`: the pushes as a person and as the vendor get them."""

import io
import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from preview_files import HOT, Files
from push_relay.core.push import Wording
from relayctl.phone import picture
from relayctl.phone.lock_screen import lock_screen
from relayctl.phone.svg import picture as drawn
from relayctl.phone.terminal import draw
from relayctl.phone.text_width import text_width, wrapped

SVG = "{http://www.w3.org/2000/svg}"
LONG = (
    "Kiln 4 in the cellar of the bakery is much hotter than it has been for years, and it is still heating up"
)
WIDE = (
    "窯の温度が高すぎます。すぐに確認してください。担当者に連絡済みです。次の点検まで使用しないでください。"
)


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return a folder with a source, a relay.toml and inputs."""
    return Files(tmp_path, capsys)


# --- in the terminal ------------------------------------------------------------------------------------


def drawing(*wordings: Wording, columns: int = 80) -> list[str]:
    """Return the lines of a drawing in a terminal of a width."""
    out = io.StringIO()
    draw(lock_screen("kiln", wordings), Console(file=out, width=columns, highlight=False))
    return out.getvalue().splitlines()


def test_the_terminal_shows_the_pushes_on_a_phone(files: Files) -> None:
    """A push for several people is on it once."""
    ran = files.run("--phone", files.example({**HOT, "user": "u-1"}), json_lines=False)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("Kiln: Kiln 4") == 1
    lines = ran.out.splitlines()
    assert (lines[0][0], lines[-1][-1]) == ("┏", "┛")


def test_a_push_that_nobody_gets_is_drawn_and_explained(files: Files) -> None:
    """The words can be looked at before there is a route."""
    ran = files.run("--phone", files.example({**HOT, "who": None}), json_lines=False)
    assert "Kiln: Kiln 4" in ran.out
    assert "hot.request.json: filtered: no route leads to anybody" in ran.err


@pytest.mark.parametrize("columns", [24, 46, 80, 200])
@pytest.mark.parametrize("text", [LONG, WIDE, "🔥👨‍👩‍👧 e\u0301 🇩🇪", "x" * 200])
def test_every_line_has_the_width_of_the_phone(text: str, columns: int) -> None:
    """A wide character takes two columns; a frame that is not straight cannot be read."""
    lines = drawing(Wording(text, f"{text}\n{text}"), columns=columns)
    assert {cell_len(line) for line in lines} == {min(46, columns)}


def test_a_long_text_is_cut_as_a_lock_screen_does() -> None:
    """Four lines of the body, the last with an ellipsis."""
    body = [line for line in drawing(Wording("Kiln", LONG * 3)) if "│" in line][2:]
    assert len(body) == 4
    assert "…" in body[-1]


def test_a_phone_without_pushes_is_drawn_too(files: Files) -> None:
    """The reason is on standard error."""
    ran = files.run("--phone", files.example({**HOT, "kind": "cold"}), json_lines=False)
    assert "no push" in ran.out
    assert "filtered" in ran.err


# --- as a picture ---------------------------------------------------------------------------------------


def test_an_svg_is_written_wherever_its_name_is_among_the_arguments(files: Files) -> None:
    """It is well-formed, describes itself, and loads nothing."""
    example = files.example({**HOT, "note": "<Kiln> & 4"})
    for words in (["--phone", files.folder / "a.svg", example], [example, files.folder / "b.svg", "--phone"]):
        ran = files.run(*words, json_lines=False)
        assert (ran.code, ran.err) == (0, "")
    text = (files.folder / "a.svg").read_text("utf-8")
    assert text == (files.folder / "b.svg").read_text("utf-8")
    svg = ET.fromstring(text)  # noqa: S314 (our own)
    assert svg.findtext(f"{SVG}title") == "kiln: pushes on a phone"
    assert "“Kiln: <Kiln> & 4”: 1,300 °C" in (svg.findtext(f"{SVG}desc") or "")
    assert text.count("http") == 1  # the name space


def test_a_picture_needs_an_input(files: Files) -> None:
    """The example was forgotten."""
    ran = files.run("--phone", files.folder / "a.svg", json_lines=False)
    assert (ran.code, "give a FILE beside the picture" in ran.err) == (2, True)


def test_a_png_without_chromium_is_refused_with_the_way_out(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SVG needs nothing."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(files.folder))
    ran = files.run("--phone", files.folder / "a.png", files.example(HOT), json_lines=False)
    assert ran.code == 2
    assert "a.png: Chromium draws a PNG, and none is installed. Write a.svg instead" in ran.err


def test_a_chromium_that_fails_is_explained(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that CHROMIUM names may be anything."""
    monkeypatch.setenv("CHROMIUM", shutil.which("false") or "")
    ran = files.run("--phone", files.folder / "a.png", files.example(HOT), json_lines=False)
    assert ran.code == 2
    assert "does not draw it (exit code 1)" in ran.err
    assert not (files.folder / "a.png").exists()


@pytest.mark.browser
def test_a_png_is_drawn_by_chromium(tmp_path: Path) -> None:
    """Its size is twice that of the SVG."""
    if picture.find_chromium() is None:
        pytest.skip("Chromium not found: install it, or set CHROMIUM to its path")
    screen = lock_screen("kiln", [Wording("Kiln 4", "1,300 °C")])
    picture.write_picture(screen, tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    size = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    assert size == (2 * drawn(screen).width, 2 * drawn(screen).height)


@pytest.mark.parametrize("text", [LONG, WIDE, "x" * 300, f"{LONG}\n{WIDE}", "a\n\nb"])
@pytest.mark.parametrize("bold", [False, True])
def test_the_lines_of_a_picture_fit(text: str, *, bold: bool) -> None:
    """No line is wider than its place, and only the last of too many is cut."""
    lines = wrapped(text, 256, 13, 3, bold=bold)
    assert 0 < len(lines) <= 3
    assert all(0 < text_width(line, 13, bold=bold) <= 256 for line in lines)
    full = wrapped(text, 256, 13, 100, bold=bold)
    assert "".join("".join(full).split()) == "".join(text.split())
    assert lines[-1].endswith("…") == (len(full) > 3)
    assert lines[:-1] == full[: len(lines) - 1]


# --- as bytes -------------------------------------------------------------------------------------------


def test_the_xml_of_each_push_is_what_the_vendor_would_get(files: Files) -> None:
    """The key is masked, and the root element is the account's. Standard error has its recipient."""
    files.config.write_text(
        files.config.read_text().replace("[account.mill]", '[account.mill]\nxml_root = "Out"')
    )
    ran = files.run("--xml", files.example({**HOT, "note": "a & b", "all": True}), json_lines=False)
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert first == (
        '<?xml version="1.0" encoding="utf-8"?><Push xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        "<Body>1,300 °C</Body><CompanyId>0</CompanyId><ExpirySecs>3600</ExpirySecs>"
        "<IntegrationKey>***</IntegrationKey><Sound>true</Sound><Title>Kiln: a &amp; b</Title>"
        "<UserEmail>mia@example.com</UserEmail></Push>"
    )
    assert "<Out " in second
    assert "hot.request.json: to external:7, account mill" in ran.err


def test_the_json_of_a_push(files: Files) -> None:
    """JSON is the default of an account."""
    ran = files.run("--bytes", "json", files.example(HOT), json_lines=False)
    assert json.loads(ran.out)["IntegrationKey"] == "***"


def test_a_recipient_that_xml_cannot_contain_is_an_error(files: Files) -> None:
    """The account's own format may be able to."""
    files.config.write_text(files.config.read_text().replace("external:7", "external:{{ data.to }}"))
    example = files.example({**HOT, "all": True, "to": "a\u0001"})
    ran = files.run("--xml", example, json_lines=False)
    assert ran.code == 1
    assert "cannot be written: the recipient holds a character that XML cannot" in ran.err


def test_the_forms_of_output_exclude_each_other(files: Files) -> None:
    """Each decides what standard output is."""
    assert files.run("--xml", "--update", files.example(HOT), json_lines=False).code == 2
