"""The run's workspace: a volume that all steps of one run share (dsl.WorkspaceConfig).

`run_start` makes the claim, under a name that is a function of the run, and `run_end` deletes it, or notes
until when it is kept. Nobody is there to delete it later, so every run of a pipeline with a workspace removes
what has expired in its namespace. A step mounts the workspace when something that it is given names it. Such
a step is never cached: what it left in the workspace of another run is gone.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tradewind.cluster.names import RUN_LABEL, run_annotations, run_digest
from tradewind.errors import ConfigurationError, TradewindError
from tradewind.operators.access import ClusterAccess, cluster_access, pipeline_pod_arguments
from tradewind.operators.configuration import configuration
from tradewind.operators.inputs import StepInputs
from tradewind.operators.settings import RunSettings
from tradewind.plan.model import Command, Importer, Step
from tradewind.plan.run_config import Workspace

if TYPE_CHECKING:
    from tradewind.cluster.claims import Claims

__all__ = [
    "EXPIRES_ANNOTATION",
    "IN_WORKSPACE",
    "MOUNT_PATH",
    "WORKSPACE_LABEL",
    "claim_manifest",
    "claim_name",
    "open_workspace",
    "release_workspace",
    "require_reach",
    "uses_workspace",
    "workspace_arguments",
    "workspace_path_of",
]

MOUNT_PATH = "/kfp-workspace"
"""Where KFP mounts a workspace; components may rely on it."""

IN_WORKSPACE = "_kfp_workspace"
"""Key in the metadata of an artifact whose content lies in the workspace, as KFP has it."""

_PLACEHOLDER = "{{$.workspace_path}}"
_VOLUME = "tradewind-workspace"
WORKSPACE_LABEL = "tradewind.dev/workspace"
"""Marks the claims of workspaces."""
EXPIRES_ANNOTATION = "tradewind.dev/expires"
"""Until when a workspace is kept: UTC, as Kubernetes writes times. Not there while its run goes on."""
_BUDGET_SECONDS = 30.0
_PLACE = ("namespace", "kubernetes_conn_id", "in_cluster", "config_file", "cluster_context")


def claim_name(pipeline: str, dag_id: str, run_id: str) -> str:
    """Return the claim's name: readable, legal in Kubernetes, unique to the run."""
    slug = re.sub(r"[^a-z0-9]+", "-", pipeline.lower())[:30].strip("-") or "pipeline"
    return f"{slug}-{run_digest(dag_id, run_id)[:10]}-workspace"


def claim_manifest(name: str, workspace: Workspace, dag_id: str, run_id: str) -> dict[str, Any]:
    """Return the claim as the API wants it.

    One node at a time may write to it unless somebody says otherwise: that is what every cluster has.
    """
    spec = {"accessModes": ["ReadWriteOnce"], **configuration().workspace_claim, **workspace.claim}
    resources = dict(spec.get("resources") or {})
    requests = {**(resources.get("requests") or {}), "storage": workspace.size}
    labels = {RUN_LABEL: run_digest(dag_id, run_id), WORKSPACE_LABEL: "true"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": run_annotations(dag_id, run_id),
        },
        "spec": {**spec, "resources": {**resources, "requests": requests}},
    }


# --- the run's two ends -----------------------------------------------------------------------------------


def open_workspace(pipeline: RunSettings, dag_id: str, run_id: str, log: Any) -> str | None:
    """Make the run's claim, unless it is there; returns its name, None for a pipeline without a workspace.

    Raises:
        TradewindError: the cluster refuses it, or is away.
    """
    workspace = pipeline.config.workspace
    if workspace is None:
        return None
    claims = _claims(cluster_access(pipeline_pod_arguments(pipeline)))
    name = claim_name(pipeline.pipeline, dag_id, run_id)
    found = claims.ensure(claim_manifest(name, workspace, dag_id, run_id))
    if EXPIRES_ANNOTATION in (found["metadata"].get("annotations") or {}):  # the run goes on
        claims.annotate(name, {EXPIRES_ANNOTATION: None})
    log.info("Workspace %s in namespace %s, %s", name, claims.namespace, workspace.size)
    _remove_expired(claims, log)
    return name


