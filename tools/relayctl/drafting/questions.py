"""Objects with a question and its answer, as forms are sent: {"label": "Your name", "value": "..."}."""

from collections.abc import Mapping
from typing import Any, Final

#: Names of questions, and those that are names of questions only beside an answer and little else.
_QUESTIONS, _PERHAPS = ("label", "question"), ("title", "name", "key", "field")
_ANSWERS: Final = ("value", "answer", "text", "response")
_LITTLE: Final = 3


def question_and_answer(item: Mapping[str, Any], *, perhaps: bool = False) -> tuple[str, str] | None:
    """Return the members that hold the question and the answer, or None.

    perhaps  whether an object counts that may be something else, such as a measurement
    """
    named = (*_QUESTIONS, *_PERHAPS) if perhaps or len(item) <= _LITTLE else _QUESTIONS
    question = next((name for name in item if name.lower() in named and isinstance(item[name], str)), None)
    answer = next((name for name in item if name.lower() in _ANSWERS), None)
    return (question, answer) if question and answer and question != answer else None
