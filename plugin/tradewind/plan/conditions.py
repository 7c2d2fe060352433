"""Conditions: the part of the language CEL that KFP's compilers write, and a little more.

```
condition  = both { ("||" | "or") both }
both       = negation { ("&&" | "and") negation }
negation   = { "!" | "not" } comparison
comparison = operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=") operand ]
operand    = "(" condition ")" | cast "(" condition ")" | input | text | number | "true" | "false" | "null"
cast       = "int" | "double" | "bool" | "string"
input      = "inputs.parameter_values['" name "']"
```

KFP's compiler puts a text between single quotes and escapes nothing: `'it's'`, `'C:\\new'`. What the author
wrote is between them, letter by letter, and a quote ends a text only where something follows that can follow
a text. Ours puts what would be another text to CEL, or none, between double quotes, where escapes are CEL's.
What the SDK loses is where a text with quotes in it ends, if it reads like a condition (`"a' == 'b"`). And it
turns a number that is compared with text into text by quoting the expression:
`'int(inputs.parameter_values['n'])'` is no text but the value of `n`, as text. KFP's own backend rejects
quotes in texts, and takes a backslash for the beginning of an escape.

Values keep CEL's meaning: an int and a double compare as numbers, things of different kinds are never equal
and cannot be ordered. Only text is more welcoming: next to a text anything else counts as its text, as if it
had passed through an input that is declared as text (so items of unknown type do in KFP).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tradewind.errors import FatalError
from tradewind.plan.placeholders import render
from tradewind.plan.values import NOT_FINITE

__all__ = ["Condition", "holds", "parse"]

_Values = Mapping[str, Any]
_Term = Callable[[_Values], Any]

MAX_DEPTH = 100
"""Deepest nesting of parentheses."""

_SPACE = re.compile(r"\s*")
_INPUT = re.compile(r"""inputs\.parameter_values\[(?:'(?P<name>[^']*)'|"(?P<name2>[^"]*)")\]""")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_CAST = re.compile(r"(int|double|bool|string)\s*\(")
_STARTS_OPERAND = r"""(?:[("'!.\d-]|inputs\.|(?:int|double|bool|string)\s*\(|(?:not|true|false|null)\b)"""
_AFTER_TEXT = re.compile(rf"\s*(?:\Z|\)|&&|\|\||[=!]=|[<>]|(?:and|or)\b\s*{_STARTS_OPERAND})")
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPED_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"""\\(?:([abfnrtv\\'"`?])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))""")
_ESCAPED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was understood.

    Attributes:
        names: the inputs that it asks for.
    """

    names: frozenset[str]
    _term: _Term

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Say whether it is true.

        Args:
            values: any JSON value for each of `names`; None for an input that has none.

        Raises:
            FatalError: an input is missing, or of a kind that cannot be compared or converted.
        """
        return _truth(self._term(values))


@lru_cache(maxsize=1024)
def parse(text: str) -> Condition:
    """Understand a condition.

    Raises:
        FatalError: it is none. The message says where.
    """
    parser = _Parser(text)
    term = parser.either()
    if parser.position < len(text):
        raise parser.error("something is left over")
    return Condition(frozenset(parser.names), term)


def holds(text: str, values: Mapping[str, Any]) -> bool:
    """Say whether a condition is true: `parse(text).holds(values)`."""
    return parse(text).holds(values)


