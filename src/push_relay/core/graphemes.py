"""Text as a reader sees it: cut at a character's end, and blank if no part of it is visible."""

ELLIPSIS = "…"
#: The highest average number of code points in a cluster: a family of four has 7, an accented letter 2. The
#: time to find the end of a cluster grows with the square of its length, and strangers write the text.
MAX_CLUSTER = 32


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

    start = text[: limit * MAX_CLUSTER]
    if start == text and grapheme.length(text, limit + 1) <= limit:
        return text
    return str(grapheme.slice(start, 0, limit - 1)).rstrip() + ELLIPSIS
