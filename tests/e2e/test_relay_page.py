"""The relay's part of the page in a real Chromium: the events, their stories, the keyboard, and sending."""

import re

import pytest
from playwright.sync_api import Page, expect

from browser_page import event, is_focused, post, send, step
from local_relay import World
from page_files import SECRET

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=\"document.title='hacked'\">"
TABS = ["Events", "Send", "Wording", "Calls"]


# --- the events ---------------------------------------------------------------------------------------


def test_an_empty_list_shows_where_webhooks_are_sent(page: Page, world: World) -> None:
    """The same address is printed on the terminal."""
    expect(page.get_by_role("tab", selected=True)).to_have_text("Events")
    expect(page.get_by_role("heading", name="No events yet")).to_be_visible()
    expect(page.locator("#webhook-url")).to_have_text(world.page.recorder.url("{source}"))
    expect(page).to_have_title("Push Relay")


def test_every_event_appears_when_it_happens(page: Page, world: World) -> None:
    """Delivered, filtered and refused ones, the newest on top, each with verdict and reason."""
    send(page, "hot")
    send(page, "unknown-kind")
    rows = page.locator(".event")
    expect(rows.nth(0)).to_contain_text("filtered")
    post(world)
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("rejected")
    expect(rows.nth(0)).to_contain_text("signature_missing: the request is not signed")
    expect(rows.nth(1)).to_contain_text("filtered")
    expect(rows.nth(1)).to_contain_text("no route leads to anybody")
    expect(rows.nth(2)).to_contain_text("delivered")
    expect(rows.nth(2)).to_contain_text("Too hot: oven 4")
    expect(page.locator(".card h3")).to_have_text(["Too hot: oven 4"] * 2)
    expect(page.locator("#event-announcement")).to_have_text(
        "rejected: oven. signature_missing: the request is not signed"
    )


def test_a_refused_event_opens_to_its_reason(page: Page, world: World) -> None:
    """The step that failed is open; the ones after it were not reached."""
    post(world, b'{"kind": "hot", "note": "forged"}')
    event(page, "rejected").click()
    story = page.get_by_role("region", name="Request to oven")
    expect(story).to_contain_text("signature_missing: the request is not signed")
    expect(step(page, "Verification")).to_have_attribute("open", "")
    expect(step(page, "Verification")).to_contain_text("header:x-oven-signature")
    for title in ("Schema", "Message rule", "Routes"):
        expect(step(page, title).locator("summary")).to_contain_text("not reached")
    step(page, "Request").locator("summary").click()
    expect(step(page, "Request")).to_contain_text('"note": "forged"')


def test_a_delivered_event_opens_to_its_whole_story(page: Page) -> None:
    """Every step of the pipeline, without the proof and the keys."""
    send(page, "hot")
    event(page, "delivered").click()
    titles = [
        "Request",
        "Verification",
        "Schema",
        "Message rule",
        "Routes",
        "Push",
        "Vendor's answer",
        "Receipts",
    ]
    expect(page.locator(".step-title")).to_have_text(titles)
    for title in titles:
        if step(page, title).get_attribute("open") is None:
            step(page, title).locator("summary").click()
    expect(step(page, "Request")).to_contain_text("sha256=••••••••")
    expect(step(page, "Message rule")).to_contain_text("type == 'hot'")
    expect(step(page, "Routes")).to_contain_text("to email:mia@example.com, by person:mia")
    expect(step(page, "Push")).to_contain_text('"Title": "Too hot: oven 4"')
    expect(step(page, "Push")).to_contain_text("<IntegrationKey>••••••••</IntegrationKey>")
    expect(step(page, "Vendor's answer")).to_contain_text("200; 2 of 2 calls shown on the phone")
    expect(step(page, "Receipts")).to_contain_text("latency_ms")
    text = page.locator("body").inner_text()
    assert SECRET not in text
    assert "planted" not in text


def test_markup_in_a_request_stays_text(page: Page) -> None:
    """In every place where the page shows what a stranger has sent."""
    page.get_by_role("tab", name="Send").click()
    page.get_by_text("A pasted request").click()
    body = f'{{"kind": "hot", "note": "{MARKUP.replace(chr(34), chr(92) + chr(34))}"}}'
    page.get_by_label("Body, or a whole example file").fill(body)
    page.get_by_label("Headers, one in each line").fill(f"X-Oven-Delivery: 1\nX-A: {MARKUP}")
    page.get_by_role("button", name="Preview only").click()
    expect(page.locator("#sent")).to_contain_text(MARKUP)
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("button", name="Open event").click()
    for title in ("Request", "Schema", "Message rule"):
        step(page, title).locator("summary").click()
    expect(step(page, "Request")).to_contain_text(MARKUP)
    expect(step(page, "Push")).to_contain_text(MARKUP)
    assert page.locator("main img").count() == 0
    expect(page).to_have_title("Push Relay")


