"""`relayctl check` finds the mistakes that people make in templates and constants, each with a hint."""

from pathlib import Path

import pytest

from kiln import LINES, check_kiln, only, place, toml
from push_relay.core.rules.findings import ERROR, WARNING

#: A title as a person would write it, the code of the finding, and what the message has to contain.
CERTAIN = [
    # --- other template languages
    ("{{ data.kiln.name | upper }}", "invalid_call", "write `upper(data.kiln.name)`"),
    ("{{ data.kiln.name | default('a kiln') }}", "invalid_value", "write `first_text(data.x, 'other')`"),
    ("{{ data.kiln.name | truncate(`20`) }}", "invalid_call", "`data.x | truncate(@, limit)` after a pipe"),
    ("{{ data.labels | length }}", "invalid_call", "write `length(data.labels)`"),
    ("{{ data.tags | first }}", "invalid_call", "write `data.list[0]`"),
    ("{{ data.kiln.name.upper() }}", "invalid_call", "it is `upper(text)`"),
    ("{% if data.urgent %}!{% endif %} Kiln", "not_a_template", "write `[[ ]]` around an optional part"),
    (
        "{% for x in data.tags %}x{% endfor %}",
        "not_a_template",
        "write `join_text(', ', data.list[].name)`",
    ),
    ("${data.kiln.name} is hot", "not_a_template", "write `{{ }}`"),
    ("${{ github.event.kiln.name }}", "unknown_name", "write `data.kiln.name`"),
    ("{data.kiln.name} is hot", "not_a_template", "write `{{ data.kiln.name }}`"),
    ("{action} at the kiln", "not_a_template", "write `{{ data.action }}`"),
    ("{{{ data.kiln.name }}}", "invalid_value", "with two braces"),
    ("<%= data.kiln.name %>", "not_a_template", "write `{{ }}`"),
    ("%(kiln)s is hot", "not_a_template", "write `{{ }}`"),
    ("{{ $json.kiln.name }}", "invalid_value", "the event's document is `data`"),
    ("{{ .kiln.name }}", "invalid_value", "the event's document is `data`"),
    ("{{ this.kiln.name }}", "unknown_name", "write `data.kiln.name`"),
    ("{{ data.urgent ? 'now' : 'later' }}", "invalid_value", "a choice is `data.x && 'then' || 'else'`"),
    # --- braces and brackets
    ("data.kiln.name", "not_a_template", "write `{{ data.kiln.name }}`"),
    ("Hot: data.kiln.name", "not_a_template", "write `{{ data.kiln.name }}`"),
    ("upper(data.kiln.name)", "not_a_template", "write `{{ upper(data.kiln.name) }}`"),
    ("{{ data.kiln.name }", "invalid_value", "opens `{{` and never closes it"),
    ("{{ data.kiln.name }} }}", "not_a_template", "has `}}` without `{{` before it"),
    ("Kiln ]] is hot", "not_a_template", "has `]]` without `[[` before it"),
    # --- functions
    ("{{ truncate(data.kiln.name) }}", "invalid_call", "it is `truncate(text, limit)`"),
    ("{{ truncate(data.kiln.name, 20) }}", "invalid_value", "a number is in backticks"),
    ("{{ truncate(data.kiln.name, '20') }}", "invalid_call", "write `20` with the backticks"),
    ("{{ date(data.started_at, 'YYYY-MM-DD') }}", "invalid_call", "`'%Y-%m-%d'`"),
    ("{{ plural(data.labels) }}", "invalid_call", "it is `plural(count, noun, ...)`"),
    ("{{ length data.labels }}", "invalid_value", "write `length(data.labels)`"),
    ("{{ format('{0} is hot', data.kiln.name) }}", "invalid_value", "write `join_text("),
    ("{{ now() }}", "invalid_value", "docs/writing-a-source.md lists the functions"),
    ('{{ lookup({"firing": "hot"}, data.action) }}', "unknown_name", "is in backticks"),
    ("{{ data.kiln.name + ' is hot' }}", "invalid_value", "there is no `+`"),
    # --- values that are not a text
    ("{{ data.labels[].name }}", "wrong_type", "write `join_text(', ', ...)`"),
    ("{{ data.labels }}", "wrong_type", "write `join_text(', ', ...)`"),
    ("{{ data.kiln }}", "wrong_type", "name one of its members"),
    ("{{ where.name }}", "wrong_type", "has no members"),
    ("{{ {name: data.kiln.name} | nmae }}", "unknown_name", "did you mean `name`?"),
    ('{{ "hot" }}', "unknown_name", "write a text in single quotes: 'hot'"),
    ("{{ title }}", "unknown_name", "a field of the document is `data.title`"),
]
PROBABLE = [
    ("{{ data.kiln.nmae }}", "did you mean `data.kiln.name`?"),
    ("{{ first_text(data.kiln.nmae, 'a kiln') }}", "did you mean `data.kiln.name`?"),
    ("Hot[[ at {{ data.site.nmae }}]]", "did you mean `data.site.name`?"),
    ("{{ data.kiln.name[:10] }}", "truncate(data.kiln.name, `80`) cuts a text"),
    ("{{ data.kiln.name.length }}", "write `length(data.kiln.name)`"),
    ("{{ sort_by(data.labels, &nmae)[0].name }}", "did you mean `data.labels[].name`?"),
    ("{{ data.kiln.Name }}", "did you mean `data.kiln.name`?"),
    ("{{ data.house.name }}", "add an example that has it, or declare it in schema.json"),
]
#: Wrong values of `sound` and `expiry_secs`.
CONSTANTS = [
    ("sound", "true", "write the constant without quotes, true"),
    ("sound", "yes", "write a constant (true), or one expression in `{{ }}`"),
    ("sound", "{{ data.severity == 'high' }} ", "write one `{{ }}` and nothing else"),
    ("sound", "{{ data.severity }}", "comes to a text, and has to come to true or false"),
    ("sound", "{{ upper(data.severity) }}", "has to come to true or false"),
    ("expiry_secs", "3600", "write the constant without quotes, 3600"),
    ("expiry_secs", "1h", "write a constant (3600), or one expression in `{{ }}`"),
    ("expiry_secs", "{{ '3600' }}", "write `to_number('3600')`"),
    ("expiry_secs", "{{ data.level }}m", "write one `{{ }}` and nothing else"),
]


