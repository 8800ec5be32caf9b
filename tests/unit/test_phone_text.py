"""Text on the phone: hidden and reordering characters are removed, and text of every script is kept."""

import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu_cost import cost
from fakes import World
from invocations import sqs_batch, sqs_record
from push_relay.core import phone_text
from push_relay.core.errors import MappingFailed
from push_relay.core.outcomes import Outcome
from push_relay.core.phone_text import clean_line, clean_text, fit, is_blank
from push_relay.core.push import Wording


def tags(text: str) -> str:
    """Write a text in tag characters, which are invisible."""
    return "".join(chr(0xE0000 + ord(character)) for character in text)


UNCHANGED = {
    "emoji families": "👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d❤\ufe0f\u200d💋\u200d👨🏻",
    "emoji professions": "🧑🏽\u200d💻 👩\u200d⚕\ufe0f 🏃🏽\u200d♀\ufe0f\u200d➡\ufe0f",
    "emoji of two": "🙂\u200d↔\ufe0f ⛓\ufe0f\u200d💥 👁\ufe0f\u200d🗨\ufe0f",
    "flags": f"🇩🇪 🏳\ufe0f\u200d🌈 🏴\u200d☠\ufe0f 🏴{tags('gbeng')}\U000e007f🏴{tags('ustx')}\U000e007f",
    "keycaps": "1\ufe0f⃣ #\ufe0f⃣ *\ufe0f⃣",
    "text and emoji style": "❤\ufe0e ❤\ufe0f ©\ufe0f ☎\ufe0e",
    "accents": "e\u0301 Ünïcödé Đặng",
    "Persian": "می\u200cخواهم خانه\u200cها ه\u200d \u200dه",
    "Hindi": "क्\u200dष क्\u200cष श्री र्\u200dय",
    "Kannada and Malayalam": "ರ್\u200dಕ അവന്\u200d",
    "Hebrew with a direction mark": "שלום\u200f! 3\u200e–\u200f5",
    "Arabic with a letter mark": "السعر\u061c 5-",
    "Mongolian": "ᠮᠣᠩᠭᠣᠯ\u180e ᠠ\u180b",
    "ideographic variation": "葛\U000e0100 辻\ufe00",
    "Hebrew points": "א\u05b0\u034f\u05bd",
    "Thai, Khmer, Korean, Japanese": "ภาษาไทย ភាសាខ្មែរ 한국어 日本語",
    "Arabic signs": "\u0600\u0661\u06dd",
    "symbols": "→ × € ‰ \u2800⠓ \ufffd",
}
HIDING = {
    "an override": ("in\u202egnp.exe\u202c", "ingnp.exe"),
    "an embedding": ("\u202aab\u202b\u202c", "ab"),
    "isolates": ("a\u2066b\u2067c\u2068d\u2069", "abcd"),
    "direction marks in Latin": ("a\u200eb\u200fc\u061cd", "abcd"),
    "direction marks in a row": ("שלום\u200f\u200e\u200f!", "שלום\u200f!"),
    "characters without width": ("a\u200bb\u200cc\u200dd\u2060e\ufefff\xadg", "abcdefg"),
    "a character without width before an emoji": ("a\u200d🔥\u200db", "a🔥b"),
    "invisible mathematical signs": ("f\u2061(x\u2062y\u2063z\u2064)", "f(xyz)"),
    "deprecated formatting": ("a\u206ab\u206f", "ab"),
    "fillers": ("a\u115f\u1160\u3164\uffa0b\u17b4\u17b5", "ab"),
    "annotations": ("\ufff9word\ufffanote\ufffb\ufffc", "wordnote"),
    "music": ("a\U0001d173b\U0001bca0", "ab"),
    "letters in tags": (f"a{tags('ignore')}b", "ab"),
    "tags that make no flag": ("🏴\U000e0067\U000e0062 b", "🏴 b"),
    "bytes in variation selectors": ("a" + "".join(map(chr, range(0xFE00, 0xFE10))) + "b", "ab"),
    "bytes in more variation selectors": ("🔥" + "".join(map(chr, range(0xE0100, 0xE01F0))) + "b", "🔥b"),
    "a second selector": ("❤\ufe0f\ufe0f\ufe0e", "❤\ufe0f"),
    "a joiner twice": ("می\u200c\u200c\u200dخ", "می\u200cخ"),
    "a joiner between marks": ("a\u034fb", "ab"),
    "a joiner before removed characters": ("a\u200d\u180bb\u200c\u061cc\u200d\ufe0fd", "abcd"),
    "NUL and other controls": ("a\0b\x01c\x1fd\x7fe\x80f\x9fg", "abcdefg"),
    "colours": ("\x1b[31mred\x1b[0m \x9b1;4mbold\x9b0m", "red bold"),
    "more colours": ("\x1b[38;5;196mred\x1b[38:2::255:0:0m\x1b[?25l\x1b[2J", "red"),
    "a colour with characters in between": ("\x1b\u200b[31\x00mred\x1b[0", "red"),
    "a link for a terminal": ("\x1b]8;;https://e.com\x1b\\words\x1b]8;;\x07", "words"),
    "a title for a terminal": ("\x1b]0;title\x07words\x9d0;title\x9c", "words"),
    "a string for a device": ("\x1bPq#0\x1b\\a\x90q\x9cb\x1b_c\x07", "ab"),
    "a character set": ("\x1b(Bwords\x1b%G", "words"),
    "a string without an end": ("\x1b]0;words", "]0;words"),
    "half a surrogate pair": ("a\ud83db\udc00", "a\ufffdb\ufffd"),
    "code points that are not characters": (
        "a\ufffeb\uffffc\ufdd0d\U0001ffff",
        "a\ufffdb\ufffdc\ufffdd\ufffd",
    ),
}
BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
INVISIBLE = ["", " ", "\u200b", "\u3164\u2060", "\u2800", "\xa0\u3000", "\x1b[31m\x1b[0m", "\ufe0f", "\u200d"]
INVISIBLE += ["\t\r\n", "\u200b\u200d\ufeff", "\u202e\u2066\x00\x1b", "\u200b" * 2000]
INVISIBLE += ["\u200f\u061c", "\U0001d159", "\0\n\u2028", "\U000e0061\U000e007f", "\u034f", "\u180e"]


