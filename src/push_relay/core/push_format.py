"""The formats in which the vendor reads pushes and writes answers."""

from enum import StrEnum


class PushFormat(StrEnum):
    """The two formats that the vendor reads and writes."""

    JSON = "json"
    XML = "xml"

    @property
    def content_type(self) -> str:
        """The media type that goes with it."""
        return f"application/{self.value}; charset=utf-8"