@pytest.mark.parametrize(("text", "code", "hint"), CERTAIN)
def test_a_mistake_in_a_template_is_an_error_with_a_hint(
    text: str, code: str, hint: str, tmp_path: Path
) -> None:
    """It would be shown as it is on the phone, or fail the event."""
    result = check_kiln(tmp_path, title=toml(text))
    found = only(result)
    assert (found.code, place(found), found.severity) == (code, ("source.toml", LINES["title"]), ERROR)
    assert hint in found.message
    assert not result.ok


@pytest.mark.parametrize(("text", "hint"), PROBABLE)
def test_a_field_that_no_example_has_is_a_warning(text: str, hint: str, tmp_path: Path) -> None:
    """An example does not show everything that a sender sends."""
    found = only(check_kiln(tmp_path, title=toml(text)))
    assert (found.code, place(found), found.severity) == (
        "unknown_field",
        ("source.toml", LINES["title"]),
        WARNING,
    )
    assert hint in found.message


@pytest.mark.parametrize(("key", "text", "hint"), CONSTANTS)
def test_a_text_where_a_constant_is_needed_is_an_error(
    key: str, text: str, hint: str, tmp_path: Path
) -> None:
    """It would fail every event of the rule."""
    found = only(check_kiln(tmp_path, **{key: toml(text)}))
    assert (found.code, place(found), found.severity) == ("wrong_type", ("source.toml", LINES[key]), ERROR)
    assert hint in found.message


