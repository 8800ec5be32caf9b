"""Explain why a text is not an expression: what people write who know another language."""

import re
from typing import Final

from relayctl.checks.functions import names as function_names

#: Patterns of texts without their quoted parts, and what to write instead. The first that fits counts.
_HINTS: Final = (
    (r"\{\{", "a condition is an expression, without `{{ }}`"),
    (r"^\{[^:]*$", "write `{{ }}` with two braces"),
    (r"[\u201c\u201d\u2018\u2019\u00b4]", "write straight quotes: 'text'"),
    (r"===", "a comparison is `==`"),
    (r"!==", "a comparison is `!=`"),
    (r"<>", "a comparison is `!=`"),
    (r"=~", "there are no patterns: write `contains(data.x, 'text')` or `starts_with(data.x, 'text')`"),
    (r"\?\.", "a member of null is null, so write `.`"),
    (r"\?\?", "write `||`, or `first_text(data.x, 'other')`"),
    (r"=>", "write `data.list[].name` for a member of each item, `data.list[?name == 'x']` for some items"),
    (r"(?<!\[)\?", "a choice is `data.x && 'then' || 'else'`"),
    (r"\bif\b.*\b(?:then|else)\b|\belse\b", "a choice is `data.x && 'then' || 'else'`"),
    (r"\bnot\s+in\b", "write `!contains(['a', 'b'], data.x)`"),
    (r"(?<![.\w])in\b", "write `contains(['a', 'b'], data.x)`"),
    (r"(?<![.\w])and\b|(?<![.\w])AND\b", "`and` is `&&`"),
    (r"(?<![.\w])or\b|(?<![.\w])OR\b", "`or` is `||`"),
    (r"(?<![.\w])not\b|(?<![.\w])NOT\b", "`not` is `!(...)`"),
    (r"(?<![.\w])is\b", "a comparison is `==`"),
    (r"[\w\])]\[\s*Q", 'a member is read with a dot: `data.name`, or `data."first-name"` with a hyphen'),
    (r"[\w\])]\[\s*[A-Za-z_]", "an item is read by its number, `data.list[0]`, and a member with a dot"),
    (r"(?:[=!<>]=?|[,(])\s*-?\d", "a number is in backticks: `5`"),
    (r"\.\d", "an item is read by its number in brackets: `data.list[0]`"),
    (r"\.[@$#%][\w-]*|\.\w+:\w", 'a name with such a sign is in double quotes: `data."@type"`'),
    (r"[\w\)Q]\s*[+]\s*[\w\(Q]", "there is no `+`: write `join_text(' ', data.x, data.y)`, or two `{{ }}`"),
    (r"[\w\)Q]\s*[*/%-]\s+[\w\(Q]", "there is no arithmetic"),
    (r"^\s*\.\w|\$", "the event's document is `data`: write `data.name`"),
    (r"(?<!&)&(?!&)", "`and` is `&&`"),
    (r"(?<![=!<>])=(?!=)", "a comparison is `==`"),
    (r"\.\s*$", "a name is missing after the dot"),
    (r"(?:[=!]=|[<>]=?|&&|\|\||!)\s*$", "a value is missing after the operator"),
    (r",\s*$|,\s*\)", "there is a comma too many"),
)  # fmt: skip
_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`""")


def hint_for(text: str) -> str:
    """Return how to correct a text that is not an expression, or an empty text."""
    bare = _QUOTED.sub("Q", text)
    for sign, name in (("'", "text"), ('"', "name"), ("`", "constant")):
        if sign in bare:
            more = "; an apostrophe in a text is written \\'" if sign == "'" else ""
            return f"a {name} is not closed, a `{sign}` is missing{more}"
    for pattern, hint in _HINTS:
        if re.search(pattern, bare):
            return hint
    call = re.search(r"\b(\w+)\s+(data\.[\w.]+)", bare)
    if call and call[1] in function_names():
        return f"a function has brackets: write `{call[1]}({call[2]})`"
    for opening, closing in ("()", "[]", "{}"):
        if bare.count(opening) != bare.count(closing):
            missing = closing if bare.count(opening) > bare.count(closing) else opening
            return f"a `{missing}` is missing"
    return ""
