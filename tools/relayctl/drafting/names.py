"""The words of a field's name, such as `alertName`, `alert_name` and `Alert name`."""

from push_relay.core.rules.readable import as_words


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in small letters: `createdBy` is (`created`, `by`)."""
    return tuple(as_words(name.lstrip("@#")).lower().split())


def as_label(words: tuple[str, ...]) -> str:
    """Return words as the label of a value: `Current value`."""
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def singular(word: str) -> str:
    """Return a noun without the ending of its plural, by the common rules: `entries` is `entry`."""
    if word.endswith("ies") and len(word) > len("ties"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
