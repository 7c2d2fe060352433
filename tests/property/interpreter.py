"""What a pipeline document means, said plainly: scope by scope, recursively, nothing flattened.

This is the oracle for plans. It knows nothing of them: it takes the document as KFP describes it, runs one
task after another, and writes down which steps ran with what, and what had to come before what.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from property.components import executed

__all__ = ["Gathered", "Reference", "interpret"]

Instance = tuple[str, tuple[int, ...]]
"""A step, and the positions in the loops around it."""

MISSING: Any = object()
"""What nothing made."""
UNUSABLE: Any = object()
"""A part of a value that does not have it."""
ENDED = "ALL_UPSTREAM_TASKS_COMPLETED"
CONDITION = re.compile(
    r"""(?P<negated>!\()?(?:int\()?inputs\.parameter_values\['(?P<name>[^']*)'\]\)? """
    r"""(?P<operator>[=!<>]=?) (?:'(?P<text>\w*)'|(?P<number>\d+))\)?"""
)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">": operator.gt,
}


class Gathered(list[Any]):
    """What came out of a loop."""


@dataclass
class Result:
    """How a task ended.

    Attributes:
        state: succeeded, failed, skipped, or blocked by a failure before it.
        outputs: MISSING where nothing made the value.
        ran: the steps in it that ran.
        is_bad: whether a step in it failed, or did not run for a failure.
    """

    state: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    ran: frozenset[Instance] = frozenset()
    is_bad: bool = False


@dataclass
class Reference:
    """What a run has to come to.

    Attributes:
        values: what each step that runs is given.
        failed: those of them that fail.
        order: the first all end before one of the second starts.
    """

    values: dict[Instance, dict[str, Any]] = field(default_factory=dict)
    failed: set[Instance] = field(default_factory=set)
    order: list[tuple[frozenset[Instance], frozenset[Instance]]] = field(default_factory=list)


