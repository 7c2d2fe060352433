"""The fixtures of the end-to-end tests; see `fixtures.stack`."""

from __future__ import annotations

from fixtures.stack import mlflow_for_stack, pipeline_file, stack

__all__ = ["mlflow_for_stack", "pipeline_file", "stack"]
