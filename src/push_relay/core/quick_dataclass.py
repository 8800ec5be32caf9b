"""Dataclasses that cost a sixth of the standard library's to import.

`dataclass(frozen=True, slots=True)` of the standard library takes 0.4 ms for each class, and its module 8 ms,
because it loads `inspect`. Both functions have some fifty such classes, so this was a tenth of each start.

This `dataclass` takes the same arguments and gives the same class, for what the relay uses: fields with and
without a default, inheritance, `frozen`, `repr` and `kw_only`. Every class has slots. There is no `field`,
and a method must not call `super()` without arguments. For type checkers it is the standard library's, and
the functions of `dataclasses` work with its classes: the tools and the tests use them.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 (exported)
    from dataclasses import replace as replace  # noqa: PLC0414 (exported)

_NONE: Final = object()
_FIELDS: Final = "__quick_fields__"
#: The attributes by which `dataclasses` knows a class.
_STANDARD: Final = ("__dataclass_fields__", "__dataclass_params__")


class _Field(NamedTuple):
    default: object
    is_keyword_only: bool


class _Standard:
    """Makes the attributes in its place when one of them is first read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        from dataclasses import MISSING, field, make_dataclass  # noqa: PLC0415 (the functions never read it)

        def standard(each: _Field) -> Any:
            # A factory, because the standard library takes no dictionary as a default.
            factory = MISSING if each.default is _NONE else lambda: each.default
            return field(default_factory=cast("Any", factory), kw_only=each.is_keyword_only)

        fields = [(name, Any, standard(each)) for name, each in getattr(owner, _FIELDS).items()]
        made = make_dataclass(owner.__name__, fields, frozen=owner.__hash__ is not None)
        for name in _STANDARD:
            setattr(owner, name, getattr(made, name))
        return getattr(made, self._name)


def values_of(instance: object) -> dict[str, Any]:
    """Return the fields of an instance by name, as they are."""
    return {name: getattr(instance, name) for name in getattr(instance, _FIELDS)}


def _dataclass(
    *,
    frozen: bool = False,
    slots: bool = False,
    repr: bool = True,  # noqa: A002 (as in `dataclasses`)
    kw_only: bool = False,
) -> Callable[[type], type]:
    """Return a decorator, as `dataclasses.dataclass` does."""
    if not slots:
        raise TypeError("a quick dataclass has slots")

    def decorate(plain: type) -> type:
        return _made(plain, is_frozen=frozen, has_repr=repr, is_keyword_only=kw_only)

    return decorate


def _made(plain: type, *, is_frozen: bool, has_repr: bool, is_keyword_only: bool) -> type:
    """Return a class with the attributes of a plain one, with slots and the methods of a dataclass."""
    namespace = dict(plain.__dict__)
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    own = {
        name: _Field(namespace.pop(name, _NONE), is_keyword_only)
        for name in namespace.get("__annotations__", ())
    }
    fields: dict[str, _Field] = {**getattr(plain, _FIELDS, {}), **own}
    namespace["__qualname__"] = plain.__qualname__
    namespace["__slots__"] = tuple(own)
    namespace[_FIELDS] = fields
    namespace["__match_args__"] = tuple(name for name, each in fields.items() if not each.is_keyword_only)
    namespace |= {name: _Standard() for name in _STANDARD}
    made = type(plain)(plain.__name__, plain.__bases__, namespace)
    methods = _methods(made, fields)
    if is_frozen:
        methods |= _frozen_methods(fields)
    if not has_repr:
        del methods["__repr__"]
    for name, method in methods.items():
        # A method of the class's own goes before, except for the constructor.
        if name not in plain.__dict__:
            setattr(made, name, method)
    return made


def _methods(made: type, fields: Mapping[str, _Field]) -> dict[str, Any]:
    def equals(self: object, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in fields)

    def represent(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in fields)})"

    def state(self: object) -> dict[str, Any]:
        return values_of(self)

    def restore(self: object, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    return {
        "__init__": _constructor(made, fields),
        "__eq__": equals,
        "__hash__": None,
        "__repr__": represent,
        "__replace__": _replaced,
        "__getstate__": state,
        "__setstate__": restore,
    }


def _frozen_methods(fields: Mapping[str, _Field]) -> dict[str, Any]:
    def hashed(self: object) -> int:
        return hash(tuple([getattr(self, name) for name in fields]))

    def refuse(self: object, name: str, *_value: object) -> None:
        from dataclasses import FrozenInstanceError  # noqa: PLC0415 (a mistake of the program)

        raise FrozenInstanceError(f"{type(self).__name__} is frozen: {name!r} cannot change")

    return {"__hash__": hashed, "__setattr__": refuse, "__delattr__": refuse}


def _constructor(made: type, fields: Mapping[str, _Field]) -> Any:
    """Return `__init__`. It is compiled, because a loop over the fields would make each instance slow."""

    def parameter(name: str) -> str:
        return name if fields[name].default is _NONE else f"{name}=_default_{name}"

    plain = [parameter(name) for name, each in fields.items() if not each.is_keyword_only]
    keywords = [parameter(name) for name, each in fields.items() if each.is_keyword_only]
    parameters = ", ".join(["self", *plain, *(["*", *keywords] if keywords else [])])
    body = "".join(f"\n _set_{name}(self, {name})" for name in fields)
    namespace: dict[str, Any] = {}
    for name, each in fields.items():
        namespace[f"_default_{name}"] = each.default
        namespace[f"_set_{name}"] = getattr(made, name).__set__
    exec(f"def __init__({parameters}):{body}", namespace)  # noqa: S102 (the names of fields are code already)
    return namespace["__init__"]


def _replaced(self: Any, /, **changes: Any) -> Any:
    return type(self)(**{**values_of(self), **changes})


if not TYPE_CHECKING:
    dataclass = _dataclass

    def replace(instance: object, /, **changes: object) -> object:
        """Return a copy of an instance with some fields changed."""
        return instance.__replace__(**changes)
