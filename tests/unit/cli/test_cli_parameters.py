"""`-p name=value`: every type, every mistake, all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradewind.cli.parameters import read_parameters
from tradewind.errors import InvalidPipelineError
from tradewind.plan.model import PipelineParameter

DECLARED = {
    "name": PipelineParameter("STRING", "x", True),
    "rows": PipelineParameter("NUMBER_INTEGER", 1, True),
    "rate": PipelineParameter("NUMBER_DOUBLE", 0.1, True),
    "fast": PipelineParameter("BOOLEAN", False, True),
    "grid": PipelineParameter("LIST", [], True),
    "settings": PipelineParameter("STRUCT", {}, True),
    "limit": PipelineParameter("NUMBER_INTEGER", None, True, optional=True),
}
NASTY = "{{ conn.x }} '\"\n$(reboot) ☂ \\ \t%s"


def read(*arguments: str) -> dict[str, object]:
    return read_parameters(arguments, DECLARED, source="p.py")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name=Ada", "Ada"),
        ("name=", ""),
        ("name=a=b", "a=b"),
        ("name=null", "null"),
        ("name=5", "5"),
        (f"name={NASTY}", NASTY),
        ("name=@@home", "@home"),
        ("rows=-5", -5),
        ("rate=2", 2.0),
        ("rate=1e-3", 0.001),
        ("fast=True", True),
        ("fast=false", False),
        ("rate=.5", 0.5),
        ('grid=[1, 2.5, "x"]', [1, 2.5, "x"]),
        (r'grid=["\\u0000"]', [r"\u0000"]),
        (f"rows={-(2**63)}", -(2**63)),
        ('settings={"depth": {"max": 4}}', {"depth": {"max": 4}}),
        ("limit=null", None),
        ("limit=7", 7),
    ],
)
def test_a_text_becomes_a_value_of_the_parameters_type(argument: str, value: object) -> None:
    name = argument.partition("=")[0]
    found = read(argument)
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_a_value_comes_from_a_file(tmp_path: Path) -> None:
    text = NASTY * 20_000
    (tmp_path / "letter.txt").write_text(text)
    (tmp_path / "grid.json").write_text("[1,\n2]")
    assert read(f"name=@{tmp_path}/letter.txt", f"grid=@{tmp_path}/grid.json") == {
        "name": text,
        "grid": [1, 2],
    }


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("rows=five", "must be a whole number, not 'five'"),
        ("rows=5.0", "must be a whole number"),
        ("rows=null", "must be a whole number"),
        ("rate=nan", "must be a number"),
        ("fast=1", "must be true or false"),
        ('grid={"a": 1}', "must be a JSON list"),
        ("grid=[NaN]", "must be a JSON list"),
        ("settings=[1]", "must be a JSON object"),
        ("settings={a: 1}", "must be a JSON object"),
        ("name=a\0b", "NUL"),
        ("name=\udcff", "surrogate"),
        ('grid=["\\ud800"]', "surrogate"),
        ("rows=1_000", "must be a whole number"),
        ("rows=١", "must be a whole number"),
        (f"rows={2**64}", "beyond 64 bits"),
        (f"grid=[{2**64}]", "beyond 64 bits"),
        ("rate=1_0.5", "must be a number"),
        ("rate=1e999", "inf is not a number that JSON can carry"),
        ("grid=[1e999]", "inf is not a number that JSON can carry"),
        ('settings={"a": [{"b": 1, "b": 2}]}', "has the key 'b' twice"),
        ('grid=["a\\u0000b"]', "NUL"),
        ("name=@/no/such/file", "cannot read '/no/such/file'"),
        ("row=5", "did you mean 'rows'?"),
        ("zzz=5", "its parameters: name, rows"),
        ("rows", "there is no '='"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_name(argument: str, said: str) -> None:
    with pytest.raises(InvalidPipelineError) as caught:
        read(argument)
    assert said in str(caught.value)
    assert f"-p {argument.partition('=')[0]}" in str(caught.value)


def test_all_mistakes_are_said_at_once() -> None:
    declared = DECLARED | {"needed": PipelineParameter("STRING")}
    with pytest.raises(InvalidPipelineError) as caught:
        read_parameters(["rows=x", "fast=2", "name=a", "name=b", "what=1"], declared, source="p.py")
    assert len(caught.value.problems) == 5
    assert "give it with -p needed=... (text)" in str(caught.value)


def test_a_parameter_that_the_file_gives_is_not_missing() -> None:
    declared = {"needed": PipelineParameter("STRING")}
    assert read_parameters([], declared, source="p.py", given=["needed"]) == {}
