"""What a run was made from and what it made: datasets and models, in MLflow's own words.

An artifact of type `system.Dataset` becomes a dataset input of the step and of the pipeline run (MLflow knows
datasets as inputs only; the tag `mlflow.data.context` says which they were). An artifact of type
`system.Model` that lies in MLflow's store is a *logged model*: announced before the pod starts, so that its
files go straight to where MLflow expects them, and declared ready or failed afterwards.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tradewind.errors import UnreachableError
from tradewind.tracking import names
from tradewind.tracking.records import Reference
from tradewind.tracking.rest import MlflowRest, RejectedError
from tradewind.tracking.runs import FoundRun, Runs, items

__all__ = ["Lineage", "model_id_in", "model_ids", "references"]

_MODEL_IN_URI = re.compile(r"/models/(m-[0-9a-f]{32})/artifacts(?:/|$)")
_READY, _UPLOAD_FAILED = "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"
_MAX_DIGEST, _MAX_NAME, _MAX_SOURCE, _MAX_PROFILE = 36, 500, 65535, 1_000_000
# Long enough to tell datasets of an experiment apart, short enough to be read in a column.
_DIGEST_LENGTH = 12


def references(
    artifacts: Mapping[str, Sequence[Reference]], schema_title: str
) -> Iterator[tuple[str, Reference]]:
    """Name and reference of all artifacts of a type; members of a list are numbered."""
    for name, listed in artifacts.items():
        for index, reference in enumerate(listed):
            if (reference.get("type") or {}).get("schemaTitle") == schema_title:
                yield (name if len(listed) == 1 else f"{name}/{index}"), reference


def model_id_in(uri: str) -> str:
    """The logged model that an artifact URI lies in; empty for any other URI."""
    match = _MODEL_IN_URI.search(uri)
    return match[1] if match else ""


def model_ids(artifacts: Mapping[str, Sequence[Reference]]) -> dict[str, Reference]:
    """The logged models among the artifacts, by MLflow's id."""
    found: dict[str, Reference] = {}
    for _, reference in references(artifacts, "system.Model"):
        model_id = model_id_in(str(reference.get("uri", "")))
        if model_id:
            found[model_id] = reference
    return found


