"""The common part of all `[verify]` tables: the scheme or preset, the proof's places, how long to remember.

`deliver` reads these tables too, so that this module and those of the tables load no scheme.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.configuration import Key, Table, default, required
from push_relay.core.rules.expression import RequestFields
from push_relay.core.rules.findings import Path, Report, choices
from push_relay.core.rules.kinds import Integer, Text
from push_relay.core.trust.place import Place

#: Seconds after which no sender tries to deliver the same request again. A sender tries again when it has no
#: answer, first within minutes; a duplicate is answered like the first, so the attempts end there.
RETRIES_END_SECS = 12 * 3600.0
#: Seconds by which a signed timestamp may differ from the clock, in either direction, by default.
TOLERANCE_SECS = 300
#: Seconds that a tolerance may be: past a day, a timestamp no longer keeps replays out.
MAX_TOLERANCE_SECS = 86_400
#: The scheme that accepts every request.
OPEN = "none"
#: Schemes in which no secret of the deployer's takes part.
WITHOUT_SECRET = frozenset({"sns-http", OPEN})
#: Schemes whose secret is the key of an HMAC, and may sign the answer to a handshake.
WITH_KEY = frozenset({"signed", "hmac"})
#: Schemes of the engine that serve one provider, and whose preset has the defaults of its other tables.
WITH_PRESET = frozenset({"twilio"})
#: The class that reads the table of each scheme. `verify_table.py` fills it.
VERIFY_TABLES: "dict[str, type[Verify]]" = {}
#: Keys of a preset that a shorter key of the source's replaces.
_REPLACED = {
    "header": ("signature", "token"),
    "query": ("token", "header"),
    "timestamp_header": ("timestamp",),
}


def tolerance(secs: int = TOLERANCE_SECS) -> Key[int]:
    """Declare the key of a tolerance."""
    return default(
        Integer(at_least=1, at_most=MAX_TOLERANCE_SECS),
        secs,
        "Seconds by which the signed timestamp may differ from the clock.",
    )


class SchemeNames:
    """The names of the schemes, and of the presets, which are only loaded if a scheme has another name."""

    def __iter__(self) -> Iterator[str]:
        yield from VERIFY_TABLES
        yield from (name for name in _slugs() if name not in VERIFY_TABLES)

    def __contains__(self, name: object) -> bool:
        return name in VERIFY_TABLES or name in _slugs()

    def __len__(self) -> int:
        return len(list(iter(self)))


class SchemeName(Text):
    """The name of a scheme or a preset. A wrong one is answered with the one that was probably meant."""

    def __init__(self) -> None:
        super().__init__("scheme")
        self.names = SchemeNames()

    def read(self, value: object) -> str:
        """Return the name."""
        name = super().read(value)
        if name not in self.names:
            raise ConfigurationInvalid(f"`{name}` does not exist; {choices(name, self.names)}")
        return name


class Verify(Table):
    """How a webhook proves its origin. The other keys depend on the scheme.

    This class reads the table of a scheme that does not exist. Such a scheme is the only mistake then.
    `scheme` is the scheme of the engine, and `preset` the preset that the table names, or empty.
    """

    is_open = True

    scheme = required(SchemeName(), "The scheme or the preset by which a webhook proves its origin.")

    def __init__(self, given: object, report: Report | None = None, path: Path = ()) -> None:
        self.preset = preset_of(given)
        #: The field of a form that holds the source's document, `*` for all of them, or None.
        self.form_field: str | None = None
        super().__init__(_merged(given, self.preset), report, path)
        self.expand()

    def expand(self) -> None:
        """Write the table's short keys in full, after they have been checked."""

    @classmethod
    def for_document(cls, given: object) -> type[Self]:
        """Return the class of the scheme that a table names, or of its preset's."""
        scheme: Any = given.get("scheme") if isinstance(given, Mapping) else None
        preset = preset_of(given)
        if preset:
            scheme = _row(preset)["scheme"]
        table: Any = VERIFY_TABLES.get(scheme, cls) if isinstance(scheme, str) else cls
        return table  # type: ignore[no-any-return] # each of them is a subclass

    @property
    def document_field(self) -> str | None:
        """The one field of a form that holds the source's document, or None."""
        return None if self.form_field == "*" else self.form_field

    @property
    def name(self) -> str:
        """The preset, or the scheme: what the file names."""
        return self.preset or self.scheme

    @property
    def needs_secret(self) -> bool:
        """Whether a secret of the deployer's takes part in the verification."""
        return self.scheme not in WITHOUT_SECRET

    @property
    def is_proven_by_url(self) -> bool:
        """Whether the webhook's URL holds a token, so that requests by any method have it."""
        return self.scheme == "token" and bool(self.proof.query)

    @property
    def has_key(self) -> bool:
        """Whether the source's secret is the key of an HMAC that the engine describes."""
        return self.scheme in WITH_KEY

    @property
    def signs_content(self) -> bool:
        """Whether the proof covers the content, and not only the sender."""
        return self.scheme != OPEN

    @property
    def signs_url(self) -> bool:
        """Whether the sender signs the URL that it calls, which a request does not always reveal."""
        return False

    @property
    def proof_places(self) -> tuple[tuple[str, Place], ...]:
        """The places that carry the proof, be it the secret itself or a signature, each with its key."""
        return ()

    @property
    def proof(self) -> RequestFields:
        """The fields of a request that expressions must not read, and that no event keeps."""
        places = [place for _, place in self.proof_places]
        return RequestFields(
            frozenset(place.name for place in places if place.kind == "header"),
            frozenset(place.name for place in places if place.kind == "query"),
        )

    @property
    def signed_tolerance_secs(self) -> int | None:
        """The tolerance of a timestamp that is signed, if no id is; else None."""
        return None

    @property
    def remember_secs(self) -> float | None:
        """Seconds for which the same content without an id is the same event.

        None: as long as the ledger remembers, because nothing else keeps a captured request from being
        relayed again. A timestamp may be the tolerance ahead of the clock, and the request is fresh for as
        long after it.
        """
        if not self.signs_content:
            return RETRIES_END_SECS
        tolerance_secs = self.signed_tolerance_secs
        return None if tolerance_secs is None else max(RETRIES_END_SECS, 2.0 * tolerance_secs)


def _slugs() -> tuple[str, ...]:
    # Imported here: most sources name a scheme, and `deliver` reads their tables in each cold start.
    from push_relay.core.trust.presets import SLUGS  # noqa: PLC0415

    return SLUGS


def _row(slug: str) -> Mapping[str, Any]:
    from push_relay.core.trust.presets import PRESETS  # noqa: PLC0415 (as above)

    return PRESETS[slug].verify


def preset_of(given: object) -> str:
    """Return the preset that a table names, or an empty text."""
    name = given.get("scheme") if isinstance(given, Mapping) else None
    if not isinstance(name, str) or (name in VERIFY_TABLES and name not in WITH_PRESET):
        return ""
    return name if name in _slugs() else ""


def _merged(given: object, preset: str) -> object:
    """Return the keys of the preset, and in front of them those of the table itself."""
    if not preset or not isinstance(given, Mapping):
        return given
    row = dict(_row(preset))
    for short, replaced in _REPLACED.items():
        for name in replaced if short in given else ():
            row.pop(name, None)
    return {**row, **given, "scheme": row["scheme"]}
