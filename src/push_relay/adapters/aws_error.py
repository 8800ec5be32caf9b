"""The error of a call of AWS."""

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """A call has failed. The text is AWS's name of the error, or the kind of what was in the way.

    code         the same
    fields       the answer's other fields: a write whose condition was false has the stored item
    is_repeated  whether the call was repeated. Then the first attempt may have been executed
    """

    def __init__(
        self, code: str, fields: Mapping[str, Any] | None = None, *, is_repeated: bool = False
    ) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields or {}
        self.is_repeated = is_repeated
