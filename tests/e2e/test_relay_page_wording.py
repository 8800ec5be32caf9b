"""The relay's part of the page in a real Chromium: the wording of a source, and every width and colour."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from browser_page import CONTRAST, event, opened, post, send, step
from local_relay import World
from page_files import SOURCE

pytestmark = pytest.mark.browser

TABS = ["Events", "Send", "Wording", "Calls"]


# --- the wording --------------------------------------------------------------------------------------


def edit(page: Page, change: Callable[[str], str]) -> None:
    """Change the text of the file in the editor."""
    editor = page.get_by_label("The text of", exact=False)
    editor.fill(change(editor.input_value()))


def test_the_phone_shows_what_the_examples_become_while_a_person_types(page: Page, world: World) -> None:
    """Nothing is sent and nothing is saved."""
    page.get_by_role("tab", name="Wording").click()
    preview = page.locator("#preview-list > li").filter(has=page.get_by_text("hot", exact=True))
    expect(preview.locator(".card-title")).to_have_text(["Too hot: oven 4"] * 2)
    assert page.evaluate("document.getElementById('phone').contains(document.getElementById('previews'))")
    edit(page, lambda text: text.replace("Too hot", "Very hot"))
    expect(preview.locator(".card-title")).to_have_text(["Very hot: oven 4"] * 2)
    expect(preview).to_contain_text("changed")
    expect(page.locator("#preview-list > li").filter(has_text="unknown-kind")).not_to_contain_text("changed")
    expect(page.locator("#wording-state")).to_have_text("Not saved: source.toml")
    page.get_by_label("Examples", exact=True).select_option("ready")
    expect(page.locator("#preview-list > li")).to_have_count(1)
    assert (world.files.sources / "oven/source.toml").read_text("utf-8") == SOURCE
    assert world.page.history.changes(0)[1] == []


def test_a_mistake_is_shown_with_its_line(page: Page) -> None:
    """A click on it leads to the line. The last preview stays and is marked."""
    page.get_by_role("tab", name="Wording").click()
    expect(page.locator(".card-title").first).to_be_visible()
    edit(page, lambda text: text.replace("[event]", "[evnt]"))
    finding = page.get_by_role("list", name="Mistakes and warnings").get_by_role("listitem").first
    expect(finding).to_contain_text("did you mean")
    expect(page.locator("#previews-note")).to_have_text("Preview of the last version without a mistake")
    line = SOURCE.split("\n").index("[event]") + 1
    expect(page.locator(".gutter .error").first).to_have_text(str(line))
    expect(page.get_by_role("button", name=re.compile(r"Save with \d mistakes?"))).to_be_enabled()
    finding.get_by_role("button", name=f"source.toml, line {line}").click()
    editor = page.get_by_label("The text of source.toml")
    assert editor.evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)") == "[evnt]"
    edit(page, lambda text: text.replace("[evnt]", "[event]"))
    expect(page.locator("#wording-findings")).to_be_hidden()


def test_saved_words_are_used_by_the_next_event(page: Page, world: World) -> None:
    """With Ctrl+S, without a deployment. The page shows since when."""
    before = page.locator("#files").inner_text()
    page.get_by_role("tab", name="Wording").click()
    expect(page.locator(".card-title").first).to_be_visible()
    edit(page, lambda text: text.replace("Too hot", "Very hot"))
    page.get_by_label("The text of source.toml").press("Control+s")
    expect(page.locator("#wording-state")).to_contain_text("Saved")
    assert "Very hot" in (world.files.sources / "oven/source.toml").read_text("utf-8")
    expect(page.locator("#files")).not_to_have_text(before, timeout=20_000)
    expect(page.locator("#files")).to_contain_text("The stack uses the files of", timeout=20_000)
    send(page, "hot")
    expect(page.locator(".card h3")).to_have_text(["Very hot: oven 4"] * 2)


def test_a_file_that_an_editor_changes_is_loaded_again(page: Page, world: World) -> None:
    """Typed text is kept, and cannot overwrite the other change by accident."""
    page.get_by_role("tab", name="Wording").click()
    editor = page.get_by_label("The text of source.toml")
    expect(editor).to_have_value(SOURCE)
    file = world.files.sources / "oven/source.toml"
    file.write_text(SOURCE + "# from an editor\n", "utf-8")
    expect(editor).to_have_value(SOURCE + "# from an editor\n", timeout=20_000)
    edit(page, lambda text: text + "# typed\n")
    file.write_text(SOURCE + "# from an editor again\n", "utf-8")
    expect(page.locator("#wording-state")).to_contain_text("changed on disk", timeout=20_000)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#wording-state")).to_contain_text("Not saved: source.toml has changed on disk")
    expect(editor).to_have_value(SOURCE + "# from an editor\n# typed\n")
    assert file.read_text("utf-8").endswith("editor again\n")


def test_a_mistake_on_disk_is_shown_at_the_top(page: Page, world: World) -> None:
    """The stack keeps the files without a mistake."""
    (world.files.sources / "oven/source.toml").write_text(SOURCE.replace("[event]", "[evnt]"), "utf-8")
    expect(page.locator("#files")).to_contain_text(
        re.compile("mistakes?: the stack still uses the files of"), timeout=20_000
    )
    expect(page.locator("#files-findings")).to_contain_text("did you mean `event`")
    (world.files.sources / "oven/source.toml").write_text(SOURCE, "utf-8")
    expect(page.locator("#files-findings")).to_be_hidden(timeout=20_000)


# --- where it is shown ----------------------------------------------------------------------------------


def test_the_page_without_its_key_shows_the_phone_only(browser: Browser, world: World) -> None:
    """Another user of this machine knows the port, and not the key."""
    for address in (world.stack.sandbox.address, f"{world.stack.sandbox.address}/#wrong"):
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        expect(page.get_by_text("The events are shown at the address")).to_be_visible()
        expect(page.get_by_role("tab")).to_have_count(0)
        expect(page.locator("#phone")).to_be_visible()
        expect(page.locator("#calls-panel")).to_be_visible()
        context.close()


@pytest.mark.parametrize("width", [320, 390, 960, 1100, 1920])
def test_every_view_fits_any_width(browser: Browser, world: World, width: int) -> None:
    """Nothing has to be scrolled sideways, and each view is reached."""
    with opened(browser, world, width, 844) as page:
        narrow = width <= 960
        send(page, "hot")
        post(world, b'{"kind": "' + b"x" * 300 + b'"}')
        for tab in [*(["Phone"] if narrow else []), *TABS]:
            page.get_by_role("tab", name=tab).click()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
        expect(page.locator("#phone")).to_be_visible(visible=not narrow)
        page.get_by_role("tab", name="Events").click()
        event(page, "rejected").click()
        step(page, "Request").locator("summary").click()
        expect(step(page, "Request")).to_contain_text("xxx")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(page.locator("#event-list")).to_be_visible(visible=not narrow)
        page.get_by_role("button", name="Older event").click()
        expect(page.locator("#story-title")).to_have_text("Too hot: oven 4")
        page.get_by_role("button", name="Close").click()
        expect(page.locator("#event-list")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1360])
def test_texts_have_enough_contrast(browser: Browser, world: World, scheme: str, width: int) -> None:
    """At least 4.5:1 (WCAG 2.2, 1.4.3), in every view."""
    post(world)
    with opened(browser, world, width, color_scheme=scheme, reduced_motion="reduce") as page:
        send(page, "hot")
        event(page, "rejected").click()
        expect(page.locator(".step")).to_have_count(8)
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()
            assert page.evaluate(CONTRAST) == []
