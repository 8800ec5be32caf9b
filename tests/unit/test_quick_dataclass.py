"""A quick dataclass behaves as the standard library's."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from push_relay.core import quick_dataclass
from push_relay.core.event import Event

DECORATORS: tuple[Any, ...] = (dataclasses.dataclass, quick_dataclass.dataclass)


def classes(decorator: Any, **options: Any) -> tuple[type, type, type]:
    """Return a class, a class with further fields, and one with the same fields."""

    @decorator(frozen=True, slots=True, **options)
    class Cake:
        """A cake."""

        name: str
        slices: int = 8
        toppings: Any = ()

        @property
        def half(self) -> int:
            return self.slices // 2

    @decorator(frozen=True, slots=True, kw_only=True)
    class Tart(Cake):
        """A tart."""

        fruit: str
        cream: bool = False

    @decorator(frozen=True, slots=True)
    class Pie:
        """Not a cake."""

        name: str
        slices: int = 8
        toppings: Any = ()

    return Cake, Tart, Pie


def outcome(call: Callable[[], Any]) -> Any:
    """Return a call's result, or the type of the error that it raises."""
    try:
        return call()
    except Exception as exc:  # noqa: BLE001 (the type is the result)
        return type(exc)


def values(instance: object, names: str) -> list[Any]:
    """Return the values of some attributes."""
    return [getattr(instance, name) for name in names.split()]


#: The uses of the three classes. Both decorators must give equal results.
USES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "positional": lambda cake, _tart, _pie: values(cake("a", 4), "name slices toppings half"),
    "keywords": lambda cake, _tart, _pie: cake(slices=2, name="a").slices,
    "too few": lambda cake, _tart, _pie: outcome(cake),
    "unknown": lambda cake, _tart, _pie: outcome(lambda: cake("a", eggs=1)),
    "keyword only": lambda _cake, tart, _pie: outcome(lambda: tart("a", 1, (), "plum")),
    "inherited": lambda _cake, tart, _pie: values(tart("a", fruit="b"), "name slices fruit half"),
    "repr": lambda cake, tart, _pie: (repr(cake("a")), repr(tart("a", fruit="b"))),
    "equal": lambda cake, _tart, _pie: (cake("a") == cake("a"), cake("a") != cake("a", 9)),
    "other type": lambda cake, tart, pie: (cake("a") == pie("a"), cake("a") == tart("a", fruit="b")),
    "a tuple": lambda cake, _tart, _pie: cake("a") == ("a", 8, ()),
    "hash": lambda cake, _tart, _pie: len({cake("a"), cake("a"), cake("b")}),
    "no hash": lambda cake, _tart, _pie: outcome(lambda: hash(cake([]))),
    "set": lambda cake, _tart, _pie: outcome(lambda: setattr(cake("a"), "name", "b")),
    "set another": lambda cake, _tart, _pie: isinstance(outcome(lambda: setattr(cake("a"), "x", 1)), type),
    "delete": lambda cake, _tart, _pie: outcome(lambda: delattr(cake("a"), "name")),
    "slots": lambda cake, tart, _pie: (cake.__slots__, tart.__slots__, hasattr(cake("a"), "__dict__")),
    "copies": lambda cake, _tart, _pie: (copy.copy(cake("a")).name, copy.deepcopy(cake("a", 3)).slices),
    "replace": lambda cake, _tart, _pie: (copy.replace(cake("a", 3), name="b").slices, cake("a", 3).slices),
    "dataclasses.replace": lambda _cake, tart, _pie: (
        dataclasses.replace(tart("a", fruit="b"), name="c").fruit
    ),
    "asdict": lambda cake, _tart, _pie: dataclasses.asdict(cake("a", toppings=cake("b"))),
    "fields": lambda _cake, tart, _pie: [field.name for field in dataclasses.fields(tart)],
    "match": lambda cake, tart, _pie: (cake.__match_args__, tart.__match_args__),
    "names": lambda cake, _tart, _pie: (cake.__name__, cake.__qualname__, cake.__module__, cake.__doc__),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_class_behaves_as_a_standard_one(use: Callable[[Any, Any, Any], Any]) -> None:
    """The type checker believes that it is the same decorator."""
    standard, quick = (use(*classes(each)) for each in DECORATORS)
    assert quick == standard


def test_a_class_without_a_repr_shows_no_field() -> None:
    """A secret is kept out of logs so."""
    for decorator in DECORATORS:
        cake, tart, _ = classes(decorator, repr=False)
        assert "planted" not in repr(cake("planted"))
        assert "planted" in repr(tart("planted", fruit="b"))


def test_a_class_that_is_not_frozen_can_change_and_has_no_hash() -> None:
    """A key of a dictionary must not change."""
    for decorator in DECORATORS:

        @decorator(slots=True)
        class Oven:
            heat: int = 0

        oven = Oven()
        oven.heat = 5
        assert (oven, outcome(lambda: hash(oven))) == (Oven(5), TypeError)  # noqa: B023


def test_a_standard_dataclass_may_extend_a_quick_one() -> None:
    """The tools do this."""
    cake, _, _ = classes(quick_dataclass.dataclass)

    @dataclasses.dataclass(frozen=True, slots=True)
    class Gateau(cake):  # type: ignore[misc, valid-type]
        toppings: Any = dataclasses.field(default_factory=list)
        layers: int = 3

    assert repr(Gateau("a")).endswith("Gateau(name='a', slices=8, toppings=[], layers=3)")


def test_instances_can_be_sent_to_another_process() -> None:
    """`make bench` does this."""
    event = Event("bakery", "e-1", None, {"a": [1]}, 1.0, "i")
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301 (our own bytes)


def test_the_values_of_an_instance_are_not_copied() -> None:
    """`dataclasses.asdict` copies everything, which a large event does not need."""
    event = Event("bakery", "e-1", None, {"a": [1]}, 1.0, "i")
    fields = quick_dataclass.values_of(event)
    assert fields == dataclasses.asdict(event)
    assert fields["data"] is event.data


def test_the_attributes_of_a_standard_class_are_made_once() -> None:
    """To make it takes milliseconds, and `dataclasses.replace` reads it for each instance."""
    cake, tart, _ = classes(quick_dataclass.dataclass)
    for each in (cake, tart):
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            assert getattr(each, name) is getattr(each, name)
    assert [field.name for field in dataclasses.fields(cake)] == ["name", "slices", "toppings"]
    assert [field.name for field in dataclasses.fields(tart)][3:] == ["fruit", "cream"]


def test_a_class_without_slots_is_refused() -> None:
    """It would silently differ from what is written."""
    with pytest.raises(TypeError, match="slots"):
        quick_dataclass.dataclass(frozen=True)
