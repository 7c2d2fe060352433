"""Whatever the program: what the DSL compiles fits together, and its plan has all the steps that are in it.

The DSL refuses what is wrong where it is written, and nobody looks at what it compiles again: here somebody
does. `TRADEWIND_PROPERTY_EXAMPLES` sets how many programs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec

from property.programs import random_pipeline
from tradewind import dsl, ir, plan

EXAMPLES = int(os.environ.get("TRADEWIND_PROPERTY_EXAMPLES", "50"))


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
@given(st.integers(0, 2**32))
def test_what_is_compiled_fits_together_and_is_planned(seed: int) -> None:
    compiled = dsl.compile(random_pipeline(seed))
    ir.validate(compiled)
    steps = plan.build(compiled).steps
    assert Counter(step.component for step in steps.values()) == Counter(
        leaves(compiled.spec.root, compiled.spec.components)
    )
    assert all(len(step) <= 250 for step in steps), "what Airflow takes for an id"
    assert ir.loads(ir.dump(compiled)).spec == compiled.spec


def leaves(component: ComponentSpec, components: Mapping[str, ComponentSpec]) -> Iterator[str]:
    """Names of the components of the tasks that are steps."""
    for task in component.dag.tasks.values():
        name = task.component_ref.name
        if components[name].WhichOneof("implementation") == "dag":
            yield from leaves(components[name], components)
        else:
            yield name.removeprefix("comp-")
