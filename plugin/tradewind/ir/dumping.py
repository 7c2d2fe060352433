"""A `Pipeline` becomes text that KFP's SDK, KFP's backend and we read back equal."""

from __future__ import annotations

from typing import Any

import yaml
from google.protobuf import json_format

from tradewind.ir.pipeline import Pipeline

__all__ = ["dump"]

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def dump(pipeline: Pipeline) -> str:
    """Write a pipeline as YAML, keys sorted: one document, and a second one if it has platform configuration.

    Quoting is PyYAML's, made for readers of YAML 1.1 and so safe for those of 1.2. Nothing is left out, and
    equal pipelines make equal text.
    """
    messages = [pipeline.spec] if pipeline.platform is None else [pipeline.spec, pipeline.platform]
    documents = [json_format.MessageToDict(message) for message in messages]
    return str(yaml.dump_all(documents, Dumper=_DUMPER, sort_keys=True, explicit_start=False, width=110))
