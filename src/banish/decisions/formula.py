"""``bantime.formula``: arithmetic that an administrator writes, read once and never run as code.

The language is the part of Python's expressions that calculates: numbers; ``+ - * / // % ** << >>``; comparisons; ``and``,
``or``, ``not`` and ``a if c else b``; the functions of FUNCTIONS and MATH; ``random.random()`` and ``random.uniform(a, b)``; and
the names ``ban.Time`` (seconds), ``ban.Count`` (earlier bans) and ``banFactor``. Nothing else is understood: no other names, no
attributes, no text, no lists, no comprehensions.

Law: a formula ends soon and in little memory, whatever it says. Its text, its depth and the size of every number on the way are
limited; what goes beyond is an error of that evaluation, not a wait.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

Number = int | float

LENGTH = 1000
"""Characters of a formula."""
DEPTH = 50
BITS = 1024
"""Of a whole number on the way; the largest float is as large."""

_Operation = Callable[[Any, Any], Any]


class Ban(NamedTuple):
    """What a formula knows: ``ban.Time`` in seconds, ``ban.Count``, ``banFactor``, and a source of numbers from 0 up to 1."""

    time: float
    bans: int
    factor: float
    random: Callable[[], float]


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and base.bit_length() * exponent > BITS:
        raise OverflowError("a power is too large")
    result: Number | complex = base**exponent
    if isinstance(result, complex):
        raise ValueError("a root of a negative number")
    return result


def _shift(value: int, by: int) -> int:
    if by > BITS:
        raise OverflowError("a shift is too wide")
    return value << by


def _round(value: Number, digits: int = 0) -> Number:
    if abs(digits) > 20:
        raise OverflowError("rounding to too many digits")
    return round(value, digits) if digits else round(value)


def _factorial(value: int) -> int:
    if value > 170:
        raise OverflowError("a factorial is too large")
    return math.factorial(value)


def _random(ban: Ban) -> float:
    return ban.random()


def _uniform(ban: Ban, low: Number, high: Number) -> float:
    return low + (high - low) * ban.random()


_BINARY: Mapping[type[ast.operator], _Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.LShift: _shift,
    ast.RShift: operator.rshift,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: Mapping[type[ast.cmpop], _Operation] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "int": int,
    "float": float,
    "round": _round,
}
MATH: Mapping[str, Callable[..., Any]] = {
    name: getattr(math, name)
    for name in (
        "ceil", "floor", "trunc", "fabs", "fmod", "sqrt", "exp", "expm1", "log", "log1p", "log2", "log10", "pow", "hypot",
        "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh",
    )
} | {"factorial": _factorial}  # fmt: skip
_RANDOM: Mapping[str, Callable[..., float]] = {"random": _random, "uniform": _uniform}
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that was understood; make it with ``parse``. Two are equal when their texts are."""

    text: str
    _tree: ast.expr = field(compare=False, repr=False)

    def evaluate(self, ban: Ban) -> float:
        """Return what the formula comes to. Raises ValueError, saying why, when it comes to no finite number."""
        try:
            result = float(_evaluate(self._tree, ban))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise ValueError(str(error) or type(error).__name__) from error
        if not math.isfinite(result):
            raise ValueError("the result is no finite number")
        return result