def release_workspace(pipeline: RunSettings, dag_id: str, run_id: str, *, succeeded: bool, log: Any) -> None:
    """Delete the run's claim, or note until when it is kept.

    Raises:
        TradewindError: the cluster refuses, or is away.
    """
    if pipeline.config.workspace is None:
        return
    claims = _claims(cluster_access(pipeline_pod_arguments(pipeline)))
    name = claim_name(pipeline.pipeline, dag_id, run_id)
    kept = pipeline.config.kept_after_success if succeeded else pipeline.config.kept_after_failure
    if kept:
        until = _utc(time.time() + kept)
        if claims.annotate(name, {EXPIRES_ANNOTATION: until}):
            log.info("The workspace %s is kept until %s; a later run removes it", name, until)
    elif claims.delete(name):
        log.info("The workspace %s is removed", name)
    _remove_expired(claims, log)


def _claims(access: ClusterAccess) -> Claims:
    from tradewind.cluster.claims import Claims

    return Claims(access.client, access.namespace, budget_seconds=_BUDGET_SECONDS)


def _remove_expired(claims: Claims, log: Any) -> None:
    now = _utc(time.time())
    try:
        for claim in claims.select(f"{WORKSPACE_LABEL}=true"):
            until = (claim["metadata"].get("annotations") or {}).get(EXPIRES_ANNOTATION)
            name = claim["metadata"]["name"]
            if until is not None and until < now and claims.delete(name):
                log.info("The workspace %s was kept until %s; it is removed", name, until)
    except TradewindError as error:  # the next run tries again; this one has what it needs
        log.warning("Workspaces that have expired may be left: %s", error)


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


# --- a step's view of it ----------------------------------------------------------------------------------


def uses_workspace(step: Step, inputs: StepInputs) -> bool:
    """Say whether a step is to have the workspace mounted: something that it is given lies there."""
    action = step.action
    if isinstance(action, Importer):
        return action.to_workspace
    texts: list[Any] = [
        dict(inputs.parameters),
        [value for _, value in step.container.env] if step.container else [],
    ]
    if isinstance(action, Command):
        texts += [list(action.command), list(action.args)]
    if any(_names_workspace(text) for text in _texts(texts)):
        return True
    references = (each for listed in inputs.artifacts.values() for each in listed)
    return any((each.get("metadata") or {}).get(IN_WORKSPACE) is True for each in references)


def require_reach(pipeline: RunSettings, step: Mapping[str, Any]) -> None:
    """Check that a step's pod runs where the workspace is.

    Args:
        step: the step's own pod arguments.

    Raises:
        ConfigurationError: they lead to another namespace or cluster.
    """
    there = pipeline_pod_arguments(pipeline)
    for name in _PLACE:
        if step.get(name) not in (None, there.get(name)):
            raise ConfigurationError(
                f"the step has {name} = {step[name]!r} of its own, and uses the run's workspace",
                remedy=f"Give {name} to the whole pipeline: volumes belong to one namespace.",
            )


def workspace_arguments(claim: str) -> dict[str, Any]:
    """Return the pod arguments that mount a workspace."""
    return {
        "volumes": [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": claim}}],
        "volume_mounts": [{"name": _VOLUME, "mountPath": MOUNT_PATH}],
    }


def workspace_path_of(uri: str) -> str:
    """Return where the content of an artifact lies in the workspace: KFP's rule, but never outside of it."""
    from tradewind.runtime.artifacts import local_path

    parts = [part for part in local_path(uri).split("/") if part not in ("", ".")]
    if ".." in parts:
        parts = [hashlib.sha256(uri.encode()).hexdigest()]
    return "/".join((MOUNT_PATH, ".artifacts", *parts))


def _names_workspace(text: str) -> bool:
    return _PLACEHOLDER in text or MOUNT_PATH in text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)
