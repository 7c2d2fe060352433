"""Pipelines used as components: what is inside is copied outwards, under names that are free there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec

if TYPE_CHECKING:
    from tradewind.dsl.compiler import _Compilation
    from tradewind.dsl.pipeline import GraphComponent

__all__ = ["merge"]


def merge(inner: GraphComponent, outer: _Compilation) -> ComponentSpec:
    """Copy executors, components and platform settings of `inner` into `outer`.

    Returns:
        A copy of the inner pipeline's root, whose references have the new names.
    """
    spec = inner.compiled.spec
    labels = {label: outer.claim_executor(label) for label in inner.executors}
    names: dict[str, str] = {}
    for name in inner.components:
        names[name] = outer.claim_component(name, also=names.keys() | names.values())
    executors = spec.deployment_spec.fields["executors"].struct_value.fields
    for label, new in labels.items():
        outer.executor(new).CopyFrom(executors[label])
    for name, new in names.items():
        component = outer.spec.components[new]
        component.CopyFrom(spec.components[name])
        _rename(component, labels, names)
    if inner.compiled.platform is not None:
        for key, platform in inner.compiled.platform.platforms.items():
            target = outer.platform.platforms[key].deployment_spec.executors
            for label, settings in platform.deployment_spec.executors.items():
                target[labels[label]].CopyFrom(settings)
    root = ComponentSpec()
    root.CopyFrom(spec.root)
    _rename(root, labels, names)
    return root


def _rename(component: ComponentSpec, labels: dict[str, str], names: dict[str, str]) -> None:
    if component.WhichOneof("implementation") == "dag":
        for task in component.dag.tasks.values():
            task.component_ref.name = names[task.component_ref.name]
    elif component.executor_label:
        component.executor_label = labels[component.executor_label]