class Lineage:
    """Writes datasets and models."""

    def __init__(self, rest: MlflowRest, runs: Runs) -> None:
        self._rest = rest
        self._runs = runs

    # --- inputs ---------------------------------------------------------------------------------------

    def log_inputs(
        self,
        run_id: str,
        inputs: Mapping[str, Sequence[Reference]],
        outputs: Mapping[str, Sequence[Reference]],
        *,
        models: bool,
    ) -> None:
        """Log datasets, and with `models` the logged models that the run read. Twice is as good as once."""
        datasets = [
            *(_dataset(name, reference, "input") for name, reference in references(inputs, "system.Dataset")),
            *(
                _dataset(name, reference, "output")
                for name, reference in references(outputs, "system.Dataset")
            ),
        ]
        read = [{"model_id": model_id} for model_id in model_ids(inputs)] if models else []
        if datasets or read:
            self._rest.post("runs/log-inputs", {"run_id": run_id, "datasets": datasets, "models": read})

    # --- models ---------------------------------------------------------------------------------------

    def announce(
        self, run: FoundRun, step: str, outputs: Iterable[str], params: Mapping[str, Any]
    ) -> dict[str, str]:
        """Make a logged model, still pending, for each output; its artifact root by the output's name."""
        outputs = list(outputs)
        there = {} if run.new or not outputs else self._of_run(run.experiment_id, run.run_id)
        roots = {}
        for output in outputs:
            model = there.get(self._model_name(step, output)) or self._create(run, step, output, params)
            roots[output] = model["root"]
        return roots

    def _model_name(self, step: str, output: str) -> str:
        return names.model_name(f"{step}-{output}")

    def _create(self, run: FoundRun, step: str, output: str, params: Mapping[str, Any]) -> dict[str, str]:
        name = self._model_name(step, output)
        body = {
            "experiment_id": run.experiment_id,
            "name": name,
            "source_run_id": run.run_id,
            "params": [
                {"key": key, "value": names.cut(names.text(value), names.MAX_PARAM_VALUE)}
                for key, value in names.keyed(params).items()
            ],
            "tags": items({"tradewind.step": step, "tradewind.output": output}),
        }
        try:
            return _model(self._rest.post("logged-models", body, again=False)["model"])
        except UnreachableError:
            there = self._of_run(run.experiment_id, run.run_id).get(name)
            return there or _model(self._rest.post("logged-models", body, again=False)["model"])

    def _of_run(self, experiment_id: str, run_id: str) -> dict[str, dict[str, str]]:
        query = {"experiment_ids": [experiment_id], "filter": f"source_run_id = '{run_id}'"}
        models = [_model(model) for model in self._rest.post("logged-models/search", query).get("models", [])]
        return {model["name"]: model for model in reversed(models)}

    def log_outputs(self, run_id: str, models: Iterable[str]) -> None:
        """Link models as made by the run.

        MLflow answers a link that is there already with a database error, so a failure is followed by a look.
        """
        missing = list(models)
        if not missing:
            return
        try:
            self._link(run_id, missing)
        except (RejectedError, UnreachableError):
            linked = self._runs.get(run_id).get("outputs", {}).get("model_outputs", [])
            missing = [model for model in missing if model not in {item["model_id"] for item in linked}]
            if missing:
                self._link(run_id, missing)

    def _link(self, run_id: str, models: Iterable[str]) -> None:
        body = {"run_id": run_id, "models": [{"model_id": model, "step": 0} for model in models]}
        self._rest.post("runs/outputs", body, again=False)

    def finalize(self, models: Mapping[str, Reference]) -> None:
        """Declare models ready and give them the artifact's metadata as tags."""
        for model_id, reference in models.items():
            metadata = reference.get("metadata") or {}
            tags = {name: names.text(value) for name, value in metadata.items()}
            tags |= {
                f"tradewind.{name}": str(reference[name]) for name in ("uri", "digest") if reference.get(name)
            }
            self._rest.patch(f"logged-models/{model_id}/tags", {"model_id": model_id, "tags": items(tags)})
            self._rest.patch(f"logged-models/{model_id}", {"model_id": model_id, "status": _READY})

    def fail(self, experiment_id: str, run_id: str) -> None:
        """Declare failed what the run announced and did not deliver."""
        for model in self._of_run(experiment_id, run_id).values():
            if model["status"] == "LOGGED_MODEL_PENDING":
                body = {"model_id": model["id"], "status": _UPLOAD_FAILED}
                # Deleted by hand in the meantime: as good as failed.
                with contextlib.suppress(RejectedError):
                    self._rest.patch(f"logged-models/{model['id']}", body)


def _model(model: Mapping[str, Any]) -> dict[str, str]:
    info = model["info"]
    return {
        "id": info["model_id"],
        "name": info["name"],
        "root": info["artifact_uri"],
        "status": info.get("status", ""),
    }


def _dataset(name: str, reference: Reference, context: str) -> dict[str, Any]:
    uri = str(reference.get("uri", ""))
    digest = str(reference.get("digest") or "").rpartition(":")[2] or names.digest(uri)
    scheme = urlsplit(uri).scheme or "local"
    is_http = scheme in ("http", "https")
    dataset = {
        "name": names.cut(str(reference.get("name") or name), _MAX_NAME),
        "digest": digest[: min(_DIGEST_LENGTH, _MAX_DIGEST)],
        "source_type": "http" if is_http else scheme,
        "source": json.dumps({"url" if is_http else "uri": uri[: _MAX_SOURCE // 2]}),
    }
    profile = dict(reference.get("metadata") or {})
    if reference.get("size") is not None:
        profile["size_bytes"] = reference["size"]
    text = json.dumps(profile, ensure_ascii=False, default=str)
    if profile and len(text) < _MAX_PROFILE:
        dataset["profile"] = text
    return {"tags": [{"key": "mlflow.data.context", "value": context}], "dataset": dataset}
