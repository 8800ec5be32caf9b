"""Words of an event that a person can read on a locked phone: names instead of ARNs, and no JSON.

The functions of expressions use it (docs/writing-a-source.md, "Functions").
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from push_relay.core.graphemes import cut
from push_relay.core.phone_text import is_blank

#: Characters of a text in which ARNs are replaced: more than any phone shows.
_LONGEST = 20_000
#: Fields of an object that are listed, characters of each value, and keys that are looked at.
_FIELDS, _VALUE_CHARS, _MOST_KEYS = 6, 80, 100

#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
_ARN = re.compile(r"\barn:aws[a-z-]*:([a-z0-9-]*):[a-z0-9-]*:[a-z0-9-]*:([^\s\"'<>,;|(){}\[\]]+)")
#: A part of a resource's name that names nothing to a person: a UUID, a hash, a number, any revision.
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|[0-9]+|\*|\$LATEST")
#: The signs between the words of an identifier, and the places in it where a capital begins a word.
_JOINTS = re.compile(r"[_.:/-]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HOST = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^/?#\s]*@)?([^/?#:\s]+)")
_JSON = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")


def with_names(text: str) -> str:
    """Return a text in which each ARN is replaced by the name of its resource."""
    return _ARN.sub(_name, text[:_LONGEST]) if "arn:" in text else text


def _name(arn: re.Match[str]) -> str:
    service, resource = arn[1], arn[2]
    # The end of a sentence is not a part of the ARN.
    end = resource[len(resource.rstrip(".:")) :].partition(":")[0]
    resource = resource.rstrip(".:")
    parts = [part for part in re.split("[/:]", resource) if part]
    if service == "s3" or len(parts) < 2:  # noqa: PLR2004 (a bucket, a topic and a queue have no type)
        return resource + end
    # The first part is the resource's type. A path ends with the name; `function:NAME:ALIAS` begins with it.
    names = [part for part in parts[1:] if not _ID.fullmatch(part)] or parts[1:]
    return names[-1 if "/" in resource else 0] + end


def is_json(text: str) -> bool:
    """Return whether a text begins as a JSON object does, or as a list of texts, lists or objects."""
    return _JSON.match(text) is not None


def list_fields(fields: Mapping[str, object]) -> str | None:
    """Return an object's first fields that have a text or a number, as `key: value, key: value`."""
    listed = [f"{key}: {value}" for key, value in _pairs(fields)]
    return ", ".join(listed[:_FIELDS]) or None


def _pairs(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in list(fields.items())[:_MOST_KEYS]:
        match value:
            case bool():
                yield key, "true" if value else "false"
            case int() | float():
                yield key, str(value)
            case str() if not is_blank(value) and not is_json(value):
                yield key, cut(with_names(value.strip()), _VALUE_CHARS)


def list_texts(texts: Iterable[str], most: int) -> str | None:
    """Return texts as a list without repetitions: `a, b, c and 2 more`."""
    listed = list(dict.fromkeys(texts))
    more = len(listed) - max(most, 1)
    shown = ", ".join(listed[: max(most, 1)])
    return f"{shown} and {more} more" if more > 0 else shown or None


def as_words(text: str) -> str:
    """Return an identifier as words: `pull_request.reviewComment` is `pull request review comment`."""
    apart = _CAMEL.sub(" ", _JOINTS.sub(" ", text[:_LONGEST]))
    if apart.isupper():
        return " ".join(apart.lower().split())
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in apart.split())


def host_of(url: str) -> str | None:
    """Return the host of a URL, without `www.`; None if it is not a URL."""
    found = _HOST.match(url.strip())
    return found[1].lower().removeprefix("www.") if found else None
