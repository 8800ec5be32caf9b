"""The sandbox's page in a real Chromium: what a newcomer sees when pushes arrive."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox import Account, SandboxServer
from sandbox_client import COMPANY_ID, KEY, json_push, send_push, xml_push

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """Run a sandbox."""
    with SandboxServer(Account(COMPANY_ID, KEY)) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: SandboxServer) -> Iterator[Page]:
    """Open the sandbox's page. At the end, check that it had no error and used no other host."""
    context = browser.new_context(viewport={"width": 1360, "height": 860})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on(
        "request", lambda sent: None if sent.url.startswith(server.address) else errors.append(sent.url)
    )
    opened.goto(server.address)
    expect(opened.locator("#connection")).to_have_text("Live")
    yield opened
    context.close()
    assert errors == []


def test_an_empty_phone_shows_what_to_do(page: Page) -> None:
    """It names the command with which a push appears."""
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("make run")
    expect(page.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    expect(page.locator("#calls-limit")).to_have_text("/ 2,500")
    expect(page.locator("#connections-limit")).to_have_text("/ 3")


def test_a_push_appears_as_it_arrives(page: Page, server: SandboxServer) -> None:
    """Its card shows title, body, recipient, sound and the time until it expires."""
    send_push(server)
    card = page.locator(".card")
    expect(card.locator("h3")).to_have_text("Alarm")
    expect(card.locator(".text")).to_have_text("The queue's alarm is on")
    expect(card.locator(".to")).to_have_text("email:octo@example.com")
    expect(card.get_by_label("With sound")).to_be_visible()
    expect(card.locator(".left")).to_have_text(re.compile(r"^(1 h|59:\d\d)$"))
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#announcement")).to_have_text("Alarm: The queue's alarm is on")


def test_the_newest_push_is_on_top_in_either_format(page: Page, server: SandboxServer) -> None:
    """JSON and XML pushes appear on the same phone, in the order of their arrival."""
    send_push(server, json_push(Title="first", Sound=False, UserEmail=None, UserId="7"))
    send_push(server, xml_push(Title="second"), content_type=None, answer_format="xml")
    expect(page.locator(".card h3")).to_have_text(["second", "first"])
    expect(page.locator(".card").nth(1).get_by_label("Silent")).to_be_visible()
    expect(page.locator(".card .to").nth(1)).to_have_text("id:7")


def test_a_push_disappears_when_it_expires(page: Page, server: SandboxServer) -> None:
    """A push with an expiry of 0 stays, because the vendor does not document what 0 means."""
    send_push(server, json_push(Title="stays", ExpirySecs=0))
    send_push(server, json_push(Title="goes", ExpirySecs=2))
    expect(page.locator(".card h3")).to_have_text(["goes", "stays"])
    expect(page.locator(".card h3")).to_have_text(["stays"])


def test_markup_in_a_push_stays_text(page: Page, server: SandboxServer) -> None:
    """The cases are title, body, recipient, correlation id and field names."""
    send_push(server, json_push(Title=MARKUP, Body=MARKUP, UserEmail=MARKUP), correlation_id=MARKUP)
    send_push(server, json_push(**{MARKUP[:50]: MARKUP}))
    expect(page.locator(".card h3")).to_have_text(MARKUP)
    expect(page.locator(".card .text")).to_have_text(MARKUP)
    expect(page.locator(".card .to")).to_have_text(f"email:{MARKUP}")
    expect(page.locator(".log .id")).to_have_text(MARKUP)
    expect(page.locator(".violations code")).to_have_text(MARKUP[:50])
    assert page.locator("main img, main script").count() == 0
    expect(page).to_have_title("Push API sandbox")


def test_many_pushes_fold_and_unfold_by_keyboard(page: Page, server: SandboxServer) -> None:
    """Three cards are visible. A button, which the keyboard reaches, shows the others."""
    for number in range(8):
        send_push(server, json_push(Title=f"push {number}"))
    older = page.locator("#older")
    expect(older).to_have_text("5 more")
    expect(page.locator(".card:visible")).to_have_count(3)
    older.press("Enter")
    expect(page.locator(".card:visible")).to_have_count(8)
    older.press("Enter")
    expect(page.locator(".card:visible")).to_have_count(3)


def test_a_long_body_can_be_expanded(page: Page, server: SandboxServer) -> None:
    """A body that is longer than its card is cut and has a button. A short one has no button."""
    send_push(server, json_push(Title="short"))
    send_push(server, json_push(Title="long", Body="a long story " * 60))
    rest = page.locator(".rest")
    expect(rest).to_have_count(1)
    before = page.locator(".text").first.bounding_box()
    rest.press("Enter")
    expect(rest).to_have_text("Read less")
    after = page.locator(".text").first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > before["height"] * 2


def test_a_very_long_push_stays_inside_the_phone(page: Page, server: SandboxServer) -> None:
    """The cases are a word without spaces, and text from right to left."""
    send_push(server, json_push(Title="w" * 500, Body="x" * 5000, UserEmail="y" * 500))
    send_push(server, json_push(Title="مرحبا بالعالم"))
    expect(page.locator(".card")).to_have_count(2)
    assert page.locator(".shelf").evaluate("shelf => shelf.scrollWidth <= shelf.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    direction = page.locator(".card h3").first.evaluate("title => getComputedStyle(title).direction")
    assert direction == "rtl"


def test_the_log_shows_status_fault_and_violations_of_each_call(page: Page, server: SandboxServer) -> None:
    """A refused push is in the log, and not on the phone."""
    send_push(server, json_push(Sound="yes"))
    server.faults.order("reset_after_read", times=1)
    with pytest.raises(ConnectionResetError):
        send_push(server, json_push(Title="lost answer"))
    server.faults.order("status", status=503, times=1)
    send_push(server, json_push(Title="down"))
    rows = page.locator(".log .row")
    expect(rows.locator(".status")).to_have_text(["503", "RST", "400"])
    expect(rows.nth(0)).to_contain_text("ordered status")
    expect(rows.nth(1)).to_contain_text("shown, but the caller cannot know")
    expect(rows.nth(2)).to_contain_text("Sound It must be a boolean")
    expect(page.locator(".card h3")).to_have_text(["lost answer"])
    expect(page.locator("#calls-today")).to_have_text("3")
    expect(page.locator("#accepted")).to_have_text("1")
    expect(page.locator("#invalid")).to_have_text("1")


def test_a_button_of_the_page_orders_a_fault_for_the_next_call(page: Page, server: SandboxServer) -> None:
    """The page shows the order until the call has used it up."""
    page.get_by_role("button", name="HTML from a proxy").click()
    expect(page.locator("#in-force")).to_have_text("Ordered: HTML answer (once)")
    assert send_push(server).status == 502
    expect(page.locator("#in-force")).to_have_text("")
    expect(page.locator(".row")).to_contain_text("HTML answer")


def test_the_clear_button_empties_the_phone_and_the_log(page: Page, server: SandboxServer) -> None:
    """The sandbox's record is cleared too."""
    send_push(server)
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator(".row")).to_have_count(0)
    expect(page.locator("#empty")).to_be_visible()
    assert server.record.calls() == []


def test_the_chime_sounds_only_if_it_is_switched_on(page: Page, server: SandboxServer) -> None:
    """It is off at first. When it is on, a push with sound plays two notes, and a push without plays none."""
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
    assert page.evaluate("window.notes") == 2, "the button must play the chime when it is switched on"
    send_push(server, json_push(Sound=False))
    send_push(server)
    expect(page.locator(".card")).to_have_count(3)
    page.wait_for_function("window.notes === 4")


def test_a_page_that_is_opened_later_shows_the_earlier_pushes(page: Page, server: SandboxServer) -> None:
    """They are not announced to a screen reader. Expired pushes do not appear."""
    send_push(server, json_push(Title="kept"))
    send_push(server, json_push(Title="gone", ExpirySecs=1))
    expect(page.locator(".card h3")).to_have_text(["kept"])
    page.reload()
    expect(page.locator(".card h3")).to_have_text(["kept"])
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator("#announcement")).to_have_text("")


def test_the_page_reconnects_to_a_restarted_sandbox(browser: Browser) -> None:
    """It shows that the connection is lost, and then the pushes of the new sandbox only."""
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


def test_nothing_is_animated_with_reduced_motion(browser: Browser, server: SandboxServer) -> None:
    """An expired card disappears without its animation, whose end is not signalled then."""
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
def test_the_page_fits_any_width(page: Page, server: SandboxServer, width: int) -> None:
    """On a small phone and on a wide screen, nothing has to be scrolled sideways."""
    send_push(server)
    send_push(server, json_push(**{"Unknown" * 8: "x"}), correlation_id="c" * 150)
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.locator(".row")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
