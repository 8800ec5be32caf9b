"""The phone page, driven in a real Chromium: what a newcomer sees when pushes arrive."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sandbox import Account, SandboxServer
from sandbox_client import COMPANY_ID, KEY, json_push, send_push, xml_push

pytestmark = pytest.mark.browser

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MARKUP = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"


def chromium() -> str | None:
    """Find a Chromium: the one that CHROMIUM names, or the first on PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one Chromium for the module, or skip with a word."""
    path = chromium()
    if path is None:
        pytest.skip(f"no Chromium: install one of {', '.join(CHROMIUM_NAMES)}, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """Run a sandbox."""
    with SandboxServer(Account(COMPANY_ID, KEY)) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: SandboxServer) -> Iterator[Page]:
    """Open the sandbox's page, and see that it neither broke nor loaded anything from elsewhere."""
    context = browser.new_context(viewport={"width": 1360, "height": 860})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda sent: None if sent.url.startswith(server.address) else wrong.append(sent.url))
    opened.goto(server.address)
    expect(opened.locator("#connection")).to_have_text("Live")
    yield opened
    context.close()
    assert wrong == []


def test_a_newcomer_is_told_what_to_do(page: Page) -> None:
    """The empty phone names the command that fills it."""
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("make run")
    expect(page.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    expect(page.locator("#calls-limit")).to_have_text("/ 2,500")
    expect(page.locator("#connections-limit")).to_have_text("/ 3")


def test_a_push_appears_as_it_arrives(page: Page, server: SandboxServer) -> None:
    """The card shows title, body, recipient, sound and what is left until it expires."""
    send_push(server)
    card = page.locator(".card")
    expect(card.locator("h3")).to_have_text("Alarm")
    expect(card.locator(".said")).to_have_text("The queue's alarm is on")
    expect(card.locator(".to")).to_have_text("email:octo@example.com")
    expect(card.get_by_label("With sound")).to_be_visible()
    expect(card.locator(".left")).to_have_text(re.compile(r"^(1 h|59:\d\d)$"))
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#aloud")).to_have_text("Alarm: The queue's alarm is on")


def test_the_newest_push_is_on_top_in_either_format(page: Page, server: SandboxServer) -> None:
    """XML and JSON pushes land on the same phone, in the order of their arrival."""
    send_push(server, json_push(Title="first", Sound=False, UserEmail=None, UserId="7"))
    send_push(server, xml_push(Title="second"), content_type=None, answer_format="xml")
    expect(page.locator(".card h3")).to_have_text(["second", "first"])
    expect(page.locator(".card").nth(1).get_by_label("Silent")).to_be_visible()
    expect(page.locator(".card .to").nth(1)).to_have_text("id:7")


def test_a_push_leaves_when_it_expires(page: Page, server: SandboxServer) -> None:
    """The card goes, the others stay, and so does one whose expiry of 0 means nobody knows what."""
    send_push(server, json_push(Title="stays", ExpirySecs=0))
    send_push(server, json_push(Title="goes", ExpirySecs=2))
    expect(page.locator(".card h3")).to_have_text(["goes", "stays"])
    expect(page.locator(".card h3")).to_have_text(["stays"])


def test_markup_in_a_push_stays_text(page: Page, server: SandboxServer) -> None:
    """Title, body, recipient, correlation id and field names reach the page as text only."""
    send_push(server, json_push(Title=MARKUP, Body=MARKUP, UserEmail=MARKUP), correlation_id=MARKUP)
    send_push(server, json_push(**{MARKUP[:50]: MARKUP}))
    expect(page.locator(".card h3")).to_have_text(MARKUP)
    expect(page.locator(".card .said")).to_have_text(MARKUP)
    expect(page.locator(".card .to")).to_have_text(f"email:{MARKUP}")
    expect(page.locator(".log .id")).to_have_text(MARKUP)
    expect(page.locator(".violations code")).to_have_text(MARKUP[:50])
    assert page.locator("main img, main script").count() == 0
    expect(page).to_have_title("Push API sandbox")


def test_many_pushes_fold_and_unfold_by_keyboard(page: Page, server: SandboxServer) -> None:
    """Three cards show, the rest wait behind a button that the keyboard reaches."""
    for number in range(8):
        send_push(server, json_push(Title=f"push {number}"))
    older = page.locator("#older")
    expect(older).to_have_text("5 more")
    expect(page.locator(".card:visible")).to_have_count(3)
    older.press("Enter")
    expect(page.locator(".card:visible")).to_have_count(8)
    older.press("Enter")
    expect(page.locator(".card:visible")).to_have_count(3)


def test_a_long_body_can_be_read_whole(page: Page, server: SandboxServer) -> None:
    """A body longer than its card is cut there, with a button for the rest; a short one has none."""
    send_push(server, json_push(Title="short"))
    send_push(server, json_push(Title="long", Body="a long story " * 60))
    rest = page.locator(".rest")
    expect(rest).to_have_count(1)
    before = page.locator(".said").first.bounding_box()
    rest.press("Enter")
    expect(rest).to_have_text("Read less")
    after = page.locator(".said").first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > before["height"] * 2


def test_a_push_longer_than_the_phone_breaks_nothing(page: Page, server: SandboxServer) -> None:
    """A word without an end, and text from right to left, stay inside the phone."""
    send_push(server, json_push(Title="w" * 500, Body="x" * 5000, UserEmail="y" * 500))
    send_push(server, json_push(Title="مرحبا بالعالم"))
    expect(page.locator(".card")).to_have_count(2)
    assert page.locator(".shelf").evaluate("shelf => shelf.scrollWidth <= shelf.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    direction = page.locator(".card h3").first.evaluate("title => getComputedStyle(title).direction")
    assert direction == "rtl"


def test_the_log_tells_what_became_of_each_call(page: Page, server: SandboxServer) -> None:
    """Status, format, fault and violations stand beside the phone; a refused push is not on it."""
    send_push(server, json_push(Sound="yes"))
    server.faults.order("reset_after_read", times=1)
    with pytest.raises(ConnectionResetError):
        send_push(server, json_push(Title="lost answer"))
    server.faults.order("status", status=503, times=1)
    send_push(server, json_push(Title="down"))
    rows = page.locator(".log .row")
    expect(rows.locator(".status")).to_have_text(["503", "RST", "400"])
    expect(rows.nth(0)).to_contain_text("ordered status")
    expect(rows.nth(1)).to_contain_text("shown, though the caller can not know")
    expect(rows.nth(2)).to_contain_text("Sound It must be a boolean")
    expect(page.locator(".card h3")).to_have_text(["lost answer"])
    expect(page.locator("#calls-today")).to_have_text("3")
    expect(page.locator("#accepted")).to_have_text("1")
    expect(page.locator("#invalid")).to_have_text("1")


def test_the_next_call_is_broken_from_the_page(page: Page, server: SandboxServer) -> None:
    """A button orders a fault, the page says so, and the next call meets it."""
    page.get_by_role("button", name="HTML from a proxy").click()
    expect(page.locator("#in-force")).to_have_text("Ordered: HTML answer (once)")
    assert send_push(server).status == 502
    expect(page.locator("#in-force")).to_have_text("")
    expect(page.locator(".row")).to_contain_text("HTML answer")


def test_clearing_empties_phone_and_log(page: Page, server: SandboxServer) -> None:
    """Clear empties both, and the sandbox's record with them."""
    send_push(server)
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator(".row")).to_have_count(0)
    expect(page.locator("#empty")).to_be_visible()
    assert server.record.calls() == []


def test_the_chime_sounds_only_when_asked_for(page: Page, server: SandboxServer) -> None:
    """Silent at first; once on, a push with sound plays two notes, and a push without plays none."""
    page.evaluate(
        """() => {
            window.notes = 0;
            const start = OscillatorNode.prototype.start;
            OscillatorNode.prototype.start = function (...at) { window.notes += 1; start.apply(this, at); };
        }"""
    )
    send_push(server)
    expect(page.locator(".card")).to_have_count(1)
    assert page.evaluate("window.notes") == 0
    chime = page.locator("#chime")
    chime.click()
    expect(chime).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.notes") == 2, "the button lets one hear what it turns on"
    send_push(server, json_push(Sound=False))
    send_push(server)
    expect(page.locator(".card")).to_have_count(3)
    page.wait_for_function("window.notes === 4")


def test_a_page_opened_later_shows_what_was_there(page: Page, server: SandboxServer) -> None:
    """Pushes from before appear, but are not read out; those that have expired do not appear."""
    send_push(server, json_push(Title="kept"))
    send_push(server, json_push(Title="gone", ExpirySecs=1))
    expect(page.locator(".card h3")).to_have_text(["kept"])
    page.reload()
    expect(page.locator(".card h3")).to_have_text(["kept"])
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator("#aloud")).to_have_text("")


