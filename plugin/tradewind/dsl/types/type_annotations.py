"""What goes around types in annotations, under the name of KFP's module."""

from __future__ import annotations

from tradewind.runtime.annotations import EmbeddedInput, Input, InputPath, Output, OutputPath

__all__ = ["EmbeddedInput", "Input", "InputPath", "Output", "OutputPath"]