def interpret(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> Reference:
    """Run a pipeline."""
    interpreter = _Interpreter(document["components"])
    interpreter.dag(document["root"], dict(parameters), _Place("", (), False))
    return interpreter.reference


@dataclass(frozen=True)
class _Place:
    """Where in the run something is.

    Attributes:
        ends: what begins here begins after a mere end.
    """

    id: str
    path: tuple[int, ...]
    ends: bool

    def inside(self, name: str) -> str:
        return f"{self.id}.{name}" if self.id else name


class _Interpreter:
    def __init__(self, components: Mapping[str, Any]) -> None:
        self.components = components
        self.reference = Reference()

    # --- scopes ---

    def dag(self, component: Mapping[str, Any], given: dict[str, Any], place: _Place) -> Result:
        results: dict[str, Result] = {}
        for name in in_order(component["dag"]["tasks"]):
            task = component["dag"]["tasks"][name]
            results[name] = self.task(name, task, given, results, place)
            for before in awaited(task):
                self.reference.order.append((results[before].ran, results[name].ran))
        went_wrong = any(result.state in ("failed", "blocked") for result in results.values())
        return together(
            "failed" if went_wrong else "succeeded", put_out(component, results), list(results.values())
        )

    def task(
        self,
        name: str,
        task: Mapping[str, Any],
        given: dict[str, Any],
        results: dict[str, Result],
        around: _Place,
    ) -> Result:
        before = [results[other].state for other in awaited(task)]
        regardless = task.get("triggerPolicy", {}).get("strategy") == ENDED
        place = _Place(around.inside(name), around.path, regardless if before else around.ends)
        component = self.components[task["componentRef"]["name"]]
        if not regardless:
            if "failed" in before or "blocked" in before:
                return self.not_run(task, "blocked")
            if "skipped" in before:
                return self.not_run(task, "skipped")
        inputs = self.inputs(task, given, results)
        if "dag" in component:
            defaults(component, inputs, regardless and bool(before))
        condition = task.get("triggerPolicy", {}).get("condition")
        if condition is not None:
            truth = is_true(condition, inputs)
            if truth is not True:
                return self.not_run(task, "failed" if truth is None else "skipped")
        if is_loop(task):
            return self.loop(task, component, inputs, place)
        if "dag" in component:
            return self.dag(component, inputs, place)
        return self.step(task["componentRef"]["name"], inputs, place)

    def not_run(self, task: Mapping[str, Any], state: str) -> Result:
        """All steps of a scope end the same way. A loop has none then, and its lists are empty."""
        component = self.components[task["componentRef"]["name"]]
        if "dag" not in component:
            return Result(state, is_bad=state != "skipped")
        inside = {name: self.not_run(each, state) for name, each in component["dag"]["tasks"].items()}
        found = together(state, put_out(component, inside), list(inside.values()))
        if is_loop(task):
            declared = component.get("outputDefinitions", {})
            found.outputs = {key: Gathered() for side in declared.values() for key in side}
        return found

    def loop(
        self, task: Mapping[str, Any], component: Mapping[str, Any], inputs: dict[str, Any], place: _Place
    ) -> Result:
        iterator = task.get("parameterIterator") or task["artifactIterator"]
        items = item_list(iterator, inputs)
        if items is None:
            return self.not_run(task, "failed")
        rounds = []
        for number, item in enumerate(items):
            inside = _Place(place.id, (*place.path, number), False)
            rounds.append(self.dag(component, {**inputs, iterator["itemInput"]: item}, inside))
        declared = component.get("outputDefinitions", {})
        outputs = {
            key: gathered([result.outputs[key] for result in rounds])
            for side in ("parameters", "artifacts")
            for key in declared.get(side, {})
        }
        failed = any(result.state == "failed" for result in rounds)
        return together("failed" if failed else "succeeded", outputs, rounds)

    # --- steps ---

    def step(self, component: str, inputs: dict[str, Any], place: _Place) -> Result:
        instance = (place.id, place.path)
        if MISSING in inputs.values() or UNUSABLE in inputs.values():
            if not place.ends or UNUSABLE in inputs.values():
                return Result("failed", is_bad=True)
            inputs = {name: value for name, value in inputs.items() if value is not MISSING}
        values = {name: value for name, value in inputs.items() if not name.startswith("pipelinechannel--")}
        self.reference.values[instance] = values
        outputs = executed(component, values)
        if outputs is None:
            self.reference.failed.add(instance)
            return Result("failed", ran=frozenset((instance,)), is_bad=True)
        return Result("succeeded", outputs, frozenset((instance,)))

    def inputs(
        self, task: Mapping[str, Any], given: Mapping[str, Any], results: Mapping[str, Result]
    ) -> dict[str, Any]:
        bindings = task.get("inputs", {})
        found: dict[str, Any] = {}
        for name, binding in bindings.get("artifacts", {}).items():
            found[name] = value_of(binding, given, results)
        for name, binding in bindings.get("parameters", {}).items():
            value = value_of(binding, given, results)
            for key in re.findall(r"\[['\"](\w+)['\"]\]", binding.get("parameterExpressionSelector", "")):
                value = part_of(value, key)
            found[name] = value
        for name, value in found.items():
            if isinstance(value, str) and "{{$" in value:
                number = found["pipelinechannel--k"]
                found[name] = number if number in (MISSING, UNUSABLE) else f"<{json.dumps(number)}>"
        return found


def value_of(binding: Mapping[str, Any], given: Mapping[str, Any], results: Mapping[str, Result]) -> Any:
    if "runtimeValue" in binding:
        return binding["runtimeValue"]["constant"]
    if "taskFinalStatus" in binding:
        producer = binding["taskFinalStatus"]["producerTask"]
        return final_status(producer, results[producer].is_bad)
    for side, key in (
        ("taskOutputParameter", "outputParameterKey"),
        ("taskOutputArtifact", "outputArtifactKey"),
    ):
        if side in binding:
            return results[binding[side]["producerTask"]].outputs.get(binding[side][key], MISSING)
    return given[binding.get("componentInputParameter") or binding["componentInputArtifact"]]


def part_of(value: Any, key: str) -> Any:
    if value is MISSING or value is UNUSABLE:
        return value
    return value[key] if isinstance(value, dict) and key in value else UNUSABLE


def final_status(producer: str, is_bad: bool) -> dict[str, Any]:
    """Without the message: which steps did not run for which failure is a matter of what ends first."""
    return {
        "state": "FAILED" if is_bad else "SUCCEEDED",
        "pipelineTaskName": producer,
        "pipelineJobResourceName": "",
        "error": {"code": 9} if is_bad else {},
    }


def is_true(condition: str, inputs: Mapping[str, Any]) -> bool | None:
    """Whether one of the conditions that `property.pipelines` writes holds; None: it cannot be said."""
    match = CONDITION.fullmatch(condition)
    assert match is not None, condition
    value = inputs.get(match["name"])
    if value is MISSING or value is UNUSABLE:
        return None
    if match["text"] is not None:
        given = value if isinstance(value, str) or value is None else json.dumps(value)
        holds = COMPARISONS[match["operator"]](given, match["text"])
    elif isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        holds = COMPARISONS[match["operator"]](int(value), int(match["number"]))
    else:
        return None
    return holds != bool(match["negated"])


def defaults(component: Mapping[str, Any], inputs: dict[str, Any], regardless: bool) -> None:
    for name, declared in component["inputDefinitions"].get("parameters", {}).items():
        if name not in inputs or (regardless and inputs[name] is MISSING):
            inputs[name] = declared.get("defaultValue")


def is_loop(task: Mapping[str, Any]) -> bool:
    return "parameterIterator" in task or "artifactIterator" in task


def put_out(component: Mapping[str, Any], results: Mapping[str, Result]) -> dict[str, Any]:
    declared = component["dag"].get("outputs", {})
    return {key: selected(output, results) for side in declared.values() for key, output in side.items()}


def selected(output: Mapping[str, Any], results: Mapping[str, Result]) -> Any:
    if "valueFromParameter" in output:
        selectors = [output["valueFromParameter"]]
    elif "valueFromOneof" in output:
        selectors = output["valueFromOneof"]["parameterSelectors"]
    else:
        selectors = output["artifactSelectors"]
    for selector in selectors:
        result = results[selector["producerSubtask"]]
        key = selector.get("outputParameterKey") or selector["outputArtifactKey"]
        if result.outputs.get(key, MISSING) is not MISSING:
            return result.outputs[key]
    return MISSING


def item_list(iterator: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[Any] | None:
    """The items; None if there is no such list."""
    items = iterator["items"]
    if "raw" in items:
        return list(json.loads(items["raw"]))
    if "inputArtifact" in items:
        found = inputs[items["inputArtifact"]]
        return None if found is MISSING else [[reference] for reference in found]
    found = inputs[items["inputParameter"]]  # no list, if it is missing
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return None
    return found if isinstance(found, list) else None


def gathered(values: list[Any]) -> Gathered:
    """One value per iteration, as far as there are any; artifacts, and what inner loops gathered, flat."""
    found = Gathered()
    for value in values:
        if isinstance(value, Gathered) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            found.extend(value)
        elif value is not MISSING:
            found.append(value)
    return found


def together(state: str, outputs: Mapping[str, Any], parts: list[Result]) -> Result:
    ran = frozenset(instance for part in parts for instance in part.ran)
    return Result(state, outputs, ran, any(part.is_bad for part in parts))


def awaited(task: Mapping[str, Any]) -> set[str]:
    found = set(task.get("dependentTasks", ()))
    for side in task.get("inputs", {}).values():
        for binding in side.values():
            for way in ("taskOutputParameter", "taskOutputArtifact", "taskFinalStatus"):
                if way in binding:
                    found.add(binding[way]["producerTask"])
    return found


def in_order(tasks: Mapping[str, Any]) -> Iterator[str]:
    done: set[str] = set()
    while len(done) < len(tasks):
        for name in [name for name in tasks if name not in done and awaited(tasks[name]) <= done]:
            done.add(name)
            yield name
