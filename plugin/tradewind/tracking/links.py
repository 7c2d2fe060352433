"""Where things are: pages of MLflow's UI, URIs of artifacts to come, variables for the pod.

Pure functions. Every link names MLflow's workflow type: without it MLflow 3 may open its pages for language
models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode, urlsplit

from tradewind.tracking.records import TrackedRun
from tradewind.tracking.runs import GROUP_TAG, KIND_TAG

__all__ = [
    "local_run_link",
    "planned_uri",
    "pod_environment",
    "ui_compare_url",
    "ui_experiment_url",
    "ui_run_artifacts_url",
    "ui_run_url",
]

_WORKFLOW = {"workflowType": "machine_learning"}
# MLflow shows a file by its extension.
_EXTENSIONS = {"system.HTML": ".html", "system.Markdown": ".md"}


def ui_run_url(base: str, experiment_id: str, run_id: str) -> str:
    """Page of a run.

    Args:
        base: address of MLflow as the user's browser reaches it, prefix included.
    """
    return _page(base, f"experiments/{quote(experiment_id)}/runs/{quote(run_id)}", {})


def local_run_link(experiment_id: str, run_id: str) -> str:
    """Link to a run from another page of the same MLflow, wherever that is."""
    return f"#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}?{urlencode(_WORKFLOW)}"


def ui_run_artifacts_url(base: str, experiment_id: str, run_id: str) -> str:
    """Page of a run's artifacts."""
    return _page(base, f"experiments/{quote(experiment_id)}/runs/{quote(run_id)}/artifacts", {})


def ui_experiment_url(base: str, experiment_id: str, *, kind: str = "pipeline", charts: bool = False) -> str:
    """List of an experiment's runs.

    Args:
        kind: only runs of this kind (`tradewind.kind`): otherwise steps and trials hide the pipeline runs.
            Empty: all.
        charts: open the charts instead of the table.
    """
    query = {"searchFilter": f"tags.`{KIND_TAG}` = '{kind}'"} if kind else {}
    if charts:
        query["compareRunsMode"] = "CHART"
    return _page(base, f"experiments/{quote(experiment_id)}/runs", query)


def ui_compare_url(base: str, experiment_id: str, run_ids: Iterable[str]) -> str:
    """Page that compares runs of one experiment."""
    query = {"runs": json.dumps(list(run_ids)), "experiments": json.dumps([experiment_id])}
    return _page(base, "compare-runs", query)


def _page(base: str, path: str, query: Mapping[str, str]) -> str:
    parts = urlsplit(base)
    home = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
    return f"{home}/#/{path}?{urlencode({**query, **_WORKFLOW}, quote_via=quote)}"


def planned_uri(run: TrackedRun, output: str, schema_title: str) -> str:
    """Where an output artifact of the step `run` belongs when MLflow keeps the artifacts.

    A model goes below its logged model, so that MLflow's model pages show its files; reports get the file
    extension by which MLflow knows how to show them.
    """
    root = run.models.get(output) or run.artifact_uri
    return f"{root.rstrip('/')}/{quote(output)}{_EXTENSIONS.get(schema_title, '')}"


def pod_environment(uri: str, run: TrackedRun) -> dict[str, str]:
    """Variables that make `import mlflow` in the step's code log into the step's run.

    Credentials are not among them: they reach the pod by reference to a secret.

    Args:
        uri: address of MLflow as the pod reaches it. A user and password in it are left out.
        run: the step's run.
    """
    parts = urlsplit(uri)
    # A second start_run() or autolog fit makes a new run: this hangs it below the step instead of beside it.
    context = {"mlflow.parentRunId": run.run_id, KIND_TAG: "user", GROUP_TAG: run.group}
    return {
        "MLFLOW_TRACKING_URI": parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        "MLFLOW_EXPERIMENT_ID": run.experiment_id,
        "MLFLOW_RUN_ID": run.run_id,
        "MLFLOW_RUN_CONTEXT": json.dumps({key: value for key, value in context.items() if value}),
    }
