"""Cut text where a reader sees a character's end, not in the middle of a flag or an accent."""

ELLIPSIS = "…"


def cut(text: str, limit: int) -> str:
    """Return text of at most `limit` grapheme clusters (UAX #29), the last an ellipsis where it was cut."""
    # A cluster is at least one code point, so a short text needs no look at its clusters.
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    if text.isascii() and "\r" not in text:
        return text[: limit - 1].rstrip() + ELLIPSIS
    # Imported where it is needed: its tables cost what a logger line costs a hundred times.
    import grapheme  # noqa: PLC0415

    if grapheme.length(text, limit + 1) <= limit:
        return text
    return str(grapheme.slice(text, 0, limit - 1)).rstrip() + ELLIPSIS
