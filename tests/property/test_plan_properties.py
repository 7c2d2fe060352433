"""Whatever the pipeline: its plan, run by an orchestrator, does what the pipeline means.

The same steps run and the others do not, each is given the same values in each iteration, the same ones fail,
and nothing starts before what it waits for has ended. `TRADEWIND_PROPERTY_EXAMPLES` sets how many pipelines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import yaml
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from property.interpreter import Reference, interpret
from property.minimise import minimised
from property.orchestrator import Orchestrator
from property.pipelines import random_document
from tradewind import ir, plan
from tradewind.errors import FatalError

Test = Callable[[int], None]
EXAMPLES = int(os.environ.get("TRADEWIND_PROPERTY_EXAMPLES", "200"))
ORDERS = 3
PARAMETERS = {"n": 1, "word": "heads", "xs": [2, 0]}
TELLING = (1, 3, 4, 14, 65, 78, 79, 126, 164, 439)
"""Pipelines each of which some mistake in the plan's passes was seen to change."""


def _examples(seeds: Iterable[int]) -> Callable[[Test], Test]:
    def decorated(test: Test) -> Test:
        for seed in seeds:
            test = example(seed)(test)
        return test

    return decorated


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
@given(st.integers(0, 2**32))
@_examples(TELLING)
def test_a_plan_does_what_its_pipeline_means(seed: int) -> None:
    document = random_document(seed)
    found = differences(document, seed)
    if found:
        small = minimised(document, lambda candidate: _is_wrong(candidate, seed))
        text = yaml.safe_dump({**small, "deploymentSpec": None}, default_flow_style=None, width=110)
        raise AssertionError("\n".join([f"seed {seed}", *differences(small, seed), text]))


def differences(document: dict[str, Any], seed: int) -> list[str]:
    """Run a pipeline's plan in several orders and say where it is not what the interpreter says."""
    built = plan.build(ir.loads(json.dumps(document)))
    reference = interpret(document, PARAMETERS)
    for order in range(ORDERS):
        found = _compare(reference, Orchestrator(built, dict(PARAMETERS), seed + order).go())
        if found:
            return found
    return []


def _is_wrong(document: dict[str, Any], seed: int) -> bool:
    try:
        return bool(differences(document, seed))
    except (FatalError, LookupError, TypeError):  # too much was cut off
        return False


def _compare(reference: Reference, run: Orchestrator) -> list[str]:
    found = []
    for instance in sorted(reference.values.keys() | run.values.keys()):
        expected, given = reference.values.get(instance), run.values.get(instance)
        if expected is None:
            found.append(f"{instance} ran, and should not")
        elif given is None:
            found.append(f"{instance} did not run, and should")
        elif expected != given:
            found.append(f"{instance} was given {given}, and should be {expected}")
    if reference.failed != run.failed:
        found.append(f"failed: {sorted(run.failed)}, should be: {sorted(reference.failed)}")
    for before, after in reference.order if not found else ():
        ends = [(run.spans[instance][1], instance) for instance in before]
        starts = [(run.spans[instance][0], instance) for instance in after]
        if ends and starts and max(ends) > min(starts) and max(ends)[0] > min(starts)[0]:
            found.append(f"{min(starts)[1]} started before {max(ends)[1]} had ended")
    return found
