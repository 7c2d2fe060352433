"""The tree of what a plan runs, a row for each step and for each scope, in the order in which they come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tradewind.cli.check_plan import binding_text, guard_text
from tradewind.cli.check_pods import guards_by_subject
from tradewind.plan.bindings import Guard
from tradewind.plan.model import CreateVolume, DeleteVolume, Importer, Loop, Plan, Scope, Step

__all__ = ["Row", "tree"]

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree.

    Attributes:
        depth: number of scopes around it.
        name: the last part of the id.
        what: a step's image; when or how often a scope runs.
        notes: what is waited for, and what is unusual.
    """

    depth: int
    name: str
    what: str
    notes: str
    is_step: bool


def tree(plan: Plan) -> Iterator[Row]:
    """Rows of a plan, those inside of a scope below it."""
    inside: dict[str, dict[str, None]] = {}  # ids by the scope around, in the order of the steps
    for step in plan.steps.values():
        inside.setdefault(step.scope, {})[step.id] = None
        scope = step.scope
        while scope:
            parent = plan.scopes[scope].parent
            inside.setdefault(parent, {})[scope] = None
            scope = parent
    guards = guards_by_subject(plan)
    conditions = {id: f"if {guard_text(guard)}" for id, guard in guards.items()}
    for each in plan.scopes.values():
        if each.kind == "branches":
            conditions |= _alternatives([guards[id] for id in inside[each.id] if id in guards])

    def rows(scope: str, depth: int) -> Iterator[Row]:
        for id in inside.get(scope, ()):
            if id in plan.steps:
                yield _step(plan.steps[id], depth, conditions.get(id, ""))
            else:
                yield _scope(plan.scopes[id], plan.loops.get(id), depth, conditions.get(id, ""))
                yield from rows(id, depth + 1)

    return rows("", 0)


def _alternatives(branches: list[Guard]) -> dict[str, str]:
    """What is said of an If and what follows it, which in KFP's words negate all that came before."""
    said = {}
    before = ""
    for branch in sorted(branches, key=lambda guard: len(guard.expression)):
        own = branch.expression.removeprefix(f"{before} && ") if before else branch.expression
        if before and own == before:
            said[branch.scope] = "else"
        else:
            follows = before and own != branch.expression
            said[branch.scope] = ("else if " if follows else "if ") + guard_text(
                replace(branch, expression=own)
            )
        before = f"{before} && !({own})" if before else f"!({own})"
    return said


def _scope(scope: Scope, loop: Loop | None, depth: int, condition: str) -> Row:
    pieces = [_short(_near(condition, scope.id))] if condition else []
    if loop is not None:
        limit = f", {loop.parallelism} at a time" if loop.parallelism else ""
        items = _short(_near(binding_text(loop.items), scope.id))
        pieces.append(f"for each {'artifact' if loop.artifacts else 'item'} of {items}{limit}")
    if scope.kind == "branches":
        pieces.append("one of these")
    return Row(depth, scope.id.rpartition(".")[2], ", ".join(pieces), _named(scope), False)


def _step(step: Step, depth: int, condition: str) -> Row:
    notes = [_short(_near(condition, step.id))] if condition else []
    if step.wait == "end":
        notes.append(
            f"whatever happens, at the end of {_names(step)}" if step.upstream else "whatever happens"
        )
    elif step.upstream:
        notes.append(f"after {_names(step)}")
    if step.retry is not None and step.retry.max_count:
        notes.append(f"{step.retry.max_count} {'retries' if step.retry.max_count > 1 else 'retry'}")
    if not step.cache.enabled:
        notes.append("not cached")
    if named := _named(step):
        notes.append(named)
    return Row(depth, step.id.rpartition(".")[2], _what(step), ", ".join(notes), True)


def _what(step: Step) -> str:
    if isinstance(step.action, Importer) and step.action.to_workspace:
        return f"into the workspace: {_short(binding_text(step.action.uri))}"
    if step.container is not None:
        return _short(step.container.image)
    match step.action:
        case Importer(uri=uri):
            return f"no pod: {_short(binding_text(uri))}"
        case CreateVolume():
            return "no pod: makes a volume claim"
        case DeleteVolume():
            return "no pod: deletes a volume claim"
    return "no pod"


def _names(step: Step) -> str:
    """What a step waits for: steps and scopes beside it, or beside a scope around it."""
    return ", ".join(dict.fromkeys(_near(id, step.id).partition(".")[0] for id in step.upstream))


def _near(text: str, reader: str) -> str:
    """A text with ids in it, as a reader in the tree would say them: without the scopes around both."""
    *around, _ = reader.split(".")
    prefixes = [re.escape(".".join(around[:length]) + ".") for length in range(len(around), 0, -1)]
    return re.sub(rf"(?<![\w.-])(?:{'|'.join(prefixes)})", "", text) if prefixes else text


def _named(subject: Step | Scope) -> str:
    name = subject.display_name
    return f'"{name}"' if name and name != subject.id.rpartition(".")[2] else ""


def _short(text: str) -> str:
    plain = text if text.isprintable() else json.dumps(text, ensure_ascii=False)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."
