"""Keys and values in the shape that MLflow takes: predictable, and nothing lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.tracking import names


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("rows", "rows"),
        ("train/accuracy", "train/accuracy"),
        ("größe µ", "größe µ"),
        ("f1 (macro)", "f1 _macro_"),
        ("a@b=c,d[0]", "a_b_c_d_0_"),
        ("/abs//path/", "abs/path"),
        ("../up/./x", "__/up/_/x"),
        ("line\nbreak\0", "line_break_"),
        ("", "_"),
        ("🚀", "_"),
    ],
)
def test_forbidden_parts_are_replaced_and_the_rest_stays(name: str, key: str) -> None:
    assert names.key(name) == key


@given(st.dictionaries(st.text(max_size=400), st.integers(), max_size=8))
def test_every_mapping_becomes_as_many_legal_keys(mapping: dict[str, int]) -> None:
    keyed = names.keyed(mapping)
    assert sorted(keyed.values()) == sorted(mapping.values())
    for key in keyed:
        assert re.fullmatch(r"[/\w.\- :]{1,250}", key)
        assert all(segment not in ("", ".", "..") for segment in key.split("/"))


def test_names_that_fall_together_stay_apart_and_legal_ones_keep_their_name() -> None:
    keyed = names.keyed({"a b": 1, "a(b": 2, "a_b": 3, "a)b": 4})
    assert keyed["a_b"] == 3
    assert sorted(keyed.values()) == [1, 2, 3, 4]
    assert names.keyed({"a)b": 4, "a(b": 2}).keys() <= {*keyed}


def test_a_long_name_is_cut_to_a_stable_one() -> None:
    first, second = names.key("x" * 300 + "1"), names.key("x" * 300 + "2")
    assert len(first) == len(second) == 250
    assert first != second
    assert first == names.key("x" * 300 + "1")


def test_a_cut_value_says_so() -> None:
    assert names.cut("short", 100) == "short"
    cut = names.cut("v" * 9000, names.MAX_PARAM_VALUE)
    assert len(cut) == 6000
    assert cut.endswith("… [cut: 9000 characters]")


def test_what_databases_refuse_is_replaced() -> None:
    assert names.clean("a\0b\ud800c🚀") == "a\ufffdb\ufffdc🚀"


def test_values_are_json_except_text() -> None:
    values = ["{{ x }}", 5, 0.5, True, None, [1], {"ä": 1}]
    assert [names.text(value) for value in values] == [
        *("{{ x }}", "5", "0.5", "true", "null", "[1]", '{"ä": 1}')
    ]


def test_numbers() -> None:
    assert names.number(True) == 1.0
    assert names.number(10**400) == float("inf")
    assert names.number("1") is None
