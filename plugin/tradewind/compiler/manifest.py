"""A pipeline as objects of Kubeflow's Kubernetes API: `Pipeline` and `PipelineVersion`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from google.protobuf import json_format

from tradewind import ir

__all__ = ["KubernetesManifestOptions"]

_API_VERSION = "pipelines.kubeflow.org/v2beta1"


@dataclass
class KubernetesManifestOptions:
    """Names in the manifest; each falls back on the one before it, the first on the pipeline's own.

    Attributes:
        pipeline_name, pipeline_display_name: of the object `Pipeline`.
        pipeline_version_name, pipeline_version_display_name: of the object `PipelineVersion`.
        namespace: of both.
        include_pipeline_manifest: write the `Pipeline`, too, not only its version.
    """

    pipeline_name: str | None = None
    pipeline_display_name: str | None = None
    pipeline_version_name: str | None = None
    pipeline_version_display_name: str | None = None
    namespace: str | None = None
    include_pipeline_manifest: bool = False

    def render(self, pipeline: ir.Pipeline, description: str | None) -> str:
        """The manifest as YAML."""
        name = self.pipeline_name or pipeline.spec.pipeline_info.name
        version = self.pipeline_version_name or name
        spec: dict[str, Any] = {
            "displayName": self.pipeline_version_display_name or version,
            "pipelineName": name,
            "pipelineSpec": json_format.MessageToDict(pipeline.spec),
        }
        if pipeline.platform is not None:
            spec["platformSpec"] = json_format.MessageToDict(pipeline.platform)
        documents = [self._object("PipelineVersion", version, spec, description)]
        if self.include_pipeline_manifest:
            about = {"displayName": self.pipeline_display_name or name}
            documents.insert(0, self._object("Pipeline", name, about, description))
        return str(yaml.safe_dump_all(documents, sort_keys=True))

    def _object(self, kind: str, name: str, spec: dict[str, Any], description: str | None) -> dict[str, Any]:
        metadata = {"name": name} | ({"namespace": self.namespace} if self.namespace else {})
        about = {"description": description} if description else {}
        return {"apiVersion": _API_VERSION, "kind": kind, "metadata": metadata, "spec": {**spec, **about}}
