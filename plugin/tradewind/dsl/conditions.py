"""Conditions as the IR has them: expressions of the language CEL over the inputs of the block.

KFP's own compiler writes comparisons, negations and `&&`. The `||` and parentheses that our `&`, `|` and `~`
need are CEL, too, and KFP's backend evaluates CEL. Where the two sides differ in type, the narrower one is
converted, text before truth before numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

from tradewind.dsl.channel import Channel, Combination, Comparison, Formula, injected_name
from tradewind.dsl.types import ArtifactKind, ParameterKind, constant_kind

__all__ = ["expression", "problem"]

_SPECIAL = re.compile(r"['\\\x00-\x1f]")

# From the widest to the narrowest.
_ORDER = (
    ParameterType.STRING,
    ParameterType.BOOLEAN,
    ParameterType.NUMBER_DOUBLE,
    ParameterType.NUMBER_INTEGER,
)


def problem(formula: Formula) -> str | None:
    """Say why a comparison in it is none; None when all can be made."""
    return next(filter(None, (_problem(each) for each in formula.comparisons())), None)


def _problem(comparison: Comparison) -> str | None:
    for side in (comparison.left, comparison.right):
        if isinstance(side, Channel) and isinstance(side.kind, ArtifactKind):
            return f"'{side.full_name}' is an artifact and cannot be compared"
        code = _code(side)
        if code not in _ORDER:
            return f"only texts, numbers and truth values can be compared, not {_name(side)}"
    codes = {_code(comparison.left), _code(comparison.right)}
    if ParameterType.BOOLEAN in codes and codes & {ParameterType.NUMBER_DOUBLE, ParameterType.NUMBER_INTEGER}:
        return f"{_name(comparison.left)} and {_name(comparison.right)} are a truth value and a number"
    return None


def expression(formulas: Sequence[Formula]) -> str:
    """All formulas must hold. Each has passed `problem`."""
    return _joined("&&", formulas)


def _joined(operator: str, formulas: Sequence[Formula]) -> str:
    return f" {operator} ".join(_formula(each, alone=len(formulas) == 1) for each in formulas)


def _formula(formula: Formula, alone: bool) -> str:
    if isinstance(formula, Comparison):
        return _comparison(formula)
    assert isinstance(formula, Combination), "there are no other formulas"
    text = _joined(formula.operator, formula.parts)
    if formula.negated:
        return f"!({text})"
    return text if alone else f"({text})"


def _comparison(comparison: Comparison) -> str:
    sides = (comparison.left, comparison.right)
    widest = min((_code(side) for side in sides), key=_ORDER.index)
    left, right = (_operand(side, widest) for side in sides)
    text = f"{left} {comparison.operator} {right}"
    return f"!({text})" if comparison.negated else text


def _code(side: Any) -> int:
    kind = side.kind if isinstance(side, Channel) else constant_kind(side)
    return kind.code if isinstance(kind, ParameterKind) else ParameterType.PARAMETER_TYPE_ENUM_UNSPECIFIED


def _name(side: Any) -> str:
    return f"{side.kind} '{side.full_name}'" if isinstance(side, Channel) else f"{side!r}"


def _operand(side: Any, widest: int) -> str:
    code = _code(side)
    if isinstance(side, Channel):
        text = f"inputs.parameter_values['{injected_name(side)}']"
        text = f"int({text})" if code == ParameterType.NUMBER_INTEGER else text
    elif isinstance(side, str):
        return _text(side)
    else:
        text = str(side).lower() if isinstance(side, bool) else str(side)
    if code == widest:
        return text
    return f"'{text}'" if widest == ParameterType.STRING else f"double({text})"


def _text(text: str) -> str:
    """KFP writes every text between single quotes, as it is. What CEL would then take for another one, or for
    none, goes between double quotes, and its escapes are JSON's, which are CEL's as well.
    """
    return json.dumps(text, ensure_ascii=False) if _SPECIAL.search(text) else f"'{text}'"
