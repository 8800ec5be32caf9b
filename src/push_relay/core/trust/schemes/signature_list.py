"""A value that is a list of signatures, such as `t=1800000000,v1=ab12,v1=cd34`: its grammar, read strictly.

No genuine sender writes an empty item, a space that belongs nowhere, or a key without a value. Such a list is
refused as a whole, and not searched for a signature that fits.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from push_relay.core.trust.schemes.proof import no_fit, require

#: Items of a group.
MAX_ITEMS = 200
#: The key of every item, for senders whose items have keys that the deployer would have to know.
ANY_KEY = "*"
_KEY = r"[A-Za-z0-9_.-]"
_VALUE = r"[!-~]+(?: [!-~]+)*"
_QUOTED_ITEM = r'\s*([A-Za-z0-9_-]{1,100})="([^"\\]+)"\s*'


class Offered(NamedTuple):
    """The signatures of one group, and its other items by their keys.

    public  the signatures of the second kind
    """

    texts: Sequence[str]
    items: Mapping[str, str]
    public: Sequence[str] = ()


class SignatureList(NamedTuple):
    """The grammar of a list.

    split        separates items
    groups       separates groups of items; empty: the list is one group
    item         the key of the items that are signatures; empty: they have none
    public_item  the key of those of a second kind, by a public key; empty: there are none
    joint        the text between key and value
    quoted       whether values are in quotes, and spaces may be around the items
    first_plain  whether the first item has no key and is not a signature
    spaced       whether spaces may be around the items
    pattern      matches an item with a key
    """

    split: str
    groups: str
    item: str
    public_item: str
    joint: str
    quoted: bool
    first_plain: bool
    spaced: bool
    pattern: re.Pattern[str]

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
            return Offered(written, items)
        texts: list[str] = []
        public: list[str] = []
        for each in written:
            found = self.pattern.fullmatch(each)
            if found is None:
                raise no_fit()
            name, text = found.groups()
            kind = texts if key in (name, ANY_KEY) else public if name == self.public_item else None
            # The parameters of one signature are unique. A second header would be read as more of them.
            require(not self.quoted or not (kind if kind is not None else name in items))
            if kind is not None:
                kind.append(text)
            elif name in items:
                # Only one of them can be the signed one, and another reader could take the other.
                items[name] = ""
            else:
                items[name] = text
        return Offered(texts, items, public)


def item_pattern(joint: str, *, quoted: bool) -> re.Pattern[str]:
    """Return what matches an item of a list, and has its key and its value. The first joint ends the key."""
    between = re.escape(joint)
    return re.compile(_QUOTED_ITEM if quoted else f"((?:(?!{between}){_KEY}){{1,256}}){between}({_VALUE})")


def _setting(item: str, settings: Mapping[str, str]) -> str:
    """Return the key of signatures, which may be one of the deployer's settings."""
    if not item.startswith("{setting:"):
        return item
    key = settings.get(item.removeprefix("{setting:").removesuffix("}"), "")
    require(bool(key))
    return key
