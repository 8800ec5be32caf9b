"""Tables of configuration files are read by their declarations, and all mistakes are reported at once."""

from typing import Any

import pytest

from push_relay.core.rules.configuration import Table, default, listed, named, one, optional, required
from push_relay.core.rules.findings import Finding, Mistakes, Report
from push_relay.core.rules.kinds import (
    Boolean,
    Choice,
    ConstantOrTemplate,
    Duration,
    HeaderName,
    Integer,
    Networks,
    Text,
    Texts,
    TimeZone,
    Url,
)

CURRENT = "is now called `crust`; the old name works for one more version"


class LoafTable(Table):
    """A loaf."""

    grain = required(Text(), "The grain.")
    crust = default(Choice("thin", "thick"), "thin", "The crust.", old=("rind", "shell"))
    grams = default(Integer(at_least=10, at_most=2000), 500, "The weight.")


class OvenTable(Table):
    """An oven."""

    is_hot = default(Boolean(), False, "Whether it is hot.")  # noqa: FBT003 (a default)


class BakeryFile(Table):
    """A bakery."""

    name = optional(Text(), "The name.")
    loaf = listed(LoafTable, "The loaves.")
    oven = one(OvenTable, "The oven.")
    shops = named(OvenTable, Text("name", "[a-z]{1,5}", "is not a name"), "The shops.")


def read(document: object) -> tuple[BakeryFile, list[str]]:
    """Return a file, and its findings as texts."""
    report = Report()
    file = BakeryFile(document, report)
    return file, [*map(str, _mistakes(report)), *map(str, report.warnings)]


def _mistakes(report: Report) -> tuple[Finding, ...]:
    try:
        report.raise_mistakes()
    except Mistakes as exc:
        return exc.findings
    return ()


def test_a_file_without_mistakes_is_read_with_its_defaults() -> None:
    """Tables that are absent are empty ones."""
    file, findings = read({"loaf": [{"grain": "rye", "grams": 750}], "shops": {"north": {"is_hot": True}}})
    assert findings == []
    assert (file.name, file.oven.is_hot, file.shops["north"].is_hot) == (None, False, True)
    assert [(loaf.grain, loaf.crust, loaf.grams) for loaf in file.loaf] == [("rye", "thin", 750)]


def test_all_mistakes_of_a_file_are_reported_at_once() -> None:
    """A person who corrects a file wants to run the check once, not once for each mistake."""
    loaves = [{"grain": "", "crust": "burnt"}, {"grams": "heavy"}, {"grain": "oats", "gramms": 3}, 7]
    document = {"name": 1, "loaf": loaves, "oven": {"is_hot": "yes"}, "shops": {"North": {}}, "loafs": []}
    _, findings = read(document)
    assert findings == [
        "name: is not a text",
        "loaf[1].grain: is empty",
        "loaf[1].crust: `burnt` is not one of: thin, thick",
        "loaf[2].grams: is not a whole number",
        "loaf[2]: `grain` is missing",
        "loaf[3].gramms: is not a key here; did you mean `grams`?",
        "loaf[4]: is not a table",
        "oven.is_hot: is not true or false",
        "shops.North: `North` is not a name",
        "loafs: is not a key here; did you mean `loaf`?",
    ]


def test_a_wrong_value_is_replaced_by_its_default_so_that_reading_can_go_on() -> None:
    """The other mistakes can only be found if the rest is read."""
    file, findings = read({"loaf": [{"grain": 7, "crust": 7, "grams": 7}]})
    assert len(findings) == 3
    assert [(loaf.grain, loaf.crust, loaf.grams) for loaf in file.loaf] == [("", "thin", 500)]


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({"loaf": {}}, "loaf: is not an array of tables ([[...]])"),
        ({"oven": []}, "oven: is not a table"),
        ({"shops": []}, "shops: is not a table"),
        ({"shops": {"a": 1}}, "shops.a: is not a table"),
        ([], "is not a table"),
    ],
    ids=str,
)
def test_a_value_that_is_not_a_table_is_one_mistake(document: object, finding: str) -> None:
    """Its missing keys are not worth a further line."""
    assert read(document)[1] == [finding]


@pytest.mark.parametrize(
    ("given", "meant"), [("gran", "`grain`"), ("Grams", "`grams`"), ("cruts", "`crust`")]
)
def test_a_misspelt_key_is_answered_with_the_key_that_was_meant(given: str, meant: str) -> None:
    """The nearest name is the likeliest."""
    _, findings = read({"loaf": [{"grain": "rye", given: 1}]})
    assert findings == [f"loaf[1].{given}: is not a key here; did you mean {meant}?"]


def test_a_key_that_resembles_no_other_is_answered_with_all_of_them() -> None:
    """There is no likeliest one."""
    _, findings = read({"zzz": 1})
    assert findings == ["zzz: is not a key here; there are: name, loaf, oven, shops"]


