"""One MLflow run for one key, although MLflow has no unique keys.

`runs/create` gives every caller a new run, also the caller whose first answer was lost on the way. So every
run carries its key as a tag and the moment before its creation as another. Whoever creates one looks again
afterwards, and of several all but one are deleted by those who made them (see `_settled`). Steps create first
and look when their pod is starting (almost always there is nothing to find), everything else looks first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
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
    name: str = ""
    start_ms: int = 0

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
            name=info.get("run_name", ""),
            start_ms=int(info.get("start_time") or 0),
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

    def search(self, experiment_id: str | Sequence[str], condition: str) -> list[FoundRun]:
        """All active runs that fulfil `condition` (MLflow's filter syntax), oldest first.

        Args:
            experiment_id: of one experiment, or of several.
        """
        found: list[FoundRun] = []
        query: dict[str, Any] = {
            "experiment_ids": [experiment_id] if isinstance(experiment_id, str) else list(experiment_id),
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
        """All active runs of a key, oldest first: one, except for a moment between two writers."""
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
        if look_first and (found := self._settled(experiment_id, key, "")):
            return found
        body = _new_run(experiment_id, key, name, start_ms, tags)
        return self._claim(body, lost=None)

    def begin(
        self, experiment_id: str, *, key: str, name: str, start_ms: int, tags: Mapping[str, str]
    ) -> FoundRun:
        """Create the run of `key` and look for others of that key later, with `settle`: one call only.

        Raises:
            UnreachableError: as from `claim`.
        """
        body = _new_run(experiment_id, key, name, start_ms, tags)
        try:
            answer = self._rest.post("runs/create", body, again=False)
        except UnreachableError as error:
            return self._claim(body, lost=error)
        return FoundRun.of(answer["run"], new=True)

    def settle(self, begun: FoundRun) -> FoundRun:
        """The run that counts, after `begin` made one: almost always that one.

        Raises:
            UnreachableError: nothing is known about others.
        """
        key, created = begun.tags[KEY_TAG], begun.tags[CREATED_TAG]
        return self._settled(begun.experiment_id, key, created) or begun

    def _claim(self, body: dict[str, Any], lost: UnreachableError | None) -> FoundRun:
        """Create a run and look, again and again; `lost`: it was tried once, and the answer was lost."""
        tags = pairs(body["tags"])
        for attempt in range(_CREATE_TRIES):
            if attempt or lost is None:
                lost = self._create(body)
            found = self._settled(body["experiment_id"], tags[KEY_TAG], tags[CREATED_TAG])
            if found:
                return found
            time.sleep(0.1 * 2**attempt)
        raise lost or UnreachableError(
            f"MLflow at {self._rest.uri} does not find the run that it has just made ({body['run_name']}).",
            remedy="Wait until the database has caught up, and try again.",
        )

    def _create(self, body: dict[str, Any]) -> UnreachableError | None:
        try:
            self._rest.post("runs/create", body, again=False)
        except UnreachableError as error:
            return error
        return None

    def _settled(self, experiment_id: str, key: str, created: str) -> FoundRun | None:
        """The one run of `key` that all writers agree on; None when there is none (any more).

        Whoever looks after creating and sees no other has the run that counts, and goes on at once. So
        whoever sees others must find out whether these were alone when they looked. Of several, all but the
        first give way at once; the first waits. Those that do not go away have not seen it, and it gives way
        to them.

        Args:
            created: creation tag of the caller's own runs (several when an answer was lost), empty for none.
        """
        patience = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = self.of_key(experiment_id, key)
            ours = [run for run in found if run.tags.get(CREATED_TAG) == created]
            if len(found) > 1 and ours:
                impatient = time.monotonic() > patience and len(found) > len(ours)
                keep = 1 if ours[0] is found[0] and not impatient else 0
                for run in ours[keep:]:
                    self.delete(run.run_id)
                    found.remove(run)
            if not found:
                return None
            if len(found) == 1:
                return replace(found[0], new=found[0] in ours)
            if time.monotonic() > patience and not ours:
                # Left by writers that died in between: the last is the one that others may have given way to.
                return found[-1]
            time.sleep(_PAUSE_SECONDS)

    def delete(self, run_id: str) -> None:
        """Delete a run that lost against another of the same key."""
        self._rest.post("runs/delete", {"run_id": run_id})

    def get(self, run_id: str) -> dict[str, Any]:
        """The whole run: info, data, inputs, outputs."""
        run: dict[str, Any] = self._rest.get("runs/get", {"run_id": run_id})["run"]
        return run

    def is_there(self, run_id: str) -> bool:
        """Say whether a run is active, that is, not deleted."""
        return bool(self.get(run_id)["info"]["lifecycle_stage"] == "active")

    def end(self, run_id: str, status: str, end_ms: int | None) -> None:
        """Set the status of a run; RUNNING opens it again and keeps the old end."""
        body: dict[str, Any] = {"run_id": run_id, "status": status}
        if status != "RUNNING":
            body["end_time"] = end_ms or int(time.time() * 1000)
        self._rest.post("runs/update", body)


def _new_run(
    experiment_id: str, key: str, name: str, start_ms: int, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Body of `runs/create`."""
    now = time.time_ns()
    return {
        "experiment_id": experiment_id,
        "run_name": names.cut(name, names.MAX_KEY),
        "start_time": start_ms or now // 1_000_000,
        "tags": items({**tags, KEY_TAG: key, CREATED_TAG: f"{now:020d}"}),
    }


def pairs(listed: Any) -> dict[str, str]:
    """MLflow's list of {key, value} as a dict."""
    return {item["key"]: item.get("value", "") for item in listed or ()}


def items(mapping: Mapping[str, str]) -> list[dict[str, str]]:
    """A dict as MLflow's list of {key, value} for tags: keys made legal, values cut."""
    return [
        {"key": key, "value": names.cut(value, names.MAX_TAG_VALUE)}
        for key, value in names.keyed(mapping).items()
    ]
