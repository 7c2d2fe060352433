"""Load, validate and write compiled pipelines (KFP's IR)."""

from tradewind.ir.pipeline import Pipeline, PipelineSpec, PlatformSpec

__all__ = ["Pipeline", "PipelineSpec", "PlatformSpec"]
