"""A value that is a list of signatures, such as `t=1800000000,v1=ab12,v1=cd34`: its grammar, read strictly.

No genuine sender writes an empty item, a space that belongs nowhere, or a key without a value. Such a list is
refused as a whole, and not searched for a signature that fits.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from push_relay.core.trust.schemes.proof import require

#: Items of a group.
MAX_ITEMS = 200
#: The key of every item, for senders whose items have keys that the deployer would have to know.
ANY_KEY = "*"
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_VALUE = re.compile(r"[!-~]+(?: [!-~]+)*")
_QUOTED_ITEM = re.compile(r'\s*([A-Za-z0-9_-]{1,100})="([^"\\]*)"\s*')


class Offered(NamedTuple):
    """The signatures of one group, and its other items by their keys."""

    texts: tuple[str, ...]
    items: Mapping[str, str]


class SignatureList(NamedTuple):
    """The grammar of a list.

    split        separates items
    groups       separates groups of items; empty: the list is one group
    item         the key of the items that are signatures; empty: they have none
    joint        the text between key and value
    quoted       whether values are in quotes, and spaces may be around the items
    first_plain  whether the first item has no key and is not a signature
    spaced       whether spaces may be around the items
    """

    split: str
    groups: str = ""
    item: str = ""
    joint: str = "="
    quoted: bool = False
    first_plain: bool = False
    spaced: bool = False

    def read(self, value: str, settings: Mapping[str, str]) -> list[Offered]:
        """Return the groups of a list. Raises SignatureInvalid."""
        groups = value.split(self.groups) if self.groups else [value]
        key = _setting(self.item, settings)
        return [self._group(group.split(self.split), key) for group in groups]

    def _group(self, written: list[str], key: str) -> Offered:
        require(len(written) <= MAX_ITEMS)
        if self.spaced:
            written = [each.strip(" ") for each in written]
        items: dict[str, str] = {}
        if self.first_plain:
            items[""] = written.pop(0)
        if not key:
            require(bool(written) and all(written))
            return Offered(tuple(written), items)
        texts: list[str] = []
        for each in written:
            name, text = self._pair(each)
            # The parameters of one signature are unique. A second header would be read as more of them.
            require(not self.quoted or (name not in items and not (texts and key in {name, ANY_KEY})))
            if key in {name, ANY_KEY}:
                texts.append(text)
            elif name in items:
                # Only one of them can be the signed one, and another reader could take the other.
                items[name] = ""
            else:
                items[name] = text
        return Offered(tuple(texts), items)

    def _pair(self, written: str) -> tuple[str, str]:
        if self.quoted:
            found = _QUOTED_ITEM.fullmatch(written)
            require(found is not None and bool(found[2]))
            return (found[1], found[2]) if found else ("", "")
        name, joint, text = written.partition(self.joint)
        require(bool(joint) and _KEY.fullmatch(name) is not None and _VALUE.fullmatch(text) is not None)
        return name, text


def _setting(item: str, settings: Mapping[str, str]) -> str:
    """Return the key of signatures, which may be one of the deployer's settings."""
    if not item.startswith("{setting:"):
        return item
    key = settings.get(item.removeprefix("{setting:").removesuffix("}"), "")
    require(bool(key))
    return key
