"""Load, validate and write compiled pipelines (KFP's IR)."""

from tradewind.ir.dumping import dump
from tradewind.ir.loading import load, loads
from tradewind.ir.pipeline import Pipeline, PipelineSpec, PlatformSpec
from tradewind.ir.validation import validate

__all__ = ["Pipeline", "PipelineSpec", "PlatformSpec", "dump", "load", "loads", "validate"]
