"""Write the text of source.toml and routes.toml."""

import json
from collections.abc import Mapping
from textwrap import wrap
from typing import Final

from relayctl.drafting import toml_text
from relayctl.drafting.proof import Proof
from relayctl.drafting.wording import Draft, Lines, Rule

_EXPIRY_SECS: Final = 86_400
#: Columns from which an expression goes over several lines.
_WIDE: Final = 110


def source_text(  # noqa: PLR0913 (each of them is a part of the file)
    *, title: str, docs: str, proof: Proof, event: Mapping[str, str], headers: Mapping[str, str], draft: Draft
) -> str:
    """Return source.toml.

    event    the keys of `[event]` that describe the body
    headers  the headers of the event's `id` and `type`, if there are some
    """
    parts = [
        f"{toml_text.line('title', title)}\n{toml_text.line('docs', docs)}",
        _verify(proof),
        _event(proof, event, headers, draft),
        _values(draft.values),
        *map(_rule, draft.rules),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def routes_text(name: str, title: str) -> str:
    """Return routes.toml."""
    return (
        f"# Every event of {title} goes to the person on duty.\n"
        f"[[route]]\n{toml_text.line('source', name)}\n{toml_text.line('to', ['external:4711'])}\n"
    )


def _verify(proof: Proof) -> str:
    comments = [f"# {line}" for comment in proof.comments for line in wrap(comment, _WIDE)]
    keys = [toml_text.line(key, value) for key, value in proof.table.items()]
    return "\n".join([*comments, "[verify]", *keys])


def _event(proof: Proof, event: Mapping[str, str], headers: Mapping[str, str], draft: Draft) -> str:
    keys = [toml_text.line(key, value) for key, value in _body_keys(proof, event).items()]
    for key, fields in (("id", draft.ids), ("type", draft.types)):
        if key in headers:
            keys.append(toml_text.line(key, f"headers.{json.dumps(headers[key])}"))
        elif fields:
            paths = [field.path for field in fields]
            keys.append(
                toml_text.line(key, paths[0] if len(paths) == 1 else f"first_text({', '.join(paths)})")
            )
    if draft.each:
        keys.append(
            f"# {toml_text.line('each', draft.each.path)} # a push about each item; `data` is the item then"
        )
    return "\n".join(["[event]", *keys]) if keys else ""


def _body_keys(proof: Proof, event: Mapping[str, str]) -> Mapping[str, str]:
    """Return the keys about the body, without those that the preset has already."""
    of_preset = {key: value for key, value in proof.event.items() if key in {"format", "form_field"}}
    if of_preset == dict(event):
        return {}
    return event or {"format": "json"} if of_preset else event


def _values(values: Mapping[str, str | Lines]) -> str:
    lines = [f"{name} = {_expression(name, value)}" for name, value in values.items()]
    return "\n".join(["[value]", *lines]) if lines else ""


def _expression(name: str, value: str | Lines) -> str:
    """Return an expression as a string of TOML, over several lines if it is wide."""
    text = value if isinstance(value, str) else value.expression
    written = toml_text.quoted(text)
    if isinstance(value, str) or len(value.lines) == 1 or len(name) + len(written) <= _WIDE:
        return written
    # Inside three double quotes a single one needs no escape.
    lines = [toml_text.escaped(line)[1:-1].replace('\\"', '"') for line in value.lines]
    return f'"""join_text(\'\\n\', \\\n  {", \\\n  ".join(lines)})"""'


def _rule(rule: Rule) -> str:
    lines = [f"# {rule.comment}"] if rule.comment else []
    lines.append("[[message]]")
    if rule.when:
        lines.append(toml_text.line("when", rule.when))
    sound = toml_text.value(rule.sound)
    return "\n".join(
        [
            *lines,
            toml_text.line("title", rule.title),
            toml_text.line("body", rule.body),
            f"sound = {sound}",
            toml_text.line("expiry_secs", _EXPIRY_SECS),
        ]
    )
