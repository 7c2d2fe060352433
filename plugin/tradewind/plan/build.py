"""From the pipeline as KFP has it to the plan of what will run: one pass after another, each pure.

1. validate, and refuse what cannot be run (`support`)
2. a node for every use of a component, in order (`tree`)
3. where every input comes from (`wiring`)
4. what waits for what, and what decides then (`edges`)
5. the steps and loops (`steps`)
"""

from __future__ import annotations

from tradewind.errors import InvalidPipelineError
from tradewind.ir.executors import executors
from tradewind.ir.pipeline import Pipeline
from tradewind.ir.validation import validate
from tradewind.plan.edges import connect
from tradewind.plan.model import Plan, Scope
from tradewind.plan.platform import Platform
from tradewind.plan.run_config_reader import run_config
from tradewind.plan.steps import make_loop, make_step, pipeline_parameters
from tradewind.plan.support import unsupported
from tradewind.plan.tree import grow
from tradewind.plan.wiring import wire

__all__ = ["build"]


def build(pipeline: Pipeline) -> Plan:
    """Work out everything about a pipeline that can be known before it runs.

    Args:
        pipeline: from `tradewind.ir.load`, from the DSL, or made by hand: then it is validated here.

    Returns:
        The plan. Equal pipelines give equal plans, in the same order.

    Raises:
        InvalidPipelineError: the pipeline is invalid, or uses what cannot be run; lists all of it.
    """
    spec = pipeline.spec
    if not pipeline.checked:
        validate(pipeline)
    by_label = executors(spec)
    problems = list(unsupported(pipeline, by_label))
    if problems:
        raise InvalidPipelineError(pipeline.source, problems)
    platform = Platform(pipeline.platform)
    root = grow(platform.with_inputs(spec))
    wired, returned = wire(root)
    waits = connect(root, wired)
    return Plan(
        name=spec.pipeline_info.name,
        display_name=spec.pipeline_info.display_name or spec.pipeline_info.name,
        description=spec.pipeline_info.description,
        parameters=pipeline_parameters(root),
        scopes={
            node.id: Scope(
                node.id,
                node.task.task_info.name or node.name,
                node.parent.id if node.parent else "",
                kind=node.kind,
            )
            for node in root.scopes()
        },
        steps={
            node.id: make_step(
                node,
                wired[node.id],
                by_label[node.component.executor_label],
                waits[node.id],
                platform.settings(node.component.executor_label, wired[node.id].parameters),
            )
            for node in root.steps()
        },
        outputs=returned,
        loops={
            node.id: make_loop(node, wired[node.id], waits[node.id]) for node in root.scopes() if node.is_loop
        },
        pipeline_root=spec.default_pipeline_root,
        config=run_config(pipeline),
    )