class _Parser:
    """Recursive descent; every rule gives a function of the inputs' values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.names: set[str] = set()
        self._skip_space()

    def error(self, why: str) -> FatalError:
        here = self.text[self.position : self.position + 30]
        where = f"at {here!r} (character {self.position + 1})" if here else "at its end"
        return FatalError(f"the condition {_short(self.text)} is not understood: {why} {where}")

    # --- rules ---

    def either(self) -> _Term:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"parentheses are nested more than {MAX_DEPTH} deep")
        terms = [self.both()]
        while self._take("||") or self._take_word("or"):
            terms.append(self.both())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else lambda values: any(_truth(term(values)) for term in terms)

    def both(self) -> _Term:
        terms = [self.negation()]
        while self._take("&&") or self._take_word("and"):
            terms.append(self.negation())
        return terms[0] if len(terms) == 1 else lambda values: all(_truth(term(values)) for term in terms)

    def negation(self) -> _Term:
        negated = False
        while self._take("!") or self._take_word("not"):
            negated = not negated
        term = self.comparison()
        return (lambda values: not _truth(term(values))) if negated else term

    def comparison(self) -> _Term:
        left = self.operand()
        for symbol in _OPERATORS:
            if self._take(symbol):
                right = self.operand()
                return lambda values: _compare(symbol, left(values), right(values))
        return left

    def operand(self) -> _Term:
        if self._take("("):
            return self._closed(self.either())
        if cast := self._match(_CAST):
            return _cast(cast[1], self._closed(self.either()))
        if reference := self._match(_INPUT):
            return self._input(reference)
        if number := self._match(_NUMBER):
            return _constant(_number(number[0]))
        for word, value in _WORDS.items():
            if self._take_word(word):
                return _constant(value)
        if self.text[self.position : self.position + 1] in ("'", '"'):
            return self._text()
        raise self.error("a value is missing")

    def _closed(self, term: _Term) -> _Term:
        if not self._take(")"):
            raise self.error("a closing parenthesis is missing")
        return term

    def _input(self, reference: re.Match[str]) -> _Term:
        name = reference["name"] if reference["name"] is not None else reference["name2"]
        self.names.add(name)

        def look_up(values: _Values) -> Any:
            if name not in values:
                raise FatalError(f"the condition {_short(self.text)} asks for {name!r}, which has no value")
            return values[name]

        return look_up

    def _text(self) -> _Term:
        if escaped := self._match(_ESCAPED_TEXT):
            return _constant(_ESCAPE.sub(_unescaped, escaped[1]))
        start = end = self.position + 1
        while self.text[start - 1] == "'" and (end := self.text.find("'", end)) >= 0:
            end += 1
            if _AFTER_TEXT.match(self.text, end):
                text = self.text[start : end - 1]
                self.position = end
                self._skip_space()
                return self._quoted(text) or _constant(text)
        raise self.error("a text does not end")

    def _quoted(self, text: str) -> _Term | None:
        """The value of an input as text, where the whole of a text is an input, perhaps in a cast."""
        cast = re.fullmatch(r"(int|double)\((.*)\)", text)
        reference = _INPUT.fullmatch(cast[2] if cast else text)
        if reference is None:
            return None
        term = self._input(reference)
        return _cast("string", _cast(cast[1], term) if cast else term)

    # --- tokens ---

    def _take(self, symbol: str) -> bool:
        if not self.text.startswith(symbol, self.position):
            return False
        if symbol == "!" and self.text.startswith("!=", self.position):
            return False
        self.position += len(symbol)
        self._skip_space()
        return True

    def _take_word(self, word: str) -> bool:
        return self._match(re.compile(rf"{word}\b")) is not None

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
            self._skip_space()
        return found

    def _skip_space(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "...")


def _unescaped(escape: re.Match[str]) -> str:
    """What an escape stands for; itself when there is no such letter."""
    if escape[1]:
        return _ESCAPED.get(escape[1], escape[1])
    code = int(escape[2] or escape[3] or escape[4], 16)
    return chr(code) if code <= 0x10FFFF else escape[0]


def _number(text: str) -> int | float:
    return float(text) if any(letter in text for letter in ".eE") else int(text)


def _constant(value: Any) -> _Term:
    return lambda values: value


# --- values ---


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FatalError(f"a condition is true or false, but here is {_named(value)}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return "number" if _is_number(value) else type(value).__name__


def _named(value: Any) -> str:
    return "no value" if value is None else f"{_kind(value)} {_short(render(value))}"


def _compare(symbol: str, left: Any, right: Any) -> bool:
    if left in NOT_FINITE and _is_number(right):
        left = float(left)
    elif right in NOT_FINITE and _is_number(left):
        right = float(right)
    elif isinstance(left, str) != isinstance(right, str) and left is not None and right is not None:
        left, right = render(left), render(right)
    if symbol in ("==", "!="):
        same = _kind(left) == _kind(right) and left == right
        return same if symbol == "==" else not same
    if _kind(left) != _kind(right) or not isinstance(left, str | bool | int | float):
        raise FatalError(f"{_named(left)} and {_named(right)} cannot be ordered by {symbol}")
    return _OPERATORS[symbol](left, right)


def _cast(kind: str, term: _Term) -> _Term:
    convert = _CASTS[kind]

    def converted(values: _Values) -> Any:
        value = term(values)
        try:
            return convert(value)
        except (ValueError, OverflowError):
            raise FatalError(f"{_named(value)} cannot be converted by {kind}()") from None

    return converted


def _as_int(value: Any) -> int:
    if _is_number(value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,100}", value):
        return int(value)
    raise ValueError


def _as_double(value: Any) -> float:
    if _is_number(value) or (isinstance(value, str) and value == value.strip()):
        return float(value)
    raise ValueError


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError


def _as_text(value: Any) -> str:
    if value is None:
        raise ValueError
    return render(value)


_CASTS: Mapping[str, Callable[[Any], Any]] = {
    "int": _as_int,
    "double": _as_double,
    "bool": _as_bool,
    "string": _as_text,
}
