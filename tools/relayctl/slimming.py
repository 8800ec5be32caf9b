"""Make native libraries smaller: without the parts that no invocation reads."""

import struct
from pathlib import Path
from typing import Final

_ELF_64_LITTLE: Final = b"\x7fELF\x02\x01"
_HEADER: Final = struct.Struct("<40xQ10xHHH")  # offset, size and number of the sections' headers, a number
_SECTION: Final = struct.Struct("<II16xQQI20x")  # name, kind, offset, size, the linked section
_SYMBOLS: Final = 2  # the kind of the table of all symbols


def blank_symbols(library: Path) -> None:
    """Fill a library's table of all symbols and their names with zeros, which a zip file makes to nothing.

    Only debuggers read them. The symbols that the loader needs are in another table. A library that is not in
    ELF's format for 64 bits is left as it is.
    """
    content = bytearray(library.read_bytes())
    if not content.startswith(_ELF_64_LITTLE):
        return
    start, size, count, _ = _HEADER.unpack_from(content)
    sections = [_SECTION.unpack_from(content, start + number * size) for number in range(count)]
    for _, kind, offset, length, linked in sections:
        if kind == _SYMBOLS:
            _, _, names_offset, names_length, _ = sections[linked]
            content[offset : offset + length] = bytes(length)
            content[names_offset : names_offset + names_length] = bytes(names_length)
    library.write_bytes(content)
