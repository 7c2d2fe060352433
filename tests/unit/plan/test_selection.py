"""Selectors: the one form that KFP's compiler writes, with any keys."""

from __future__ import annotations

import pytest

from tradewind.plan.selection import selected_path


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ('parseJson(string_value)["a"]', ("a",)),
        ('parseJson(string_value)["a"]["b c"]', ("a", "b c")),
        ("parseJson( string_value )['a'].b[0]", ("a", "b", "0")),
        (r'parseJson(string_value)["say \"hi\""]', ('say "hi"',)),
        ('parseJson(string_value)["]["]', ("][",)),
        ("parseJson(string_value)", None),
        ("string_value", None),
        ('parseJson(string_value)["a"', None),
        ('parseJson(string_value)["a"] + 1', None),
        ('parseJson(other)["a"]', None),
        ("", None),
    ],
)
def test_selectors(expression: str, path: tuple[str, ...] | None) -> None:
    assert selected_path(expression) == path
