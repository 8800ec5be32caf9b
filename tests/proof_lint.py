"""A lint rule: proofs are compared with `hmac.compare_digest` on bytes, which takes constant time.

`==`, `in`, `match` and the methods that compare texts stop at the first byte that differs. The time of an
answer would then reveal to a forger how much of a proof is right.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Words in the name of a proof, or of a value that a proof is compared with. Plurals count too.
_SECRET_WORDS = frozenset({"signature", "digest", "hexdigest", "mac", "hmac", "token", "secret", "proof"})
_SECRET_WORDS |= {"password", "passwd", "offered", "expected"}
#: Last words of names that describe a proof but do not contain one, such as `secret_arn`.
_ABOUT = frozenset(
    {"name", "names", "scheme", "header", "prefix", "place", "arn", "url", "code", "type", "id"}
)
#: Methods of texts and bytes that compare.
_COMPARING = frozenset(
    {"startswith", "endswith", "index", "find", "rfind", "count", "__eq__", "__contains__"}
)
#: Functions whose result does not reveal a proof.
_REVEALING_NOTHING = frozenset({"len", "isinstance", "isascii", "type", "bool"})
_SAFE = "compare_digest"


@dataclass(frozen=True, slots=True)
class Finding:
    """A comparison that breaks the rule."""

    line: int
    what: str


def findings(source: str) -> list[Finding]:
    """Return the comparisons in a module that break the rule."""
    return [
        Finding(node.lineno, what)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr | ast.stmt)
        for what in _wrong(node)
    ]


def _wrong(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            yield from _compared(left, ops, others)
        case ast.Match(subject=subject) if _secret(subject):
            yield f"match on `{ast.unparse(subject)}`"
        case ast.Call(func=ast.Attribute(value=value, attr=method), args=args) if method in _COMPARING:
            if any(_secret(each) for each in args):
                yield f"`{ast.unparse(value)}.{method}(...)` with a proof"
        case ast.Call(func=function, args=args) if _last(function) == _SAFE:
            yield from (f"{_SAFE} on text: `{ast.unparse(each)}`" for each in args if _is_text(each))
        case ast.ImportFrom(module="operator") | ast.Import(names=[ast.alias(name="operator")]):
            yield "import of operator, whose eq hides a comparison"


def _compared(left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> Iterator[str]:
    for first, operator, second in zip([left, *others], ops, others, strict=False):
        if isinstance(operator, ast.Is | ast.IsNot):
            continue
        # A constant looked up in a table reveals nothing about the table's values.
        named = isinstance(operator, ast.In | ast.NotIn) and isinstance(first, ast.Constant)
        if not (named or _nothing(first) or _nothing(second)) and (_secret(first) or _secret(second)):
            yield f"`{ast.unparse(first)}` compared with `{ast.unparse(second)}`"


def _nothing(node: ast.expr) -> bool:
    """Return whether an expression is an empty constant. A comparison with it only checks for presence."""
    return isinstance(node, ast.Constant) and not node.value


def _secret(node: ast.expr) -> bool:
    """Return whether an expression is named like a proof, or computed from one."""
    return any(_named_so(name) for name in _names(node)) or any(_secret(part) for part in _parts(node))


def _names(node: ast.expr) -> Iterator[str]:
    match node:
        case (
            ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name)))
        ):
            yield name
        case ast.Call(func=function, args=args) if _last(function) not in _REVEALING_NOTHING:
            # A value that is read by its name, such as `headers.get("x-hub-signature-256")`.
            yield from (each.value for each in args if isinstance(each, ast.Constant) and _is_text(each))


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Attribute(value=value, attr=name) if name not in _ABOUT:
            yield value
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.NamedExpr(value=value):
            yield value
        case ast.Call(func=function, args=args) if _last(function) not in _REVEALING_NOTHING:
            yield from (function, *args)
        case ast.BinOp(left=first, right=second) | ast.IfExp(body=first, orelse=second):
            yield from (first, second)
        case ast.JoinedStr(values=values):
            yield from (part.value for part in values if isinstance(part, ast.FormattedValue))
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            yield from elements


def _named_so(name: str) -> bool:
    words = [word for word in re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) if word]
    if not words or name.isupper() or words[-1] in _ABOUT:
        return False
    return any(word in _SECRET_WORDS or word.removesuffix("s") in _SECRET_WORDS for word in words)


def _last(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_text(node: ast.expr) -> bool:
    """Return whether an argument is clearly a text. `compare_digest` raises for a text outside ASCII."""
    match node:
        case ast.JoinedStr():
            return True
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in {"hexdigest", "decode", "hex", "lower", "upper", "strip", "removeprefix", "join"}
        case ast.BinOp(left=left, right=right):
            return _is_text(left) or _is_text(right)
    return False