@pytest.mark.parametrize(
    "text",
    [
        "{{ data.kiln.name }}: {{ data.kiln.temperature }} degrees, 5 {units}",
        "{{ first_text(data.name, data.kiln.title, data.kiln.name) }}",
        "Hot[[ at {{ data.place.name }}]][[, {{ data.site.name }}]]",
        "{{ truncate(data.kiln.name, `20`) }} costs $5 (data.gov)",
        "{{ data.labels[].name | join_text(', ', @) }}",
        "{{ list_texts(data.labels[].name, `3`) }} {{ plural(data.labels, 'label') }}",
        "{{ join_text(', ', data.tags[0], data.missing && 'x', !(data.urgent) && 'calm') }}",
        '{{ lookup(`{"firing": "hot"}`, data.action) || data.action }}',
        "{{ date(data.started_at, '%H:%M') }} {{ data.urgent && 'now' || 'later' }}",
        "{{ data.site | name }}",
        "{{ map(&name, data.labels) | [0] }}",
    ],
)
def test_a_right_template_has_no_finding(text: str, tmp_path: Path) -> None:
    """A check that is wrong too often is switched off."""
    assert check_kiln(tmp_path, title=toml(text)).findings == ()


def test_every_mistake_of_a_template_is_found_in_one_run(tmp_path: Path) -> None:
    """A person corrects them all before the next run."""
    result = check_kiln(tmp_path, title=toml("{{ data. }} {{ data.x( }} {{ wher }} {{ data.kiln.nmae }}"))
    messages = [found.message for found in result.findings]
    assert len(messages) == 4
    assert {found.line for found in result.findings} == {LINES["title"]}
    for part in ("a name is missing after the dot", "a `)` is missing", "`where`", "`data.kiln.name`"):
        assert any(part in message for message in messages)


def test_every_mistake_of_every_file_is_found_in_one_run(tmp_path: Path) -> None:
    """The findings are in the order of the files and lines."""
    result = check_kiln(
        tmp_path,
        when=toml("event.type == 'x'"),
        body=toml("{{ payload.x }}"),
        sound=toml("true"),
        schema='{"type": "object",\n"requierd": []}',
        relay='[[route]]\nsource = "kiln"\nwhen = "payload.x"\nto = ["usr:1"]\n',
    )
    assert [place(found) for found in result.findings] == [
        ("schema.json", 2),
        ("source.toml", LINES["when"]),
        ("source.toml", LINES["body"]),
        ("source.toml", LINES["sound"]),
        ("relay.toml", 3),
        ("relay.toml", 4),
    ]


def test_a_named_value_is_checked_once_and_known_below_it(tmp_path: Path) -> None:
    """A value that reads itself, or one below it, would be null."""
    head = 'title = "t"\ndocs = "d"\n[event]\ntype = "data.action"\n'
    values = '[value]\nfirst = "second"\nsecond = "upper(data.kiln.nmae) || \'x\'"\nown = "own"\n'
    rule = '[[message]]\ntitle = "{{ second }}"\nbody = "{{ second.name }}"\n'
    result = check_kiln(tmp_path, source=head + values + rule)
    found = [(each.line, each.code) for each in result.findings if each.code != "failed_example"]
    assert found == [
        (6, "unknown_name"),
        (7, "unknown_field"),
        (8, "unknown_name"),
        (11, "wrong_type"),
    ]
    assert "in the values below it" in result.findings[-4].message


def test_an_example_whose_push_fails_is_an_error(tmp_path: Path) -> None:
    """The deployer's folders have no goldens that a test compares."""
    result = check_kiln(tmp_path, body=toml("{{ data.note }}"))
    (found,) = result.findings
    assert (found.code, place(found)) == ("failed_example", ("firing.request.json", 0))
    assert found.message == "becomes no push: message[1] of kiln: the body is blank"
