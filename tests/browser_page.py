"""Open the relay's page in a browser, and use it as a person does."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from local_relay import World

#: Finds texts whose colour is too near to the colours behind them. Of a gradient the last colour counts.
CONTRAST = """() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, below) => top.slice(0, 3).map((each, i) => each * top[3] + below[i] * (1 - top[3]));
    const behind = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            layers.push(rgba(getComputedStyle(at).backgroundColor));
        }
        let color = matchMedia('(prefers-color-scheme: dark)').matches ? [15, 13, 28] : [244, 242, 251];
        for (const layer of layers.reverse()) color = over(layer, color);
        return color;
    };
    const light = (color) => {
        const parts = color.slice(0, 3).map((each) => {
            const part = each / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const found = [];
    for (const element of document.querySelectorAll('.side *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.getClientRects().length || element.closest(':disabled, .hidden-label')) continue;
        const below = behind(element);
        const color = over(rgba(getComputedStyle(element).color), below);
        const [one, other] = [light(color), light(below)].sort((a, b) => b - a);
        const contrast = (one + 0.05) / (other + 0.05);
        if (contrast < 4.5) found.push(`${element.className || element.tagName}: ${contrast.toFixed(2)}`);
    }
    return [...new Set(found)];
}"""


@contextmanager
def opened(
    browser: Browser, world: World, width: int = 1360, height: int = 860, **options: object
) -> Iterator[Page]:
    """Open the page. At the end, check that it had no error and used no other host."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type] # by their names
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    home = world.stack.sandbox.address
    page.on("request", lambda sent: None if sent.url.startswith(home) else errors.append(sent.url))
    page.goto(world.address)
    expect(page.locator("#files")).to_contain_text("The stack uses the files of")
    yield page
    context.close()
    assert errors == []


def is_error(message: ConsoleMessage) -> bool:
    """Return whether a message is about a mistake of the page. An answer with 400 or 409 is a person's."""
    return message.type == "error" and not re.search(r"a status of 4(00|09)", message.text)


def post(world: World, body: bytes = b'{"kind": "hot"}') -> None:
    """Send a request without a proof, as from another terminal."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(world.page.recorder.url("oven"), body, timeout=20)  # noqa: S310 (our own address)


def send(page: Page, example: str = "hot") -> None:
    """Send an example from the page, and return to the events."""
    page.get_by_role("tab", name="Send").click()
    page.get_by_label("Example", exact=True).select_option(example)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#sent")).to_contain_text("Sent: 1 event")
    page.get_by_role("tab", name="Events").click()


def event(page: Page, text: str) -> Locator:
    """Return the rows with a text."""
    return page.get_by_role("list", name="Events, newest first").get_by_role("button").filter(has_text=text)


def step(page: Page, title: str) -> Locator:
    """Return a step of the open story."""
    return page.locator(f'details[data-step="{title}"]')


def is_focused(locator: Locator) -> bool:
    """Return whether an element has the focus."""
    return bool(locator.evaluate("element => element === document.activeElement"))
