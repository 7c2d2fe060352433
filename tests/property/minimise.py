"""The smallest pipeline in which something is still wrong, for people to read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["minimised"]

Document = dict[str, Any]
Cut = Callable[[Document], None]


def minimised(document: Document, is_wrong: Callable[[Document], bool]) -> Document:
    """Take things out of a document, as long as it stays wrong.

    Args:
        is_wrong: False, too, for a document that is no valid pipeline any more.
    """
    smaller = True
    while smaller:
        smaller = False
        for cut in list(_cuts(document)):
            candidate = copy.deepcopy(document)
            try:
                cut(candidate)
            except KeyError:  # an earlier cut took it with it
                continue
            _drop_unused(candidate)
            if is_wrong(candidate):
                document, smaller = candidate, True
    return document


def _cuts(document: Document) -> Iterator[Cut]:
    for place in ("", *document["components"]):
        component = _component(document, place)
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            yield lambda each, place=place, name=name: _remove_task(_component(each, place), name)
            for key in ("dependentTasks", "triggerPolicy", "parameterIterator", "artifactIterator"):
                if key in task:
                    yield lambda each, place=place, name=name, key=key: _task(each, place, name).pop(key)
            for side, bindings in task.get("inputs", {}).items():
                for key, binding in bindings.items():
                    way = (place, name, side, key)
                    yield lambda each, way=way: _inputs(each, *way[:3]).pop(way[3])
                    if side == "parameters" and "runtimeValue" not in binding:
                        yield lambda each, way=way: _inputs(each, *way[:3]).update({way[3]: _ONE})
        for side in ("parameters", "artifacts"):
            for key in component.get("dag", {}).get("outputs", {}).get(side, {}):
                yield lambda each, way=(place, side, key): _remove_output(_component(each, way[0]), *way[1:])
            for key in component.get("inputDefinitions", {}).get(side, {}) if place else ():
                yield lambda each, way=(place, side, key): _component(each, way[0])["inputDefinitions"][
                    way[1]
                ].pop(way[2])


_ONE: Mapping[str, Any] = {"runtimeValue": {"constant": 1}}


def _component(document: Document, place: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"][place] if place else document["root"]
    return found


def _task(document: Document, place: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = _component(document, place)["dag"]["tasks"][name]
    return found


def _inputs(document: Document, place: str, name: str, side: str) -> dict[str, Any]:
    found: dict[str, Any] = _task(document, place, name)["inputs"][side]
    return found


def _remove_task(component: dict[str, Any], name: str) -> None:
    tasks = component["dag"]["tasks"]
    del tasks[name]
    for task in tasks.values():
        if name in task.get("dependentTasks", ()):
            task["dependentTasks"].remove(name)
        for bindings in task.get("inputs", {}).values():
            for key in [key for key, binding in bindings.items() if _comes_from(binding, name)]:
                del bindings[key]


def _comes_from(binding: Mapping[str, Any], name: str) -> bool:
    return any(isinstance(way, dict) and way.get("producerTask") == name for way in binding.values())


def _remove_output(component: dict[str, Any], side: str, key: str) -> None:
    del component["dag"]["outputs"][side][key]
    del component["outputDefinitions"][side][key]


def _drop_unused(document: Document) -> None:
    used: set[str] = set()
    pending = [document["root"]]
    while pending:
        for task in pending.pop().get("dag", {}).get("tasks", {}).values():
            name = task["componentRef"]["name"]
            if name not in used:
                used.add(name)
                pending.append(document["components"][name])
    document["components"] = {
        name: document["components"][name] for name in document["components"] if name in used
    }
