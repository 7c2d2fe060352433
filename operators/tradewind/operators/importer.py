"""Importers: an artifact that exists already becomes a step's output. No pod, no copy."""

from __future__ import annotations

from typing import Any

from tradewind.errors import FatalError
from tradewind.operators.inputs import StepInputs
from tradewind.plan import evaluate, resolve_value
from tradewind.plan.model import Importer, Step
from tradewind.plan.view import Position, RunView

__all__ = ["imported"]


def imported(step: Step, inputs: StepInputs, view: RunView, at: Position) -> dict[str, Any]:
    """Return the XCom of an importer.

    The artifact is taken as it is: whether it exists is seen by the step that reads it, and its content has
    no digest, so that for the cache its URI stands for it.

    Raises:
        FatalError: the URI is no URI.
    """
    action = step.action
    if not isinstance(action, Importer):
        raise TypeError(f"step {step.id!r} is no importer")
    uri = evaluate(action.uri, view, at)
    if not isinstance(uri, str) or not (uri.startswith("/") or ":/" in uri):
        raise FatalError(
            f"step {step.id!r} imports {uri!r}, which is no URI", remedy="Give it as scheme://place/path."
        )
    metadata = resolve_value(
        dict(action.metadata), {"inputs": {"parameterValues": dict(inputs.parameters)}}, view.context
    )
    artifact_type = {"schemaTitle": action.schema_title, "schemaVersion": action.schema_version}
    reference: dict[str, Any] = {"type": artifact_type, "uri": uri, "metadata": metadata}
    if action.reimport:
        # Content that is looked at anew in each run: no earlier result of a step that reads it counts.
        reference["imported"] = view.context["pipeline_job_uuid"]
    return {
        "parameters": {},
        "artifacts": {name: [{"name": name, **reference}] for name in step.output_artifacts},
        "cached_from": None,
    }
