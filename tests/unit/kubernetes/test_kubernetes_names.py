"""Every function of kfp-kubernetes is there, under its name and with its arguments."""

from __future__ import annotations

import inspect
import json
import subprocess

from fixtures.kfp_sdk import KfpSdk
from tradewind import dsl, kubernetes

ADDED = {"add_pod_affinity", "use_shared_memory"}
ASK = """
import inspect, json
from kfp import kubernetes
from kfp.dsl.base_component import BaseComponent
found = {}
for name in kubernetes.__all__:
    value = getattr(kubernetes, name)
    if isinstance(value, BaseComponent):
        found[name] = sorted(value.component_spec.inputs)
    else:
        given = inspect.signature(value).parameters.values()
        found[name] = [[each.name, repr(each.default)] for each in given]
print(json.dumps(found))
"""


def arguments(name: str) -> list[object]:
    value = getattr(kubernetes, name)
    if isinstance(value, dsl.BaseComponent):
        return sorted(value.interface.inputs)
    return [[each.name, repr(each.default)] for each in inspect.signature(value).parameters.values()]


def test_the_same_names_and_arguments(kfp_sdk: KfpSdk) -> None:
    done = subprocess.run(
        [kfp_sdk.python, "-W", "ignore", "-c", ASK], capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert {name: arguments(name) for name in kubernetes.__all__ if name not in ADDED} == theirs