def test_only_problems_can_be_listed(page: Page, world: World) -> None:
    """A person looks for the one that was refused among many."""
    send(page, "hot")
    expect(event(page, "delivered")).to_be_visible()
    post(world)
    expect(event(page, "rejected")).to_be_visible()
    page.get_by_role("button", name="Problems only").click()
    expect(event(page, "rejected")).to_be_visible()
    expect(event(page, "delivered")).to_be_hidden()
    expect(page.locator("#event-count")).to_have_text("1")
    page.get_by_role("button", name="Clear", exact=True).first.click()
    expect(page.locator(".event")).to_have_count(0)
    expect(page.locator("#notifications .card")).to_have_count(0)


# --- the keyboard ---------------------------------------------------------------------------------------


def test_the_keyboard_reaches_everything(page: Page) -> None:
    """Tab reaches the tabs, the list and the story; arrows move in them; Escape closes and returns."""
    for _ in range(3):
        send(page, "hot")
    expect(page.locator(".event")).to_have_count(3)
    page.get_by_role("tab", name="Events").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Send")
    page.keyboard.press("End")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Calls")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Events")
    rows = page.locator(".event")
    for _ in range(10):
        page.keyboard.press("Tab")
        if is_focused(rows.nth(0)):
            break
    assert is_focused(rows.nth(0)), "only the chosen row is reached by Tab"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert is_focused(rows.nth(2))
    page.keyboard.press("Home")
    assert is_focused(rows.nth(0))
    page.keyboard.press("Enter")
    expect(rows.nth(0)).to_have_attribute("aria-current", "true")
    assert is_focused(page.locator("#story-title")), "a screen reader reads the title of what was opened"
    expect(page.locator(".step")).to_have_count(8)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#steps') !== null")
    page.keyboard.press("Escape")
    expect(page.locator("#story")).to_be_hidden()
    assert is_focused(rows.nth(0))


def test_every_control_has_a_name_and_a_role(page: Page) -> None:
    """A screen reader has nothing else."""
    send(page, "hot")
    event(page, "delivered").click()
    expect(page.locator(".step")).to_have_count(8)
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        panel = page.get_by_role("tabpanel", name=tab)
        expect(panel).to_have_count(1)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, textarea, summary')]
                .filter(each => each.offsetParent && each.getClientRects().length)
                .filter(each => !(each.textContent.trim() || each.getAttribute('aria-label')
                    || each.labels?.length))
                .map(each => each.outerHTML)"""
        )
        assert unnamed == []
    snapshot = page.get_by_role("tablist").aria_snapshot()
    assert '- tab "Calls" [selected]' in snapshot


# --- sending ------------------------------------------------------------------------------------------


def test_an_example_can_be_edited_before_it_is_sent(page: Page) -> None:
    """Its headers and body come into the form."""
    page.get_by_role("tab", name="Send").click()
    page.get_by_label("Example", exact=True).select_option("ready")
    page.get_by_role("button", name="Edit before sending").click()
    body = page.get_by_label("Body, or a whole example file")
    expect(body).to_have_value(re.compile('"note": "Bread"'))
    body.fill('{"kind": "ready", "note": "Bread", "more": 1}')
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".card h3")).to_have_text(["Bread is ready"])


def test_a_preview_sends_nothing(page: Page, world: World) -> None:
    """It shows the push, or why there is none."""
    page.get_by_role("tab", name="Send").click()
    page.get_by_label("Example", exact=True).select_option("ready-for-nobody")
    page.get_by_role("button", name="Preview only").click()
    expect(page.locator("#sent")).to_contain_text("Cake is ready")
    expect(page.locator("#sent")).to_contain_text("no route leads to anybody")
    page.get_by_label("Add the sender's proof").uncheck()
    page.get_by_role("button", name="Preview only").click()
    expect(page.locator("#sent")).to_contain_text("signature_missing")
    assert world.page.history.changes(0)[1] == []


def test_a_mistake_in_a_pasted_request_is_explained(page: Page) -> None:
    """The text stays, so that it can be corrected."""
    page.get_by_role("tab", name="Send").click()
    page.get_by_text("A pasted request").click()
    page.get_by_label("Headers, one in each line").fill("no header")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".send-error")).to_contain_text("`no header` is not a header")
    expect(page.get_by_label("Headers, one in each line")).to_have_value("no header")
