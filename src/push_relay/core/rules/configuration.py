"""Read tables of TOML documents with types, and say which key is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from push_relay.core.errors import ConfigurationInvalid

type Key = str | int


#: Returns the place of a key in its file, such as `relay.toml:7: `; empty if there is no file.
type Place = Callable[[tuple[Key, ...]], str]


def nowhere(_path: tuple[Key, ...]) -> str:
    """Return no place: the document is in no file."""
    return ""


class WrongKey(ConfigurationInvalid):
    """A key of a document is wrong; `path` leads to it, and `place` is its file and line."""

    def __init__(self, path: tuple[Key, ...], cause: str, place: str = "") -> None:
        super().__init__(place + (f"{dotted(path)}: {cause}" if path else cause))
        self.path = path
        self.cause = cause


class TomlTable:
    """One table of a document: typed access, and `refuse_unknown_keys` for those that nobody asked for."""

    def __init__(self, value: object, path: tuple[Key, ...] = (), place: Place = nowhere) -> None:
        self.path = path
        self._place = place
        if not isinstance(value, Mapping):
            raise self.mistake("is not a table")
        self._value: Mapping[str, Any] = value
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._get(key, str, "a text", default)
        if not value and default is None:
            raise self.wrong(key, "is empty")
        return value

    def compiled[T](self, key: str, compiler: Callable[[str], T]) -> T:
        """Return what a compiler makes of a text; its complaint becomes one about this key."""
        text = self.text(key)
        try:
            return compiler(text)
        except ConfigurationInvalid as exc:
            raise self.wrong(key, exc.detail) from exc

    def integer(self, key: str, default: int, *, at_least: int = 0) -> int:
        """Return a whole number."""
        value = self._get(key, int, "a whole number", default)
        if value < at_least:
            raise self.wrong(key, f"is less than {at_least}")
        return value

    def boolean(self, key: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002 (as the others have it)
        """Return true or false."""
        return self._get(key, bool, "true or false", default=default)

    def raw(self, key: str) -> object:
        """Return whatever stands there, or None."""
        self._asked.add(key)
        return self._value.get(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; a lone text is a list of one; absent is empty."""
        value = self.raw(key)
        listed = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(listed, list) or not all(isinstance(item, str) and item for item in listed):
            raise self.wrong(key, "is not a text or a list of texts")
        return tuple(listed)

    def table(self, key: str) -> "TomlTable":
        """Return a table; an absent one is empty."""
        return TomlTable(self._get(key, dict, "a table", {}), (*self.path, key), self._place)

    def tables(self, key: str) -> Sequence["TomlTable"]:
        """Return an array of tables; absent is empty."""
        value = self._get(key, list, "an array of tables ([[...]])", [])
        return [TomlTable(item, (*self.path, key, index), self._place) for index, item in enumerate(value)]

    def refuse_unknown_keys(self) -> None:
        """Raise WrongKey for a key that nobody asked for: a misspelt key must not be passed over."""
        for key in self._value:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked)) or "none"
                raise self.wrong(key, f"is not a key here; there are: {known}")

    def allow(self, *keys: str) -> None:
        """Count keys as asked for: another part of the relay reads them later."""
        self._asked.update(keys)

    def wrong(self, key: str, cause: str) -> WrongKey:
        """Make the error for one of the keys."""
        path = (*self.path, key)
        return WrongKey(path, cause, self._place(path))

    def mistake(self, cause: str) -> WrongKey:
        """Make the error for the table as a whole."""
        return WrongKey(self.path, cause, self._place(self.path))

    def _get[T](self, key: str, kind: type[T], called: str, default: T | None) -> T:
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise self.mistake(f"`{key}` is missing")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong(key, f"is not {called}")
        return value


def dotted(path: tuple[Key, ...]) -> str:
    """Write a key's path as a person would: `route[2].to`."""
    shown = ""
    for key in path:
        shown += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if shown else key
    return shown
