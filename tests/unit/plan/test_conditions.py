"""Conditions: what KFP's compiler writes, what ours writes, and what CEL makes of values."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind.errors import FatalError
from tradewind.plan.conditions import holds, parse

N, M = "inputs.parameter_values['n']", "inputs.parameter_values['m']"


def is_true(text: str, n: Any = None, m: Any = None) -> bool:
    return holds(text, {"n": n, "m": m})


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        (f"{N} == 'heads'", "heads", True),
        (f"{N} == 'heads'", "tails", False),
        (f"!({N} == 'heads') && int({N}) > 3", "5", True),
        (f"int({N}) > 3", 4.0, True),
        (f"int({N}) >= 4", 4.9, True),  # towards zero, as in CEL
        (f"int({N}) >= -4", -4.9, True),
        (f"{N} <= 0.5", 0.5, True),
        (f"double(int({N})) < 1e3", 999, True),
        (f"{N} == true", True, True),
        (f"{N} != true", False, True),
        (f"{N} == 'true'", True, True),  # next to a text: its text
        (f"{N} == '5'", 5, True),
        (f"{N} == '0.0000001'", 1e-7, True),  # written as KFP writes numbers
        (f"{N} == 5", 5.0, True),
        (f"{N} < -5", "-Infinity", True),
        (f"0.5 >= {N}", "Infinity", False),
        (f"{N} > 0.5", "NaN", False),
        (f"{N} == true", 1, False),  # a number is no truth value
        (f"{N} == 'null'", None, False),
        (f"{N} == null", None, True),
        (f"{N} == 1", None, False),
        (f"'a' < {N}", "b", True),
        (f"{N}", True, True),
        (f"!{N}", True, False),
        (f"!!{N}", True, True),
        ("1 < 2 && 2 < 1 || true", None, True),
        ("1 < 2 && (2 < 1 || false)", None, False),
        ("not 1 > 2 and (false or true)", None, True),
        (f"({N}) == (3)", 3, True),
        (f"bool({N}) == true", "True", True),
        (f"string({N}) == '3'", 3, True),
        (f'{N} == "it\'s"', "it's", True),
        ("inputs.parameter_values[\"n\"] == 'x'", "x", True),
    ],
)
def test_what_holds(text: str, n: Any, expected: bool) -> None:
    assert is_true(text, n) is expected


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"'C:\new'", r"C:\new"),  # KFP's compiler escapes nothing
        (r"'C:\\new'", r"C:\\new"),
        ("'C:\\'", "C:\\"),
        (r"'it\'s'", r"it\'s"),
        ("'it's'", "it's"),
        ("'''", "'"),
        ("'a' b''", "a' b'"),
        ("'a && b'", "a && b"),
        ("'(1 == 2)'", "(1 == 2)"),
        ("''", ""),
        ("'said 'yes' and left'", "said 'yes' and left"),
        ("'said \"yes\"'", 'said "yes"'),
        ("'true'", "true"),
        ("'line\nbreak'", "line\nbreak"),
        (r'"C:\\new"', r"C:\new"),  # what needs to be escaped ours puts between double quotes
        (r'"it\'s \"here\""', 'it\'s "here"'),
        (r'"tab\there"', "tab\there"),
        (r'"\u00e9\x41\U0001f600"', "éA\U0001f600"),
        (r'"a\" == \"b"', 'a" == "b'),
        ('""', ""),
    ],
)
@pytest.mark.parametrize("form", [f"{N} == {{}}", f"{{}} == {N}", f"(!({N} != {{}})) && true"])
def test_texts(form: str, written: str, value: str) -> None:
    assert is_true(form.format(written), value)
    assert not is_true(form.format(written), value + "x")


def test_quoted_inputs_are_values_as_text() -> None:
    # What KFP's compiler makes of `dsl.If(text == number)`.
    assert is_true(f"{N} == 'int({M})'", "5", 5.0)
    assert is_true(f"{N} == '{M}'", "true", True)
    assert not is_true(f"{N} == 'int({M})'", "5.0", 5)
    assert parse(f"{N} == 'int({M})'").names == {"n", "m"}


def test_names_are_known_before_a_run() -> None:
    assert parse(f"int({N}) > 3 && {M} == 'a'").names == {"n", "m"}
    assert parse("1 == 1").names == set()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a value is missing at its end"),
        (f"{N} ==", "a value is missing at its end"),
        (f"{N} = 3", "something is left over at '= 3' (character 30)"),
        ("1 < 2 < 3", "something is left over at '< 3'"),
        ("(1 == 1", "a closing parenthesis is missing at its end"),
        ("1 == 'a", 'a text does not end at "\'a" (character 6)'),
        ('1 == "a', "a text does not end"),
        ("size(x) == 1", "a value is missing at 'size(x) == 1'"),
        ("12abc == 1", "a value is missing at '12abc == 1'"),
        ("(" * 200 + "true" + ")" * 200, "nested more than 100 deep"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(FatalError, match="is not understood") as error:
        parse(text)
    assert why in error.value.message


@pytest.mark.parametrize(
    ("text", "n", "why"),
    [
        (f"{N} < true", 1, "number '1' and bool 'true' cannot be ordered by <"),
        (f"{N} < 1", None, "no value and number '1' cannot be ordered"),
        (f"{N} < {N}", [1], "cannot be ordered"),
        (f"int({N}) == 1", "x", "str 'x' cannot be converted by int()"),
        (f"int({N}) == 1", True, "cannot be converted by int()"),
        (f"int({N}) == 1", float("inf"), "cannot be converted by int()"),
        (f"double({N}) == 1", None, "no value cannot be converted by double()"),
        (f"{N} && true", 1, "a condition is true or false, but here is number '1'"),
        ("inputs.parameter_values['other'] == 1", 1, "asks for 'other', which has no value"),
    ],
)
def test_values_that_do_not_fit_are_fatal(text: str, n: Any, why: str) -> None:
    with pytest.raises(FatalError) as error:
        is_true(text, n)
    assert why in error.value.message


def test_what_does_not_matter_is_not_asked() -> None:
    assert not is_true(f"false && int({N}) == 1", "x")
    assert is_true(f"true || int({N}) == 1", "x")


def test_long_conditions() -> None:
    text = " && ".join(f"!(int({N}) == {number})" for number in range(2000))
    assert is_true(text, -1)
    assert not is_true(text, 1999)
