"""One MLflow run for one key, although MLflow has no unique keys.

`runs/create` gives every caller a new run, also the caller whose first answer was lost on the way. So every
run carries its key as a tag and the moment before its creation as another. Whoever creates one looks again
afterwards: everybody sees the runs of the key in the same order, the first is *the* run, and the others are
deleted by those who made them. Steps create first and look afterwards (almost always there is nothing to
find), everything else looks first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import ConfigurationError, UnreachableError
from tradewind.tracking import names
from tradewind.tracking.rest import MlflowRest, RejectedError

__all__ = ["CREATED_TAG", "GROUP_TAG", "KEY_TAG", "KIND_TAG", "FoundRun", "Runs"]

KEY_TAG = "tradewind.key"
GROUP_TAG = "tradewind.run"
KIND_TAG = "tradewind.kind"
CREATED_TAG = "tradewind.created"

_CREATE_TRIES = 3
_PAGE = 500


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run as MLflow has it."""

    experiment_id: str
    run_id: str
    artifact_uri: str
    status: str
    tags: Mapping[str, str]
    new: bool = False

    @classmethod
    def of(cls, run: Mapping[str, Any], *, new: bool = False) -> FoundRun:
        """From a `Run` of the REST API."""
        info = run["info"]
        return cls(
            experiment_id=info["experiment_id"],
            run_id=info["run_id"],
            artifact_uri=info.get("artifact_uri", ""),
            status=info.get("status", "RUNNING"),
            tags=pairs(run.get("data", {}).get("tags")),
            new=new,
        )


class Runs:
    """Finds, creates and ends runs."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest
        self._experiments: dict[str, str] = {}

    def experiment(self, name: str) -> str:
        """Id of the experiment, made when there is none.

        Raises:
            ConfigurationError: an experiment of that name was deleted, and still holds the name.
        """
        if name not in self._experiments:
            self._experiments[name] = self._find_experiment(name) or self._create_experiment(name)
        return self._experiments[name]

    def _find_experiment(self, name: str) -> str | None:
        try:
            found = self._rest.get("experiments/get-by-name", {"experiment_name": name})["experiment"]
        except RejectedError as error:
            if error.code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        number = str(found["experiment_id"])
        if found.get("lifecycle_stage") == "deleted":
            raise ConfigurationError(
                f"The MLflow experiment {name!r} was deleted, and its name is still taken.",
                remedy=f"`mlflow experiments restore --experiment-id {number}`, or use another experiment.",
            )
        return number

    def _create_experiment(self, name: str) -> str:
        # Without the kind, MLflow 3 asks every visitor what sort of experiment this is.
        tags = [{"key": "mlflow.experimentKind", "value": "custom_model_development"}]
        try:
            answer = self._rest.post("experiments/create", {"name": name, "tags": tags}, again=False)
            return str(answer["experiment_id"])
        except (RejectedError, UnreachableError):
            # Another writer was faster, or the answer was lost: then it is there now.
            found = self._find_experiment(name)
            if found is None:
                raise
            return found

    def search(self, experiment_id: str, condition: str) -> list[FoundRun]:
        """All active runs that fulfil `condition` (MLflow's filter syntax), oldest first."""
        found: list[FoundRun] = []
        query: dict[str, Any] = {
            "experiment_ids": [experiment_id],
            "filter": condition,
            "max_results": _PAGE,
            "run_view_type": "ACTIVE_ONLY",
        }
        while True:
            answer = self._rest.post("runs/search", query)
            found.extend(FoundRun.of(run) for run in answer.get("runs", []))
            token = answer.get("next_page_token")
            if not token:
                break
            query["page_token"] = token
        return sorted(found, key=lambda run: (run.tags.get(CREATED_TAG, ""), run.run_id))

    def of_key(self, experiment_id: str, key: str) -> list[FoundRun]:
        """All active runs of a key; the first is the one that counts."""
        return self.search(experiment_id, f"tags.`{KEY_TAG}` = '{key}'")

    def claim(
        self,
        experiment_id: str,
        *,
        key: str,
        name: str,
        start_ms: int,
        tags: Mapping[str, str],
        look_first: bool,
    ) -> FoundRun:
        """The run of `key`, created when there is none.

        Args:
            key: a hash from `names.digest`; becomes the tag `tradewind.key`.
            look_first: False where the run is hardly ever there already: one call less.

        Raises:
            UnreachableError: nothing is known about the run; the next attempt will find it if it was made.
        """
        if look_first and (found := self.of_key(experiment_id, key)):
            return found[0]
        created = f"{time.time_ns():020d}"
        all_tags = {**tags, KEY_TAG: key, CREATED_TAG: created}
        body = {
            "experiment_id": experiment_id,
            "run_name": names.cut(name, names.MAX_KEY),
            "start_time": start_ms or int(time.time() * 1000),
            "tags": items(all_tags),
        }
        for attempt in range(_CREATE_TRIES):
            lost: UnreachableError | None = None
            mine: FoundRun | None = None
            try:
                mine = FoundRun.of(self._rest.post("runs/create", body, again=False)["run"], new=True)
            except UnreachableError as error:
                lost = error
            found = self.of_key(experiment_id, key)
            if found:
                return self._settle(found, mine, created)
            if mine is not None:
                return mine
            time.sleep(0.1 * 2**attempt)
        assert lost is not None
        raise lost

    def _settle(self, found: list[FoundRun], mine: FoundRun | None, created: str) -> FoundRun:
        winner = found[0]
        for run in found[1:]:
            # Also those whose answer was lost: the time of creation says that they are ours.
            if run.tags.get(CREATED_TAG) == created:
                self.delete(run.run_id)
        if mine is not None and winner.run_id == mine.run_id:
            return mine
        return winner

    def delete(self, run_id: str) -> None:
        """Delete a run that lost against another of the same key."""
        self._rest.post("runs/delete", {"run_id": run_id})

    def get(self, run_id: str) -> dict[str, Any]:
        """The whole run: info, data, inputs, outputs."""
        run: dict[str, Any] = self._rest.get("runs/get", {"run_id": run_id})["run"]
        return run

    def end(self, run_id: str, status: str, end_ms: int | None) -> None:
        """Set the status of a run; RUNNING opens it again and keeps the old end."""
        body: dict[str, Any] = {"run_id": run_id, "status": status}
        if status != "RUNNING":
            body["end_time"] = end_ms or int(time.time() * 1000)
        self._rest.post("runs/update", body)


def pairs(listed: Any) -> dict[str, str]:
    """MLflow's list of {key, value} as a dict."""
    return {item["key"]: item.get("value", "") for item in listed or ()}


def items(mapping: Mapping[str, str]) -> list[dict[str, str]]:
    """A dict as MLflow's list of {key, value} for tags: keys made legal, values cut."""
    return [
        {"key": key, "value": names.cut(value, names.MAX_TAG_VALUE)}
        for key, value in names.keyed(mapping).items()
    ]
