"""Params, metrics and tags in as few requests as MLflow's limits allow.

A batch is refused as a whole, and a param can never be given another value. So params travel apart from the
rest, and when one of them was given another value before (a retry with other parameters), the first value
stays, as MLflow wants it, and the tag `tradewind.changed_params` tells the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tradewind.tracking import names
from tradewind.tracking.rest import MlflowRest, RejectedError
from tradewind.tracking.runs import Runs, items, pairs

__all__ = ["CHANGED_PARAMS_TAG", "Batches"]

CHANGED_PARAMS_TAG = "tradewind.changed_params"

_MAX_PARAMS_OR_TAGS = 100
_MAX_METRICS = 1000
# The limit is 1 MB for the whole request, as it stands on the wire.
_MAX_BYTES = 800_000


class Batches:
    """Writes to `runs/log-batch`."""

    def __init__(self, rest: MlflowRest, runs: Runs) -> None:
        self._rest = rest
        self._runs = runs

    def params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log params. Values that are not strings are written as JSON."""
        values = {
            key: names.cut(names.text(value), names.MAX_PARAM_VALUE)
            for key, value in names.keyed(params).items()
        }
        try:
            self._send_params(run_id, values)
        except RejectedError as error:
            if "Changing param values" not in error.message:
                raise
            there = pairs(self._runs.get(run_id)["data"].get("params"))
            self._send_params(run_id, {key: value for key, value in values.items() if key not in there})
            changed = {key: value for key, value in values.items() if there.get(key, value) != value}
            self.tags(run_id, {CHANGED_PARAMS_TAG: json.dumps(changed, ensure_ascii=False)})

    def _send_params(self, run_id: str, values: Mapping[str, str]) -> None:
        entries = [{"key": key, "value": value} for key, value in values.items()]
        for part in _parts(entries, _MAX_PARAMS_OR_TAGS):
            body = {"run_id": run_id, "params": part}
            try:
                self._rest.post("runs/log-batch", body)
            except RejectedError as error:
                # Another writer's insert came between MLflow's look and its own; now it sees that row.
                if "IntegrityError" not in error.message:
                    raise
                self._rest.post("runs/log-batch", body)

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self.metrics(run_id, {}, timestamp_ms=0, tags=tags)

    def metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        *,
        timestamp_ms: int,
        tags: Mapping[str, str] | None = None,
        model_id: str = "",
    ) -> None:
        """Log metrics and set tags, in one request when they fit.

        Args:
            timestamp_ms: of the metrics. Writing the same again changes nothing, an older one never
                replaces a newer.
            model_id: the logged model that the metrics are about, if any.
        """
        about = {"model_id": model_id} if model_id else {}
        entries = [
            {"key": key, "value": _wire(value), "timestamp": timestamp_ms, "step": 0, **about}
            for key, value in names.keyed(metrics).items()
        ]
        # 100 fewer, so that the first part of the tags still fits: 1000 entries a request altogether.
        metric_parts = list(_parts(entries, _MAX_METRICS - _MAX_PARAMS_OR_TAGS))
        tag_parts = list(_parts(items(tags or {}), _MAX_PARAMS_OR_TAGS))
        if len(metric_parts) == len(tag_parts) == 1 and _size(metric_parts[0], tag_parts[0]) <= _MAX_BYTES:
            bodies: list[dict[str, Any]] = [{"metrics": metric_parts[0], "tags": tag_parts[0]}]
        else:
            bodies = [{"tags": part} for part in tag_parts] + [{"metrics": part} for part in metric_parts]
        for body in bodies:
            self._rest.post("runs/log-batch", {"run_id": run_id, **body})


def _wire(value: float) -> float | str:
    """JSON has no NaN; protobuf's JSON writes it as a string."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _size(*lists: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(json.dumps(entry)) + 1 for entries in lists for entry in entries)


def _parts(entries: Iterable[dict[str, Any]], count: int) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        length = _size([entry])
        if part and (len(part) == count or size + length > _MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(entry)
        size += length
    if part:
        yield part