def parse(text: str) -> Formula:
    """Return the formula that *text* states. Raises ValueError that says what in it is not understood.

    >>> parse("ban.Time * 2 ** min(ban.Count, 5)").evaluate(Ban(600, 3, 1, lambda: 0.5))
    4800.0
    """
    if len(text) > LENGTH:
        raise ValueError(f"it is longer than {LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on style (``1if``) would land in the daemon's own output
            tree = ast.parse(" ".join(text.split()), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"it is no formula: {error.msg}") from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise ValueError("it is no formula") from error
    _check(tree, DEPTH)
    return Formula(text, tree)


def constant(text: str) -> float:
    """Return the number that *text* comes to, for ``bantime.factor``: ``2``, ``1.5``, ``2.0/2.885385``. Raises ValueError."""
    return parse(text).evaluate(Ban(math.nan, 0, math.nan, lambda: math.nan))


def _check(node: ast.expr, depth: int) -> None:
    """Raise ValueError when *node* or a part of it is not of the language."""
    if depth == 0:
        raise ValueError("it is nested too deeply")
    parts: list[ast.expr] = []
    match node:
        case ast.Constant(value=bool() | float()):
            pass
        case ast.Constant(value=int(value)):
            if value.bit_length() > BITS:
                raise ValueError("a number in it is too large")
        case ast.Name(id="banFactor") | ast.Attribute(value=ast.Name(id="ban"), attr="Time" | "Count"):
            pass
        case ast.Attribute(value=ast.Name(id="math"), attr=name) if name in CONSTANTS:
            pass
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            parts = [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            parts = [left, right]
        case ast.BoolOp(values=values):
            parts = values
        case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in _COMPARE for op in ops):
            parts = [left, *right]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            parts = [test, body, orelse]
        case ast.Call(func=function, args=arguments, keywords=[]) if _function(function) is not None:
            parts = arguments
        case _:
            raise ValueError(f"{_shown(node)} is not understood")
    for part in parts:
        _check(part, depth - 1)


def _shown(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:
        return "a part of it"


def _function(node: ast.expr) -> Callable[..., Any] | None:
    """Return the function that *node* names, None when there is none; those of ``random`` take the Ban first."""
    match node:
        case ast.Name(id=name):
            return FUNCTIONS.get(name)
        case ast.Attribute(value=ast.Name(id="math"), attr=name):
            return MATH.get(name)
        case ast.Attribute(value=ast.Name(id="random"), attr=name):
            return _RANDOM.get(name)
    return None


def _evaluate(node: ast.expr, ban: Ban) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name():
            return ban.factor
        case ast.Attribute(value=ast.Name(id="ban"), attr=name):
            # Whole seconds are a whole number, so that they can be shifted as in fail2ban.
            return ban.bans if name == "Count" else int(ban.time) if float(ban.time).is_integer() else ban.time
        case ast.Attribute(attr=name):
            return CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand):
            return _sized(_UNARY[type(op)](_evaluate(operand, ban)))
        case ast.BinOp(left=left, op=op, right=right):
            return _sized(_BINARY[type(op)](_evaluate(left, ban), _evaluate(right, ban)))
        case ast.BoolOp(op=op, values=values):
            for each in values[:-1]:
                found = _evaluate(each, ban)
                if bool(found) is isinstance(op, ast.Or):
                    return found
            return _evaluate(values[-1], ban)
        case ast.Compare(left=left, ops=ops, comparators=right):
            numbers = [_evaluate(each, ban) for each in (left, *right)]
            return all(_COMPARE[type(op)](*pair) for op, pair in zip(ops, pairwise(numbers), strict=True))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _evaluate(body if _evaluate(test, ban) else orelse, ban)
        case ast.Call(func=function, args=arguments):
            return _sized(_call(function, [_evaluate(each, ban) for each in arguments], ban))
    raise ValueError(f"{ast.unparse(node)} is not understood")


def _call(node: ast.expr, arguments: list[Any], ban: Ban) -> Any:
    function = _function(node)
    if function is None:
        raise ValueError(f"{_shown(node)} is not understood")
    if isinstance(node, ast.Attribute) and node.attr in _RANDOM:
        return function(ban, *arguments)
    return function(*arguments)


def _sized(value: Any) -> Number:
    if isinstance(value, int) and value.bit_length() > BITS:
        raise OverflowError("a number is too large")
    if not isinstance(value, (int, float)):
        raise TypeError("something is no number")
    return value


DEFAULT = parse("ban.Time * (1 << min(ban.Count, 20)) * banFactor")
"""Each ban twice as long as the last, as fail2ban's own formula gives it."""
