"""Importers into the workspace: a pod copies the artifact there, once, for all steps that use it.

The pod is that of a Python step whose input is the artifact and whose input path lies in the workspace, so
that all the care of the runtime (retries, directories, any scheme that the image can read) comes for free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tradewind.operators.configuration import configuration
from tradewind.operators.inputs import StepInputs
from tradewind.operators.workspace import IN_WORKSPACE, MOUNT_PATH, workspace_path_of
from tradewind.plan.model import ArtifactInput, Container, Importer, ParameterInput, PythonFunction, Step

__all__ = ["bringing_step", "in_workspace"]

_SOURCE = """\
import contextlib
import os
import shutil

from kfp import dsl


def bring(artifact: dsl.Input[dsl.Artifact], target: str):
    try:
        brought = artifact.path
        os.stat(brought)
    except Exception as error:
        raise RuntimeError(
            f"{artifact.uri} cannot be brought into the workspace: {error}. "
            "An image with the library of a scheme is set by [tradewind] helper_image"
        ) from error
    os.makedirs(os.path.dirname(target), exist_ok=True)
    before = brought + ".before"
    if os.path.isdir(target) or os.path.isdir(brought):
        with contextlib.suppress(FileNotFoundError):
            os.rename(target, before)
    try:
        os.replace(brought, target)
    except OSError:
        if not os.path.exists(target):
            raise
        shutil.rmtree(brought)  # another importer of the same uri was faster
    shutil.rmtree(before, ignore_errors=True)
    print(f"{artifact.uri} is in the workspace at {target}")
"""


def bringing_step(step: Step, result: Mapping[str, Any], token: str) -> tuple[Step, StepInputs]:
    """Return what a pod is to run for an importer, and on which inputs.

    Args:
        result: the importer's, as made by `tradewind.operators.importer`.
        token: of this try and no other: what comes in has a place of its own until all of it is there.
    """
    action = step.action
    if not isinstance(action, Importer):
        raise TypeError(f"step {step.id!r} is no importer")
    container = step.container or Container("")
    (reference,) = next(iter(result["artifacts"].values()))
    return (
        replace(
            step,
            action=PythonFunction("bring", _SOURCE),
            container=replace(container, image=configuration().helper_image),
            parameters={"target": ParameterInput("STRING")},
            artifacts={"artifact": ArtifactInput(action.schema_title, action.schema_version)},
            output_parameters={},
            output_artifacts={},
        ),
        StepInputs(
            {"target": workspace_path_of(str(reference["uri"]))},
            {"artifact": [{**reference, "customPath": f"{MOUNT_PATH}/.artifacts/.incoming/{token}"}]},
        ),
    )


def in_workspace(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return an importer's result for an artifact whose content lies in the workspace now."""
    artifacts = {
        name: [
            {
                **reference,
                "customPath": workspace_path_of(str(reference["uri"])),
                "metadata": {**(reference.get("metadata") or {}), IN_WORKSPACE: True},
            }
            for reference in references
        ]
        for name, references in result["artifacts"].items()
    }
    return {**result, "artifacts": artifacts}
