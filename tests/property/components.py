"""The components of random pipelines: what their steps declare, and what they do, as a pure function."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

__all__ = ["COMPONENTS", "EXECUTORS", "INPUTS", "OUTPUTS", "executed"]

INPUTS: Mapping[str, str] = {
    "a": "INT",
    "b": "INT",
    "s": "TEXT",
    "l": "LIST",
    "d": "TABLE",
    "art": "ART",
    "arts": "ARTS",
    "status": "STATUS",
}
OUTPUTS: Mapping[str, str] = {"Int": "INT", "Text": "TEXT", "List": "LIST", "Table": "TABLE", "art": "ART"}
PARAMETERS = {
    "INT": "NUMBER_INTEGER",
    "TEXT": "STRING",
    "LIST": "LIST",
    "TABLE": "STRUCT",
    "STATUS": "TASK_FINAL_STATUS",
}


def definitions(kinds: Mapping[str, str], optional: bool = False) -> dict[str, Any]:
    """Input or output definitions of the IR."""
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        extra = {"isOptional": True} if optional else {}
        if kind in PARAMETERS:
            found.setdefault("parameters", {})[name] = {"parameterType": PARAMETERS[kind], **extra}
        else:
            declared = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}, **extra}
            if kind == "ARTS":
                declared["isArtifactList"] = True
            found.setdefault("artifacts", {})[name] = declared
    return found


COMPONENTS: Mapping[str, Any] = {
    name: {
        "executorLabel": "exec",
        "inputDefinitions": definitions(INPUTS, optional=True),
        "outputDefinitions": definitions(OUTPUTS),
    }
    for name in ("step", "flaky")
}
EXECUTORS = {"exec": {"container": {"image": "none", "command": ["run"]}}}


def executed(component: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a step puts out; None when it fails, as those of the component `flaky` do for some inputs."""
    text = json.dumps([component, values], sort_keys=True)
    number = zlib.crc32(text.encode())
    if component == "flaky" and number % 3 == 0:
        return None
    return {
        "Int": number % 4,
        "Text": "heads" if number % 2 else "tails",
        "List": [number // 8 % 3, number // 64 % 3, number // 512 % 3][: number // 4096 % 4],
        "Table": {"a": number % 3, "b": {"c": number // 7 % 3}},
        "art": [{"name": "art", "uri": f"mem://{number}"}],
    }