def test_the_page_finds_a_restarted_sandbox_by_itself(browser: Browser) -> None:
    """It says that it lost the sandbox, and shows the new one's pushes instead of the old one's."""
    context = browser.new_context()
    page = context.new_page()
    with SandboxServer(Account(COMPANY_ID, KEY)) as first:
        port = int(first.address.rpartition(":")[2])
        page.goto(first.address)
        send_push(first, json_push(Title="of the first"))
        expect(page.locator(".card h3")).to_have_text(["of the first"])
    expect(page.locator("#connection")).to_have_text("Reconnecting…")
    with SandboxServer(Account(COMPANY_ID, KEY), port=port) as second:
        send_push(second, json_push(Title="of the second"))
        expect(page.locator("#connection")).to_have_text("Live", timeout=15_000)
        expect(page.locator(".card h3")).to_have_text(["of the second"])
        context.close()


def test_motion_stops_for_those_who_ask(browser: Browser, server: SandboxServer) -> None:
    """With reduced motion nothing is animated, and an expired card still goes."""
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(server.address)
    send_push(server, json_push(ExpirySecs=2))
    card = page.locator(".card")
    expect(card).to_have_count(1)
    assert card.evaluate("card => getComputedStyle(card).animationName") == "none"
    expect(card).to_have_count(0)
    context.close()


@pytest.mark.parametrize("width", [320, 420, 900, 1920])
def test_it_fits_any_width(page: Page, server: SandboxServer, width: int) -> None:
    """From a small phone to a wide screen nothing has to be scrolled sideways."""
    send_push(server)
    send_push(server, json_push(**{"Unknown" * 8: "x"}), correlation_id="c" * 150)
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".row")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
