"""Tables of configuration files, read by their declarations.

A table is a class whose attributes are its keys:

    class RouteTable(Table):
        source = required(Text(), "The source whose events the route is about.")

`RouteTable(document, report)` reads a table of a file. Its attributes are the values, and the report has
every mistake: a key that is unknown, missing, of another type or out of range. `RouteTable.source` is the
declaration, from which `relayctl reference` writes the documentation and the JSON Schemas.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, overload

from push_relay.core.errors import ConfigurationInvalid
from push_relay.core.rules.findings import (
    MISSING_KEY,
    RENAMED_KEY,
    UNKNOWN_KEY,
    WARNING,
    Path,
    Report,
    choices,
)
from push_relay.core.rules.kinds import Kind, Text

if TYPE_CHECKING:

    class KindOf[T](Protocol):
        """A kind whose values have the type T."""

        placeholder: Any

        def read(self, value: object) -> T:
            """Return a value."""


class Key[T]:
    """The declaration of one key.

    default    the value if the key is absent
    required   whether the key must be present
    doc        documentation, in one or two sentences
    without    what holds if the key is absent, for the documentation; empty: the default is shown
    old_names  names that the key had before. They work for one version, with a warning
    """

    __slots__ = ("default", "doc", "kind", "name", "old_names", "required", "without")

    def __init__(  # noqa: PLR0913 (a declaration; three functions below call it)
        self,
        kind: "KindOf[Any]",
        default: T,
        doc: str,
        *,
        required: bool = False,
        without: str = "",
        old_names: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.default = default
        self.required = required
        self.doc = doc
        self.without = without
        self.old_names = old_names
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, table: None, owner: type) -> Self: ...
    @overload
    def __get__(self, table: "Table", owner: type) -> T: ...
    def __get__(self, table: "Table | None", owner: type) -> Self | T:
        if table is None:
            return self
        value: T = table.values[self.name]
        return value


def required[T](kind: "KindOf[T]", doc: str) -> Key[T]:
    """Declare a key that must be present."""
    return Key(kind, kind.placeholder, doc, required=True)


def optional[T](kind: "KindOf[T]", doc: str, without: str = "", old: tuple[str, ...] = ()) -> Key[T | None]:
    """Declare a key whose value is None if it is absent."""
    return Key(kind, None, doc, without=without, old_names=old)


def default[T](kind: "KindOf[T]", value: T, doc: str, without: str = "", old: tuple[str, ...] = ()) -> Key[T]:
    """Declare a key with a default."""
    return Key(kind, value, doc, without=without, old_names=old)


class Table:
    """A table of a file, read. Subclasses declare the keys.

    is_wrong  whether the table itself has a mistake; its subtables don't count
    """

    #: The keys by name.
    keys: ClassVar[dict[str, Key[Any]]] = {}
    #: Whether keys that are not declared are ignored.
    is_open: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Key)}
        cls.keys = {**cls.keys, **own}

    def __init__(self, given: object, report: Report | None = None, path: Path = ()) -> None:
        self.report = report or Report()
        self.path = path
        self.is_wrong = False
        self.values = {name: key.default for name, key in self.keys.items()}
        #: The names of the keys that the file has, by their declared names: an old name works too.
        self._written: dict[str, str] = {}
        fields = given if isinstance(given, Mapping) else {}
        for name, key in self.keys.items():
            self._read(name, key, fields)
        if fields is given:
            self._add_missing_keys()
        else:
            self.mistake("is not a table")
        if not self.is_open:
            self._refuse_unknown_keys(fields)
        self.check()

    @classmethod
    def for_document(cls, given: object) -> type[Self]:
        """Return the class that reads a table, for tables that have variants."""
        del given
        return cls

    def check(self) -> None:
        """Add mistakes that concern several keys."""

    def __contains__(self, name: str) -> bool:
        """Return whether the file has a key, be its value right or wrong."""
        return name in self._written

    def wrong(self, name: str, message: str) -> None:
        """Add a mistake in a key."""
        self.is_wrong = True
        self.report.add((*self.path, self._written.get(name, name)), message)

    def mistake(self, message: str) -> None:
        """Add a mistake of the table as a whole."""
        self.is_wrong = True
        self.report.add(self.path, message)

    def missing(self, name: str, reason: str = "") -> None:
        """Add the mistake that a key is missing, with the reason why this table needs it."""
        self.is_wrong = True
        self.report.add(self.path, f"`{name}` is missing" + (f": {reason}" if reason else ""), MISSING_KEY)

    def compiled[T](self, name: str, compiler: Callable[[str], T], placeholder: T) -> T:
        """Return what a compiler makes of a key's text; if it is absent or wrong, the placeholder.

        The compiler's error is a mistake in the key.
        """
        text = self.values[name]
        if not text:
            return placeholder
        try:
            return compiler(text)
        except ConfigurationInvalid as exc:
            self.wrong(name, exc.detail)
        return placeholder

    def _read(self, name: str, key: Key[Any], given: Mapping[str, object]) -> None:
        written = self._written_name(name, key, given)
        if isinstance(key.kind, Nested):
            path = (*self.path, written or name)
            self.values[name] = key.kind.read_at(given.get(written or name), self.report, path)
        elif written is not None:
            self._written[name] = written
            try:
                self.values[name] = key.kind.read(given[written])
            except ConfigurationInvalid as exc:
                self.wrong(name, exc.detail)

    def _add_missing_keys(self) -> None:
        for name, key in self.keys.items():
            if key.required and name not in self._written:
                self.missing(name)

    def _written_name(self, name: str, key: Key[Any], given: Mapping[str, object]) -> str | None:
        """Return the name that the file has for a key. An old name adds a warning."""
        written = name if name in given else None
        for old in key.old_names:
            if old not in given:
                continue
            path = (*self.path, old)
            if written is None:
                written = old
                message = f"is now called `{name}`; the old name works for one more version"
                self.report.add(path, message, RENAMED_KEY, WARNING)
            else:
                self.is_wrong = True
                message = f"is the old name of `{name}`, which is there too: remove `{old}`"
                self.report.add(path, message, RENAMED_KEY)
        return written

    def _refuse_unknown_keys(self, given: Mapping[str, object]) -> None:
        # A misspelt key must not be ignored.
        old_names = {old for key in self.keys.values() for old in key.old_names}
        for name in given:
            if name not in self.keys and name not in old_names:
                self.is_wrong = True
                self.report.add(
                    (*self.path, name), f"is not a key here; {choices(name, self.keys)}", UNKNOWN_KEY
                )


class Nested(Kind):
    """A kind that consists of tables."""

    def __init__(self, table: type[Table]) -> None:
        self.table = table

    def read_at(self, value: object, report: Report, path: Path) -> Any:
        """Read the tables, and add their mistakes to the report. None means that the file has none."""
        raise NotImplementedError

    def _one(self, value: object, report: Report, path: Path) -> Any:
        return self.table.for_document(value)(value, report, path)


class One(Nested):
    """One table. An absent one is read as an empty one."""

    def read_at(self, value: object, report: Report, path: Path) -> Any:
        """Read the table."""
        return self._one({} if value is None else value, report, path)


class Maybe(Nested):
    """One table, or None."""

    def read_at(self, value: object, report: Report, path: Path) -> Any:
        """Read the table."""
        return None if value is None else self._one(value, report, path)


class Named(Nested):
    """Tables by names that the file gives them. `name` is their kind."""

    def __init__(self, table: type[Table], name: Text) -> None:
        super().__init__(table)
        self.name = name

    def read_at(self, value: object, report: Report, path: Path) -> Any:
        """Read the tables."""
        if not isinstance(value, Mapping | None):
            report.add(path, "is not a table")
            return {}
        tables = {}
        for name, given in (value or {}).items():
            try:
                self.name.read(name)
            except ConfigurationInvalid as exc:
                report.add((*path, name), exc.detail)
            tables[name] = self._one(given, report, (*path, name))
        return tables


class Listed(Nested):
    """An array of tables."""

    def read_at(self, value: object, report: Report, path: Path) -> Any:
        """Read the tables."""
        if not isinstance(value, list | None):
            report.add(path, "is not an array of tables ([[...]])")
            return ()
        return tuple(self._one(given, report, (*path, index)) for index, given in enumerate(value or ()))


def one[T: Table](table: type[T], doc: str) -> Key[T]:
    """Declare a table."""
    return Key(One(table), None, doc)  # type: ignore[arg-type] # `Table` replaces None, as for the next two


def maybe[T: Table](table: type[T], doc: str) -> Key[T | None]:
    """Declare a table that may be absent."""
    return Key(Maybe(table), None, doc)


def named[T: Table](table: type[T], name: Text, doc: str) -> Key[Mapping[str, T]]:
    """Declare tables by name."""
    return Key(Named(table, name), {}, doc)


def listed[T: Table](table: type[T], doc: str) -> Key[tuple[T, ...]]:
    """Declare an array of tables."""
    return Key(Listed(table), (), doc)
