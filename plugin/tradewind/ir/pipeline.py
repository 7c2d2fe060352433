"""The one pipeline format inside Tradewind: KFP's own protobuf messages, as they came.

Everything that brings a pipeline in (a compiled file, our DSL) ends up here, and everything further on starts
here. Nothing is renamed or simplified at this point: a document that went in comes out equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

__all__ = ["Pipeline", "PipelineSpec", "PlatformSpec"]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A compiled pipeline.

    Attributes:
        spec: the pipeline itself, the file's first document.
        platform: what only one platform knows (kfp-kubernetes), the file's second document; None: there is
        none.
        source: where it came from, for messages: a path, `<text>` or the name of a Python object.
        checked: `validate` would find nothing, because whoever made this has looked. Nobody changes `spec`
        afterwards.
    """

    spec: PipelineSpec
    platform: PlatformSpec | None
    source: str
    checked: bool = False
