"""Random pipelines as IR: nested loops, conditions, branches, sub-pipelines, exit tasks and their data.

They are wilder than what KFP's compiler writes: a condition may be on any task, any task may ignore failures,
and anything may wait for anything.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from property.components import COMPONENTS, EXECUTORS, INPUTS, OUTPUTS, PARAMETERS, definitions

__all__ = ["random_document"]

MAX_DEPTH = 4
SCOPES = ("pipeline", "condition", "branches", "loop", "loop", "loop", "exit_handler")
ROOT = {"n": "INT", "word": "TEXT", "xs": "LIST"}


@dataclass(frozen=True)
class Source:
    """A value that a task may be given.

    Attributes:
        gathered: a list that came out of a loop: out of the next loop it comes flat.
    """

    kind: str
    binding: dict[str, Any]
    gathered: bool = False


@dataclass
class Scope:
    """A DAG in the making."""

    depth: int
    tasks: dict[str, Any] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    put_out: list[tuple[str, str, Source]] = field(default_factory=list)

    def of(self, kind: str) -> list[Source]:
        return [source for source in self.sources if source.kind == kind]


def random_document(seed: int) -> dict[str, Any]:
    """Make a pipeline document; the same for the same seed."""
    return _Maker(random.Random(seed)).document()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.left = chance.choice((8, 14, 20, 30))
        self.number = 0
        self.components: dict[str, Any] = dict(COMPONENTS)

    def document(self) -> dict[str, Any]:
        root = Scope(
            0, sources=[Source(kind, {"componentInputParameter": name}) for name, kind in ROOT.items()]
        )
        self.fill(root, at_least=2)
        inputs = definitions(ROOT)
        inputs["parameters"]["xs"]["defaultValue"] = [1, 0]
        return {
            "pipelineInfo": {"name": "random"},
            "schemaVersion": "2.1.0",
            "components": self.components,
            "deploymentSpec": {"executors": EXECUTORS},
            "root": {"dag": {"tasks": root.tasks}, "inputDefinitions": inputs},
        }

    # --- chances ---

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def one(self, choices: Any) -> Any:
        return self.random.choice(list(choices))

    def some(self, choices: Any, at_least: int, at_most: int) -> list[Any]:
        """Several, none twice; fewer where there are fewer."""
        there = list(choices)
        number = min(self.random.randint(at_least, at_most), len(there))
        return self.random.sample(there, number)

    def name(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    # --- tasks ---

    def fill(self, scope: Scope, at_least: int = 1) -> None:
        for index in range(self.random.randint(at_least, 5)):
            if index >= at_least and self.left <= 0:
                return
            kind = (
                self.one(SCOPES) if scope.depth < MAX_DEPTH and self.left > 0 and self.chance(50) else "step"
            )
            getattr(self, f"add_{kind}")(scope)

    def add_step(self, scope: Scope) -> None:
        self.left -= 1
        name = self.name("s")
        task: dict[str, Any] = {"componentRef": {"name": "flaky" if self.chance(35) else "step"}}
        self.give(task, "a", Source("INT", constant(self.number)))
        for slot, kind in INPUTS.items():
            if slot not in ("a", "status") and self.chance(35):
                source = self.source(scope, task, kind)
                if source is not None:
                    self.give(task, slot, source)
        if self.chance(8):
            self.guard(task)
        self.wait(scope, name, task)
        if scope.tasks and self.chance(10):
            task.setdefault("triggerPolicy", {})["strategy"] = "ALL_UPSTREAM_TASKS_COMPLETED"
            producer = self.one(scope.tasks)
            if self.chance(50):
                task.setdefault("dependentTasks", []).append(producer)
                self.give(task, "status", Source("STATUS", {"taskFinalStatus": {"producerTask": producer}}))
        self.add(scope, name, task, {key: (kind, False) for key, kind in OUTPUTS.items()})

    def add_pipeline(self, scope: Scope) -> None:
        self.scope(scope, self.name("sub-"), {})

    def add_condition(self, scope: Scope) -> None:
        task: dict[str, Any] = {}
        self.guard(task, scope)
        self.scope(scope, self.name("condition-"), task)

    def add_loop(self, scope: Scope) -> None:
        task: dict[str, Any] = {}
        kind, iterator = self.items(scope, task)
        task[iterator.pop("field")] = iterator
        if self.chance(10):
            self.guard(task, scope)
        self.scope(scope, self.name("for-loop-"), task, item=("item", kind))

    def add_branches(self, scope: Scope) -> None:
        """Two alternatives, and a value of whichever happens."""
        task: dict[str, Any] = {}
        self.guard(task, scope)
        condition = task.pop("triggerPolicy")["condition"]
        imports = self.imports(scope, task)
        inner = Scope(scope.depth + 1, sources=seen_inside(imports))
        kind = self.one(("INT", "ART"))
        selectors = []
        for text in (condition, f"!({condition})"):
            branch: dict[str, Any] = {"triggerPolicy": {"condition": text}}
            for name in task["inputs"]["parameters"]:
                given = Source(imports[name].kind, {"componentInputParameter": name})
                self.give(branch, name, given)
            producer = self.scope(inner, self.name("condition-"), branch, must_give=kind)
            selectors.append((producer, "must"))
        name = self.name("condition-branches-")
        outputs = {"chosen": choice(kind, selectors)}
        self.component(name, inner, imports, outputs, {"chosen": kind})
        task["componentRef"] = {"name": f"comp-{name}"}
        self.wait(scope, name, task)
        self.add(scope, name, task, {"chosen": (kind, False)})

    def add_exit_handler(self, scope: Scope) -> None:
        name = self.scope(scope, self.name("exit-handler-"), {})
        task: dict[str, Any] = {
            "componentRef": {"name": "step"},
            "dependentTasks": [name],
            "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        }
        self.give(task, "status", Source("STATUS", {"taskFinalStatus": {"producerTask": name}}))
        self.left -= 1
        self.add(scope, self.name("s"), task, {key: (kind, False) for key, kind in OUTPUTS.items()})

    def scope(
        self,
        around: Scope,
        name: str,
        task: dict[str, Any],
        item: tuple[str, str] | None = None,
        must_give: str | None = None,
    ) -> str:
        """Add a task that is a DAG; returns its name."""
        imports = self.imports(around, task)
        inner = Scope(around.depth + 1, sources=seen_inside(imports))
        if item is not None:
            inner.sources.append(Source(item[1], component_input(*item)))
        self.fill(inner)
        outputs, kinds = self.outputs(inner, is_loop=item is not None)
        if must_give is not None:
            made = [(producer, key) for producer, key, source in inner.put_out if source.kind == must_give]
            if not made:
                self.add_step(inner)
                made = [
                    (producer, key) for producer, key, source in inner.put_out if source.kind == must_give
                ]
            outputs["must"] = choice(must_give, [self.one(made)])
            kinds["must"] = (must_give, False)
        declared = dict(imports)
        if item is not None:
            declared[item[0]] = Source(item[1], {})
        self.component(name, inner, declared, outputs, {key: kind for key, (kind, _) in kinds.items()})
        task["componentRef"] = {"name": f"comp-{name}"}
        if must_give is None:
            self.wait(around, name, task)
            if around.tasks and self.chance(6):
                task.setdefault("triggerPolicy", {})["strategy"] = "ALL_UPSTREAM_TASKS_COMPLETED"
        self.add(around, name, task, kinds)
        return name

    def component(
        self,
        name: str,
        inner: Scope,
        imports: dict[str, Source],
        outputs: dict[str, Any],
        kinds: dict[str, str],
    ) -> None:
        given = definitions({key: source.kind for key, source in imports.items()})
        for key, declared in given.get("parameters", {}).items():
            if declared["parameterType"] == "NUMBER_INTEGER" and self.chance(30):
                declared["defaultValue"] = 7
            elif key != "item":
                declared["isOptional"] = True
        dag: dict[str, Any] = {"tasks": inner.tasks}
        for key, output in outputs.items():
            side = "artifacts" if kinds[key] in ("ART", "ARTS") else "parameters"
            dag.setdefault("outputs", {}).setdefault(side, {})[key] = output
        self.components[f"comp-{name}"] = {
            "dag": dag,
            "inputDefinitions": given,
            "outputDefinitions": definitions(kinds),
        }

    # --- what goes in and out ---

    def imports(self, around: Scope, task: dict[str, Any]) -> dict[str, Source]:
        """Bind some values from around to inputs of a scope; all inputs that the task has by now."""
        usable = [source for source in around.sources if source.kind != "STATUS"]
        for source in self.some(usable, 0, 3):
            self.give(task, self.name("in"), source)
        kinds = task.pop("kinds", {})
        task["kinds"] = kinds
        return dict(kinds)

    def outputs(self, inner: Scope, is_loop: bool) -> tuple[dict[str, Any], dict[str, tuple[str, bool]]]:
        outputs: dict[str, Any] = {}
        kinds: dict[str, tuple[str, bool]] = {}
        lists = {"INT": "LIST", "ART": "ARTS"}
        usable = [
            each
            for each in inner.put_out
            if not is_loop or each[2].kind in lists or (each[2].gathered and each[2].kind in lists.values())
        ]
        for producer, key, source in self.some(usable, 1, 3):
            name = self.name("out")
            outputs[name] = choice(source.kind, [(producer, key)])
            kinds[name] = (
                (lists.get(source.kind, source.kind), True) if is_loop else (source.kind, source.gathered)
            )
        return outputs, kinds

    def items(self, scope: Scope, task: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        form = self.one(("raw", "raw", "table", "list", "list", "text", "arts", "broken"))
        parameter = {"field": "parameterIterator", "itemInput": "item"}
        if form == "raw":
            return "INT", {**parameter, "items": {"raw": self.one(("[1, 2]", "[0, 1, 2]", "[3]", "[]"))}}
        if form == "table":
            return "TABLE", {
                **parameter,
                "items": {"raw": '[{"a": 1, "b": {"c": 0}}, {"a": 2, "b": {"c": 1}}]'},
            }
        if form == "arts" and scope.of("ARTS"):
            self.give(task, "items", self.one(scope.of("ARTS")))
            return "ART", {
                "field": "artifactIterator",
                "itemInput": "item",
                "items": {"inputArtifact": "items"},
            }
        if form == "text":
            source = Source("TEXT", constant("[2, 1]"))
        elif form == "broken" and scope.of("TEXT") and self.chance(50):
            source = self.one(scope.of("TEXT"))
        else:
            source = self.one(scope.of("LIST") or [Source("LIST", constant([1, 2]))])
        self.give(task, "items", source)
        return "INT", {**parameter, "items": {"inputParameter": "items"}}

    def source(self, scope: Scope, task: dict[str, Any], kind: str) -> Source | None:
        there = scope.of(kind)
        if kind == "INT" and scope.of("TABLE") and self.chance(30):
            table = self.one(scope.of("TABLE"))
            selector = "parseJson(string_value)" + self.one(('["a"]', '["b"]["c"]', "['a']"))
            return Source("INT", {**table.binding, "parameterExpressionSelector": selector})
        if kind == "TEXT" and scope.of("INT") and self.chance(30):
            self.give(task, "pipelinechannel--k", self.one(scope.of("INT")))
            return Source("TEXT", constant("<{{$.inputs.parameters['pipelinechannel--k']}}>"))
        if not there:
            return None
        # What came last is what is rare: values that scopes put out.
        return there[-1] if self.chance(50) else self.one(there)

    def give(self, task: dict[str, Any], name: str, source: Source) -> None:
        side = "artifacts" if source.kind in ("ART", "ARTS") else "parameters"
        inputs = task.setdefault("inputs", {"parameters": {}, "artifacts": {}})
        inputs[side][name] = source.binding
        task.setdefault("kinds", {})[name] = source

    def guard(self, task: dict[str, Any], scope: Scope | None = None) -> None:
        """Set a condition on one of the inputs of a task; for a DAG, on a new one."""
        if scope is None:
            name, kind = "a", "INT"
        else:
            source = self.one(scope.of("INT") + scope.of("TEXT") or [Source("INT", constant(1))])
            name, kind = self.name("in"), source.kind
            self.give(task, name, source)
        value = f"inputs.parameter_values['{name}']"
        if kind == "TEXT":
            condition = f"{value} {self.one(('==', '!='))} 'heads'"
        else:
            condition = f"int({value}) {self.one(('>', '==', '!=', '<='))} {self.one((0, 1, 2))}"
        task["triggerPolicy"] = {"condition": condition}

    def wait(self, scope: Scope, name: str, task: dict[str, Any]) -> None:
        names = list(scope.tasks)
        if names and self.chance(35):
            task["dependentTasks"] = self.some(names, 1, 2)

    def add(
        self, scope: Scope, name: str, task: dict[str, Any], outputs: dict[str, tuple[str, bool]]
    ) -> None:
        task.pop("kinds", None)
        scope.tasks[name] = task
        for key, (kind, gathered) in outputs.items():
            if kind in PARAMETERS:
                binding = {"taskOutputParameter": {"producerTask": name, "outputParameterKey": key}}
            else:
                binding = {"taskOutputArtifact": {"producerTask": name, "outputArtifactKey": key}}
            source = Source(kind, binding, gathered)
            scope.sources.append(source)
            scope.put_out.append((name, key, source))


def constant(value: Any) -> dict[str, Any]:
    return {"runtimeValue": {"constant": value}}


def component_input(name: str, kind: str) -> dict[str, Any]:
    return {"componentInputParameter" if kind in PARAMETERS else "componentInputArtifact": name}


def seen_inside(imports: dict[str, Source]) -> list[Source]:
    """What a scope's inputs are to the tasks in it."""
    return [Source(source.kind, component_input(name, source.kind)) for name, source in imports.items()]


def choice(kind: str, selectors: list[tuple[str, str]]) -> dict[str, Any]:
    """An output of a DAG: the value of one task in it, or of the first of several that happened."""
    if kind not in PARAMETERS:
        return {
            "artifactSelectors": [
                {"producerSubtask": name, "outputArtifactKey": key} for name, key in selectors
            ]
        }
    chosen = [{"producerSubtask": name, "outputParameterKey": key} for name, key in selectors]
    return (
        {"valueFromOneof": {"parameterSelectors": chosen}}
        if len(chosen) > 1
        else {"valueFromParameter": chosen[0]}
    )
