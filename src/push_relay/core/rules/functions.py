"""The functions of expressions: JMESPath's own, and those for the words of a push.

docs/writing-a-source.md, "Functions", is the reference. The fields of webhooks are often missing, null or of
another type. A function that cannot use a value returns null, and never fails the event. The modules that
read texts and numbers are imported on the first call, because few events need each of them.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from jmespath import exceptions, functions

from push_relay.core.graphemes import cut
from push_relay.core.phone_text import is_blank

if TYPE_CHECKING:
    from jmespath.functions import _Signature as Types

#: Characters in which `first_line` looks for a line. Strangers write the text, and each blank line takes
#: microseconds.
_FIRST_LINE_CHARS = 20_000
#: Values of lists that are read, and characters that `replace` and `join_text` may make. An event of a
#: megabyte has room for a quarter of a million values, and its texts could be put together to gigabytes.
_MOST_VALUES = 10_000
_MOST_CHARS = 2_000_000

_ANY: "Types" = {"types": []}
_TEXT: "Types" = {"types": ["string"]}
_NUMBER: "Types" = {"types": ["number"]}
_NUMBER_OR_TEXT: "Types" = {"types": ["number", "string"]}


class Functions(functions.Functions):
    """JMESPath's functions, and those added to them."""

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> object:
        """Call a function. Returns None if it cannot use the values.

        JMESPath's own functions raise an error then, for example `contains` for null.
        """
        try:
            value: object = super().call_function(function_name, resolved_args)
        except (exceptions.JMESPathTypeError, TypeError, ValueError, ArithmeticError):
            return None
        return value

    # --- texts -----------------------------------------------------------------------------------------

    @functions.signature(_TEXT, _NUMBER)
    def _func_truncate(self, text: str, limit: float) -> str:
        return cut(text, int(limit))

    @functions.signature(_TEXT)
    def _func_first_line(self, text: str) -> str:
        lines = text[:_FIRST_LINE_CHARS].splitlines()
        return next((line.strip() for line in lines if not is_blank(line)), "")

    @functions.signature(_TEXT)
    def _func_upper(self, text: str) -> str:
        return text.upper()

    @functions.signature(_TEXT)
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @functions.signature(_TEXT)
    def _func_capitalize(self, text: str) -> str:
        return text[:1].upper() + text[1:]

    @functions.signature(_TEXT)
    def _func_words(self, text: str) -> str:
        from push_relay.core.rules.readable import as_words

        return as_words(text)

    @functions.signature(_TEXT)
    def _func_plain_text(self, text: str) -> str | None:
        from push_relay.core.rules.markup import without_markup

        return without_markup(text) or None

    @functions.signature(_TEXT, _TEXT, _TEXT)
    def _func_replace(self, text: str, old: str, new: str) -> str | None:
        if not old:
            return text
        is_short = len(text) + text.count(old) * len(new) <= _MOST_CHARS
        return text.replace(old, new) if is_short else None

    @functions.signature(_TEXT, _TEXT, _NUMBER)
    def _func_part(self, text: str, separator: str, index: int) -> str | None:
        parts = text.split(separator)
        return parts[index].strip() if -len(parts) <= index < len(parts) else None

    @functions.signature(_TEXT)
    def _func_host(self, url: str) -> str | None:
        from push_relay.core.rules.readable import host_of

        return host_of(url)

    @functions.signature(_TEXT)
    def _func_url_decode(self, text: str) -> str:
        from urllib.parse import unquote_plus

        return unquote_plus(text)

    @functions.signature(_ANY)
    def _func_name_of_arn(self, text: object) -> str | None:
        from push_relay.core.rules.readable import with_names

        return with_names(text) if isinstance(text, str) else None

    @functions.signature(_TEXT)
    def _func_from_base64(self, text: str) -> str | None:
        from push_relay.core.rules.encoded import text_of_base64

        return text_of_base64(text)

    @functions.signature(_TEXT)
    def _func_from_json(self, text: str) -> object:
        from push_relay.core.rules.encoded import value_of_json

        return value_of_json(text)

    @functions.signature(_TEXT, {"types": ["array"]})
    def _func_contains_any(self, text: str, parts: list[object]) -> bool:
        return any(isinstance(part, str) and part in text for part in parts)

    # --- one of several, and several as one ------------------------------------------------------------

    @functions.signature({"types": ["object"]}, {"types": ["string", "number", "boolean"]})
    def _func_lookup(self, table: dict[str, Any], key: str | float) -> object:
        return table.get(key if isinstance(key, str) else str(key).lower())

    @functions.signature({"types": [], "variadic": True})
    def _func_first_text(self, *candidates: object) -> str | None:
        return next(_texts(candidates), None)

    @functions.signature({"types": [], "variadic": True})
    def _func_first_readable(self, *candidates: object) -> str | None:
        from push_relay.core.rules.readable import is_json, with_names

        return next((with_names(text) for text in _texts(candidates) if not is_json(text)), None)

    @functions.signature(_TEXT, {"types": [], "variadic": True})
    def _func_join_text(self, separator: str, *parts: object) -> str | None:
        texts = list(_texts(parts))
        is_short = sum(map(len, texts)) + len(texts) * len(separator) <= _MOST_CHARS
        return (separator.join(texts) or None) if is_short else None

    @functions.signature(_TEXT, _ANY, _TEXT)
    def _func_enclose(self, before: str, text: object, after: str) -> str | None:
        return next((f"{before}{inner}{after}" for inner in _texts([text])), None)

    @functions.signature(_ANY, _NUMBER)
    def _func_list_texts(self, values: object, most: float) -> str | None:
        from push_relay.core.rules.readable import list_texts

        return list_texts(_texts([values]), int(most))

    @functions.signature(_ANY)
    def _func_list_fields(self, fields: object) -> str | None:
        from push_relay.core.rules.readable import list_fields

        return list_fields(fields) if isinstance(fields, dict) else None

    # --- quantities and moments ------------------------------------------------------------------------

    @functions.signature({"types": ["number", "string", "array"]}, {"types": ["string"], "variadic": True})
    def _func_plural(self, count: float | str | list[object], noun: str, *plural: str) -> str | None:
        from push_relay.core.rules.quantities import counted

        return counted(len(count) if isinstance(count, list) else count, noun, next(iter(plural), f"{noun}s"))

    @functions.signature(_NUMBER_OR_TEXT, _NUMBER)
    def _func_round(self, number: float | str, digits: float) -> str | None:
        from push_relay.core.rules.quantities import rounded

        return rounded(number, int(digits))

    @functions.signature(_NUMBER_OR_TEXT, _TEXT)
    def _func_money(self, minor_units: float | str, currency: str) -> str | None:
        from push_relay.core.rules.quantities import money

        return money(minor_units, currency)

    @functions.signature(_NUMBER_OR_TEXT)
    def _func_size(self, size_bytes: float | str) -> str | None:
        from push_relay.core.rules.quantities import size

        return size(size_bytes)

    @functions.signature(_NUMBER_OR_TEXT)
    def _func_duration(self, secs: float | str) -> str | None:
        from push_relay.core.rules.quantities import duration

        return duration(secs)

    @functions.signature(_NUMBER_OR_TEXT, _NUMBER_OR_TEXT)
    def _func_duration_between(self, begin: float | str, end: float | str) -> str | None:
        from push_relay.core.rules.quantities import duration_between

        return duration_between(begin, end)

    @functions.signature(_NUMBER_OR_TEXT, _TEXT)
    def _func_date(self, moment: float | str, pattern: str) -> str | None:
        from push_relay.core.rules.quantities import read_moment

        read = read_moment(moment)
        return read.strftime(pattern) if read else None


def _texts(values: Iterable[object]) -> Iterator[str]:
    """Yield numbers, and texts that are not blank without the space round them, also those in lists.

    Only the first values are read.
    """
    for value in islice(_values(values), _MOST_VALUES):
        if isinstance(value, str):
            if not is_blank(value):
                yield value.strip()
        elif type(value) is int or type(value) is float:  # not true or false
            yield str(value)


def _values(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, list):
            yield from _values(value)
        else:
            yield value


#: The functions added to JMESPath's own.
FUNCTIONS = tuple(name.removeprefix("_func_") for name in vars(Functions) if name.startswith("_func_"))
