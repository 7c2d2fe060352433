"""CreatePVC and DeletePVC of kfp-kubernetes: requests to the cluster, no pod.

A claim that is made is labelled with the step that made it, and its name is the one that the pipeline gives
or a function of the step. So a retry finds what an earlier try has made, and a claim of the same name that
somebody else made is never taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tradewind.cluster.names import RUN_LABEL, STEP_LABEL, StepIdentity, run_annotations, run_digest
from tradewind.errors import FatalError
from tradewind.operators.access import cluster_access
from tradewind.operators.inputs import StepInputs
from tradewind.plan.model import CreateVolume, Step

if TYPE_CHECKING:
    from tradewind.cluster.claims import Claims

__all__ = ["claim_manifest", "claim_name", "do_claim"]

_BUDGET_SECONDS = 60.0


def do_claim(
    step: Step, inputs: StepInputs, arguments: Mapping[str, Any], identity: StepIdentity, log: Any
) -> dict[str, Any]:
    """Make or delete a claim, as the step says; returns the step's XCom.

    Args:
        arguments: of the step's pod, if it had one: connection and namespace.

    Raises:
        FatalError: an input cannot be used, or the name is taken.
        TradewindError: the cluster refuses, or is away.
    """
    from tradewind.cluster.claims import Claims

    access = cluster_access(arguments)
    claims = Claims(access.client, access.namespace, budget_seconds=_BUDGET_SECONDS)
    if isinstance(step.action, CreateVolume):
        values = {name: given.default for name, given in step.parameters.items() if given.has_default}
        values |= inputs.parameters
        name = _create(claims, step, values, identity)
        log.info("Volume claim %s in namespace %s", name, access.namespace)
        return {"parameters": {"name": name}, "artifacts": {}, "cached_from": None}
    doomed = inputs.parameters.get("pvc_name")
    if not doomed:
        raise FatalError(f"step {step.id!r}: no pvc_name is given")
    there = claims.delete(doomed)
    log.info("Volume claim %s %s", doomed, "is deleted" if there else "was not there")
    return {"parameters": {}, "artifacts": {}, "cached_from": None}


def _create(claims: Claims, step: Step, values: Mapping[str, Any], identity: StepIdentity) -> str:
    name = claim_name(step, values, identity)
    found = claims.ensure(claim_manifest(name, step, values, identity))
    if (found["metadata"].get("labels") or {}).get(STEP_LABEL) != identity.label:
        raise FatalError(
            f"step {step.id!r}: there is a volume claim {name!r} already, made by somebody else",
            remedy="Delete it, give pvc_name_suffix in place of a name, or mount it without making it.",
        )
    return name


def claim_name(step: Step, values: Mapping[str, Any], identity: StepIdentity) -> str:
    """Return the name of the claim that a step makes.

    KFP puts something unique before a suffix; here it is the same in all tries of a step.

    Raises:
        FatalError: a name and a suffix are given, or neither.
    """
    given, suffix = values.get("pvc_name"), values.get("pvc_name_suffix")
    if bool(given) == bool(suffix):
        message = "both pvc_name and pvc_name_suffix are given" if given else "neither is given"
        raise FatalError(f"step {step.id!r}: {message}", remedy="Give pvc_name or pvc_name_suffix.")
    if given:
        return str(given)
    slug = re.sub(r"[^a-z0-9]+", "-", identity.dag_id.lower())[:30].strip("-") or "pipeline"
    return f"{slug}-{identity.label[:10]}-{str(suffix).lstrip('-')}"


def claim_manifest(
    name: str, step: Step, values: Mapping[str, Any], identity: StepIdentity
) -> dict[str, Any]:
    """Return the claim as the API wants it.

    Args:
        values: inputs of KFP's CreatePVC. `storage_class_name` null is the cluster's default, "" is none.
    """
    spec: dict[str, Any] = {
        "accessModes": values.get("access_modes") or [],
        "resources": {"requests": {"storage": values.get("size")}},
    }
    if values.get("storage_class_name") is not None:
        spec["storageClassName"] = values["storage_class_name"]
    if values.get("volume_name"):
        spec["volumeName"] = values["volume_name"]
    if values.get("data_source"):
        spec["dataSource"] = values["data_source"]
    annotations = {key: str(text) for key, text in (values.get("annotations") or {}).items()}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "labels": {
                RUN_LABEL: run_digest(identity.dag_id, identity.run_id),
                STEP_LABEL: identity.label,
            },
            "annotations": {
                **annotations,
                **run_annotations(identity.dag_id, identity.run_id),
                "tradewind.dev/task": step.id,
            },
        },
        "spec": spec,
    }
