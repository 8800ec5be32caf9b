"""Find the error code in an XML answer of the vendor, safely: without entities and without a tree."""

from xml.parsers import expat


def error_code(document: bytes) -> str | None:
    """Return the text of ResponseStatus/ErrorCode, with any prefixes; None if there is no such element.

    Raises ValueError if the document is not well-formed or has a document type. Answers do not need one, and
    all attacks by entities do (https://docs.python.org/3/library/xml.html#xml-security).
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(document, True)  # noqa: FBT003 (expat takes no keyword)
    except (expat.ExpatError, ValueError, LookupError) as exc:
        raise ValueError("not well-formed") from exc
    return reader.code


class _Reader:
    def __init__(self) -> None:
        self._path: list[str] = []
        self.code: str | None = None

    def start(self, name: str, _: dict[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])

    def end(self, _: str) -> None:
        self._path.pop()

    def text(self, text: str) -> None:
        if self._path[-2:] == ["ResponseStatus", "ErrorCode"]:
            self.code = (self.code or "") + text


def _refuse(*_: object) -> None:
    raise ValueError("a document type is refused")
