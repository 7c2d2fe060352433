"""Whatever the program: what the DSL compiles fits together, and its plan has all the steps that are in it.

The DSL refuses what is wrong where it is written, and nobody looks at what it compiles again: here somebody
does. `TRADEWIND_PROPERTY_EXAMPLES` sets how many programs.
"""

from __future__ import annotations

import os
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
    assert set(plan.build(compiled).steps) == set(leaves(compiled.spec.root, compiled.spec.components, ""))
    assert ir.loads(ir.dump(compiled)).spec == compiled.spec


def leaves(component: ComponentSpec, components: Mapping[str, ComponentSpec], around: str) -> Iterator[str]:
    """Ids of the tasks that are steps."""
    for name, task in component.dag.tasks.items():
        used = components[task.component_ref.name]
        if used.WhichOneof("implementation") == "dag":
            yield from leaves(used, components, f"{around}{name}.")
        else:
            yield f"{around}{name}"