@pytest.mark.parametrize("text", UNCHANGED.values(), ids=UNCHANGED)
def test_visible_text_of_every_script_is_not_changed(text: str) -> None:
    """This holds for titles and for bodies."""
    assert (clean_line(text), clean_text(text)) == (text, text)


@pytest.mark.parametrize(("text", "seen"), HIDING.values(), ids=HIDING)
def test_characters_that_reorder_or_hide_text_are_removed(text: str, seen: str) -> None:
    """They are removed from titles and from bodies."""
    assert (clean_line(text), clean_text(text)) == (seen, seen)


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_line_breaks_are_spaces_in_a_title_and_line_feeds_in_a_body(line_break: str) -> None:
    """In a title, several line breaks become a single space."""
    text = f"{line_break}bread{line_break}{line_break} butter{line_break}"
    assert clean_line(text) == "bread butter"
    assert clean_text(text) == "bread\n\n butter"


def test_a_tab_is_a_space() -> None:
    """Phones show tabs differently."""
    assert (clean_line("a\tb"), clean_text("a\tb\n\tc")) == ("a b", "a b\n c")


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_a_text_without_visible_characters_is_empty(text: str) -> None:
    """Otherwise it would be shown as a blank push."""
    assert (clean_line(text), clean_text(text)) == ("", "")
    assert is_blank(text)
    for wording in (Wording(text, "body"), Wording("title", text)):
        with pytest.raises(MappingFailed, match="is empty"):
            fit(wording, 100, 1000)


@pytest.mark.parametrize(
    "text",
    [
        ".",
        " a ",
        "0",
        "\u200bx",
        "👩\u200d👩",
        "\U0001fadf",
        "\ue000",
        "\u0301",
        "\u0600",
        "\u200b" * 2000 + "a",
    ],
    ids=ascii,
)
def test_a_text_with_a_visible_character_is_not_blank(text: str) -> None:
    """A new emoji that Python's tables do not have yet is visible on a phone that knows it."""
    assert not is_blank(text)