@pytest.mark.parametrize("old", ["rind", "shell"])
def test_an_old_name_works_with_a_warning(old: str) -> None:
    """A deployer can update first and rename later."""
    file, findings = read({"loaf": [{"grain": "rye", old: "thick"}]})
    assert file.loaf[0].crust == "thick"
    assert "crust" in file.loaf[0]
    assert findings == [f"warning: loaf[1].{old}: {CURRENT}"]


def test_a_mistake_in_a_value_under_an_old_name_is_found_under_that_name() -> None:
    """The file has no other line for it."""
    _, findings = read({"loaf": [{"grain": "rye", "rind": "burnt"}]})
    assert findings == [
        "loaf[1].rind: `burnt` is not one of: thin, thick",
        f"warning: loaf[1].rind: {CURRENT}",
    ]


@pytest.mark.parametrize("names", [("crust", "rind"), ("rind", "shell")])
def test_both_names_of_a_key_are_a_mistake(names: tuple[str, str]) -> None:
    """Nobody can know which of the two values is meant."""
    _, findings = read({"loaf": [{"grain": "rye", names[0]: "thin", names[1]: "thick"}]})
    remove = f"loaf[1].{names[1]}: is the old name of `crust`, which is there too: remove `{names[1]}`"
    assert findings[0] == remove
    assert len(findings) == 1 + (names[0] != "crust")


@pytest.mark.parametrize(
    ("kind", "value", "cause"),
    [
        (Text(), 1, "is not a text"),
        (Text(), "", "is empty"),
        (Text("word", "[a-z]+", "is not a word"), "A1", "`A1` is not a word"),
        (Text("word", "[a-z]+", "is not a word"), "abc\n", "`abc\n` is not a word"),
        (HeaderName(), "X Header", "`X Header` is not a header's name"),
        (Choice("a", "b"), "c", "`c` is not one of: a, b"),
        (TimeZone(), "Berlin", "`Berlin` is not a time zone (Europe/Berlin)"),
        (Integer(), 1.0, "is not a whole number"),
        (Integer(), True, "is not a whole number"),
        (Integer(), -1, "is less than 0"),
        (Integer(at_least=2, at_most=3), 1, "is less than 2"),
        (Integer(at_least=2, at_most=3), 4, "is more than 3"),
        (Boolean(), 1, "is not true or false"),
        (Boolean(), "true", "is not true or false"),
        (Duration(), 5, "is not a text such as 5m"),
        (Duration(), "5", "`5` is not a duration: a number and s, m, h or d (5m)"),
        (Duration(60, "is too short"), "59s", "`59s` is too short"),
        (Texts(), 1, "is not a text or a list of texts"),
        (Texts(), [1], "is not a text or a list of texts"),
        (Texts(), [""], "is not a text or a list of texts"),
        (Texts(at_least_one=True), [], "is an empty list"),
        (Texts(Text("word", "[a-z]+", "is not a word")), ["a", "B"], "`B` is not a word"),
        (Networks(), "10.0.0.1/8", "`10.0.0.1/8` is not a network in CIDR form"),
        (ConstantOrTemplate(Boolean()), 1, "is not true or false, nor an expression in {{ }}"),
        (ConstantOrTemplate(Integer()), True, "is not a whole number, nor an expression in {{ }}"),
        (Url(), "http://push.example.com", "is not an https URL"),
        (Url(), "ftp://127.0.0.1", "is not an https URL"),
        (Url(), "https://user@push.example.com", "is not a plain base URL"),
        (Url(), "https://push.example.com?a=b", "is not a plain base URL"),
        (Url(), "https://[", "is not a URL"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_a_mistake(kind: Any, value: object, cause: str) -> None:
    """Each kind has its own."""

    class One(Table):
        key = optional(kind, "A key.")

    report = Report()
    One({"key": value}, report)
    (mistake,) = _mistakes(report)
    assert mistake.message.startswith(cause)


@pytest.mark.parametrize(
    ("kind", "value", "read_as"),
    [
        (Text(may_be_empty=True), "", ""),
        (HeaderName(), "X-Header", "x-header"),
        (TimeZone(), "Europe/Berlin", "Europe/Berlin"),
        (Integer(at_least=2, at_most=3), 3, 3),
        (Duration(60, "is too short"), "60s", 60.0),
        (Texts(), "one", ("one",)),
        (Texts(), [], ()),
        (ConstantOrTemplate(Boolean()), False, False),
        (ConstantOrTemplate(Integer()), "{{ data.n }}", "{{ data.n }}"),
        (Url(), "https://push.example.com/base/", "https://push.example.com/base"),
        (Url(), "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_right_value_is_read(kind: Any, value: object, read_as: object) -> None:
    """At its bounds too."""

    class One(Table):
        key = optional(kind, "A key.")

    report = Report()
    assert One({"key": value}, report).key == read_as
    assert _mistakes(report) == ()
