"""Components from YAML: `from tradewind import components` in place of `from kfp import components`.

A file is what `tradewind compile` or KFP's SDK wrote (one component, or a whole pipeline, which then is a
step of another), or a component of KFP's version 1 (`implementation: container:`), of which whole libraries
exist.
"""

from __future__ import annotations

from tradewind.components.loading import (
    load_component_from_file,
    load_component_from_text,
    load_component_from_url,
)
from tradewind.components.yaml_component import YamlComponent
from tradewind.dsl.base import BaseComponent
from tradewind.dsl.container import ContainerComponent, PythonComponent

__all__ = [
    "BaseComponent",
    "ContainerComponent",
    "PythonComponent",
    "YamlComponent",
    "load_component_from_file",
    "load_component_from_text",
    "load_component_from_url",
]