def test_a_text_is_cleaned_before_it_is_cut() -> None:
    """Removed characters do not count towards the limit, and no emoji is cut in two."""
    family = "👨\u200d👩\u200d👧"
    padded = "\u200b\u202e" * 5000 + family * 4
    fitted = fit(Wording(padded, padded), 3, 4)
    assert fitted == Wording(f"{family}{family}…", family * 4)


NASTY = st.text(
    st.sampled_from(
        "ab1 \n\r\t\0\x07\x1b[]m;0\\\x9b\x9c\x9d\u200b\u200c\u200d\u200e\u200f\u061c\u202e\u2066\u2069"
        "\ufe0f\ufe00\ufeff\u034f\u180b\u180e\U000e0067\U000e0062\U000e007f\U000e0100\ud800\ufffe👨🏽❤🏴🇩सक्ميו葛\u0301"
    )
    | st.characters(exclude_categories=())
)
FORBIDDEN = set("\u200b\u2028\u2029\ufeff\xad\u115f\u3164") | {
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
}


@given(NASTY)
def test_any_text_comes_out_clean(text: str) -> None:
    """It has no controls, overrides or half characters, and cleaning it again does not change it."""
    line, body = clean_line(text), clean_text(text)
    for cleaned in (line, body.replace("\n", "")):
        assert not FORBIDDEN & set(cleaned)
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in cleaned)
        cleaned.encode()
    assert (clean_line(line), clean_text(body)) == (line, body)
    assert clean_line(body) == line


@given(st.text(st.characters(categories=("L", "N", "P", "Sm", "Sc", "Nd"))))
def test_letters_digits_and_signs_are_never_changed(text: str) -> None:
    """The only exceptions are fillers, which Unicode itself calls ignorable."""
    expected = "".join(character for character in text if character not in "\u115f\u1160\u3164\uffa0")
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    "piece",
    [
        "\x1b[",
        "\x1b]",
        "\x1b[1111",
        "\x90a",
        "\x1bPaa\x9d",
        "a\u200d",
        "\u200d",
        "a\0",
        "\n ",
        " ",
        "\ufe0f",
        "🏴\U000e0067",
        "ا\u200c",
    ],
    ids=ascii,
)
def test_a_very_long_text_is_cleaned_in_little_time(piece: str) -> None:
    """Strangers may send a megabyte of such text."""
    text = piece * (1_000_000 // len(piece))
    assert cost(lambda: fit(Wording(f"a{text}b", f"a{text}b"), 100, 1000), runs=1) < 1_000


def test_only_a_part_of_a_very_long_text_is_cleaned() -> None:
    """Each joiner costs a microsecond, and an account's limits are far below the length of this part."""
    assert len(clean_text("ا\u200c" * 500_000)) <= 200_000


def test_every_push_is_cleaned(tmp_path: Any) -> None:
    """The source of the text does not matter. Here it is a template in a source's wording rule."""
    routes = tmp_path / "relay.toml"
    routes.write_text('[[route]]\nsource = "bakery"\nto = ["user:u-1"]\n')
    world = World(routes=routes)
    world.deliver(
        sqs_batch(sqs_record({"kind": "baked", "words": "wa\u202erm\x1b[31m\r\nhot\0"}, source="bakery"))
    )
    assert world.witness.outcomes == [Outcome.DELIVERED]
    assert world.vendor.calls[0].push.wording.body == "warm\nhot"


def test_a_run_without_a_width_is_cut() -> None:
    """A stranger's text of a megabyte of them must not take a second, and no script needs so many."""
    run = "\u200d\u200f" * 500
    assert clean_line(f"\u05d0{run}\u05d0") == f"\u05d0{run[:64]}\u05d0"


def test_a_text_without_a_look_at_the_patterns_is_one_that_they_would_not_change() -> None:
    """The patterns are long, and most texts need none of them. Every code point is looked at."""
    plain = "".join(filter(phone_text._is_plain, map(chr, range(sys.maxunicode + 1))))
    assert phone_text._cleaned(plain) == plain
    assert [character for character in plain if not phone_text._visible(character)] == [" "]
    assert len(plain) > 140_000
    assert all(character.isprintable() for character in phone_text._PRINTABLE_ODDITIES)
