"""Patches, selectors, quantities, image names and log times: pure functions, by their rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tradewind.local.cluster.api.errors import ApiError
from tradewind.local.cluster.api.patches import apply_patch
from tradewind.local.cluster.api.selectors import label_selector
from tradewind.local.cluster.node.images import find_problem
from tradewind.local.cluster.node.variables import expand
from tradewind.local.cluster.quantities import quantity

STRATEGIC = "application/strategic-merge-patch+json"


def test_strategic_merge_tells_list_items_apart() -> None:
    target = {
        "containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]
    }
    patch = {
        "containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "b", "$patch": "delete"}]
    }
    merged = apply_patch(STRATEGIC, target, patch)
    env = [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]
    assert merged == {"containers": [{"name": "a", "image": "1", "env": env}]}
    assert target["containers"][0]["env"] == [{"name": "X", "value": "1"}]


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"finalizers": ["x"]}, {"finalizers": ["y"]}, {"finalizers": ["x", "y"]}),
        ({"finalizers": ["x", "y"]}, {"$deleteFromPrimitiveList/finalizers": ["x"]}, {"finalizers": ["y"]}),
        ({"a": 1, "b": 2}, {"$retainKeys": ["b"]}, {"b": 2}),
        ({"a": 1}, {"a": None}, {}),
    ],
)
def test_strategic_merge_directives(target: Any, patch: Any, expected: Any) -> None:
    assert apply_patch(STRATEGIC, target, patch) == expected


def test_merge_patch_replaces_lists() -> None:
    merged = apply_patch(
        "application/merge-patch+json", {"a": [{"name": "x"}], "b": 1}, {"a": [{"name": "y"}]}
    )
    assert merged == {"a": [{"name": "y"}], "b": 1}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3], "m": {"x/y": 1}}),
        ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2], "m": {"x/y": 1}}),
        ([{"op": "remove", "path": "/m/x~1y"}], {"l": [1, 2], "m": {}}),
        ([{"op": "replace", "path": "/l/1", "value": 9}], {"l": [1, 9], "m": {"x/y": 1}}),
        ([{"op": "move", "from": "/l/0", "path": "/n"}], {"l": [2], "m": {"x/y": 1}, "n": 1}),
        ([{"op": "copy", "from": "/l", "path": "/n"}], {"l": [1, 2], "m": {"x/y": 1}, "n": [1, 2]}),
        ([{"op": "test", "path": "/l/0", "value": 1}], {"l": [1, 2], "m": {"x/y": 1}}),
    ],
)
def test_json_patch(operations: Any, expected: Any) -> None:
    target = {"l": [1, 2], "m": {"x/y": 1}}
    assert apply_patch("application/json-patch+json", target, operations) == expected
    assert target == {"l": [1, 2], "m": {"x/y": 1}}


@pytest.mark.parametrize(
    ("kind", "patch", "code"),
    [
        ("application/json-patch+json", [{"op": "test", "path": "/a", "value": 2}], 422),
        ("application/json-patch+json", [{"op": "remove", "path": "/nowhere/x"}], 422),
        ("application/json-patch+json", [{"op": "fly", "path": "/a"}], 400),
        ("application/json-patch+json", {"a": 1}, 400),
        ("application/merge-patch+json", [1], 400),
        ("application/apply-patch+yaml", {"a": 1}, 415),
        (STRATEGIC, {"env": [{"value": "nameless"}]}, 400),
    ],
)
def test_patches_that_cannot_be_applied(kind: str, patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        apply_patch(kind, {"a": 1}, patch)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("selector", "matching"),
    [
        ("", {"a", "b", "c"}),
        ("x=1", {"a"}),
        ("x==1", {"a"}),
        ("x!=1", {"b", "c"}),
        ("x in (1,2)", {"a", "b"}),
        ("x notin (1)", {"b", "c"}),
        ("x", {"a", "b"}),
        ("!x", {"c"}),
        ("x>1", {"b"}),
        ("example.com/y=z,x", {"b"}),
    ],
)
def test_label_selectors(selector: str, matching: set[str]) -> None:
    labels: dict[str, dict[str, str]] = {"a": {"x": "1"}, "b": {"x": "2", "example.com/y": "z"}, "c": {}}
    matches = label_selector(selector)
    assert {name for name, given in labels.items() if matches({"metadata": {"labels": given}})} == matching


@pytest.mark.parametrize("selector", ["a=b=c", "a in b", "in (a)", "=", "a,,=b"])
def test_selectors_that_are_none(selector: str) -> None:
    with pytest.raises(ApiError) as caught:
        label_selector(selector)
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("1.5Gi", str(3 * 2**29)),
        ("2k", "2000"),
        ("1e3", "1000"),
        ("1E", "1" + "0" * 18),
        (".5", "0.5"),
    ],
)
def test_quantities(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1gi", "--1", "1K"])
def test_quantities_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity(text)


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.11",
        "localhost:5000/a/b:x",
        "quay.io/a/b@sha256:" + "a" * 64,
        "a-b_c.d/e__f:1.0-rc1",
    ],
)
def test_image_names(image: str) -> None:
    assert find_problem(image, ()) is None


@pytest.mark.parametrize("image", ["", "A", "a b", "a:", "a@b", "a//b", "/a", "a:x y"])
def test_image_names_that_are_none(image: str) -> None:
    problem = find_problem(image, ())
    assert problem is not None
    assert problem.reason == "InvalidImageName"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)-$(B)", "1-$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $( A)", "$A ${A} $( A)"),
        ("$(A", "$(A"),
        ("{{ A }}", "{{ A }}"),
    ],
)
def test_references_in_text(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected
