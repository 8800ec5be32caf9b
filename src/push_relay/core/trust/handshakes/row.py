"""A handshake as data: the request by which a kind of sender asks, and the answer that it expects.

A place is a text such as `query:NAME`, `header:name` (lower-case) or `json:/POINTER`. Templates have
placeholders in braces:

| placeholder                    | value                                                             |
|--------------------------------|-------------------------------------------------------------------|
| `{PLACE}`                      | the text at a place of the request                                |
| `{setting:NAME}`               | a setting of the source                                           |
| `{hmac-sha256-hex:PLACE}`      | its HMAC with the source's key                                    |
| `{hmac-sha256-base64:PLACE}`   | the same, in base64                                               |
| `{hmac-sha1-hex:PLACE}`        | the same, with SHA-1                                              |
| `{sha256-hex:PLACE+PLACE+url}` | the hash of the values in a row; `url` is the webhook's URL       |
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

#: In a trigger: any text that the row's pattern allows. Only such a text may be in an answer.
ANY: Final = "*"
#: A short text of printable ASCII, which is safe to send back to a sender that has proven itself.
PRINTABLE: Final = r"[\x20-\x7e]{1,1024}"
#: A text that is safe to send back to anybody: it can hold no markup.
HARMLESS: Final = r"[A-Za-z0-9._~:+/=@-]{1,512}"
#: Bytes of a body that may be a question: anybody can have it parsed.
MAX_QUESTION: Final = 16 * 1024

_SETTING = r"setting:([a-z-]+)"
_NO_PLACES: Mapping[str, str] = MappingProxyType({})


class Row(NamedTuple):
    """One question of one kind of sender.

    method     GET, HEAD or POST
    signed     whether the request has to be proven as events are. It has to be a POST
    trigger    places and what they hold: ANY, a literal, or a text with `{setting:NAME}`
    absent     places that hold nothing
    body       the whole body of a question that comes without a proof: empty, or a JSON object with no
               others than these members, so that it holds no event. None: the trigger alone decides
    pattern    what a value that is ANY must look like
    alphabet   the characters of a challenge that is signed, as a regular expression's set. No event whose
               signed content has only these characters is accepted
    derive     `sha1` if the key of an HMAC is the hash of the secret
    status     the status of the answer
    text       the answer's body as text, or
    json       as a JSON object
    headers    further headers of the answer
    refused    the status if a setting does not fit: 403 or 404
    brings     the place of a secret that the sender chooses; see `setup.py`
    """

    method: str = "POST"
    signed: bool = False
    trigger: Mapping[str, object] = _NO_PLACES
    absent: tuple[str, ...] = ()
    body: frozenset[str] | None = None
    pattern: str = HARMLESS
    alphabet: str = ""
    derive: str = ""
    status: int = 200
    text: str = ""
    json: Mapping[str, object] | None = None
    headers: Mapping[str, str] = _NO_PLACES
    refused: int = 403
    brings: str = ""

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the settings that it needs."""
        texts = [*self.trigger.values(), self.text, *(self.json or {}).values(), *self.headers.values()]
        found = [name for text in texts if isinstance(text, str) for name in re.findall(_SETTING, text)]
        return tuple(dict.fromkeys(found))

    @property
    def needs_settings(self) -> bool:
        """Whether it needs a setting."""
        return bool(self.settings or self.brings)

    @property
    def has_verify_token(self) -> bool:
        """Whether a setting that only its sender knows proves it."""
        return any("{setting:" in str(wanted) for wanted in self.trigger.values())

    @property
    def signs(self) -> bool:
        """Whether its answer is signed with the source's key."""
        return bool(self.alphabet)
