"""Airflow's REST API, as far as the command needs it: find a DAG, trigger it, follow its run, read logs."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tradewind.cli.exits import UsageError
from tradewind.errors import FatalError, UnreachableError

__all__ = ["AirflowApi", "AirflowRefusalError"]

_TRIES = 5
_PAUSE_SECONDS = 0.5


class AirflowRefusalError(FatalError):
    """Airflow answered with an error.

    Attributes:
        status: of the HTTP answer.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class AirflowApi:
    """A connection to one Airflow, for one thread.

    Args:
        base: its address.
        username, password: for a token, fetched at the first call and again when it runs out.
        timeout_seconds: for each answer.
    """

    def __init__(self, base: str, username: str, password: str, *, timeout_seconds: float = 20.0) -> None:
        self.base = base.rstrip("/")
        self._credentials = {"username": username, "password": password}
        self._timeout = timeout_seconds
        self._token = ""
        self._connection: http.client.HTTPConnection | None = None

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """What Airflow knows of a DAG, or None."""
        try:
            return self._get(f"/api/v2/dags/{quote(dag_id, safe='')}")
        except AirflowRefusalError as error:
            if error.status == 404:
                return None
            raise

    def health(self) -> dict[str, Any]:
        """State of each of Airflow's parts."""
        return self._get("/api/v2/monitor/health")

    def import_errors(self) -> list[dict[str, Any]]:
        """DAG files that Airflow could not load, with `filename`, `bundle_name` and `stack_trace`."""
        errors: list[dict[str, Any]] = self._get("/api/v2/importErrors", {"limit": "1000"})["import_errors"]
        return errors

    def trigger(self, dag_id: str, values: Mapping[str, Any]) -> str:
        """Start a run with these parameters; returns its id.

        Raises:
            UsageError: Airflow does not take the parameters.
        """
        # An id of our own: when an answer is lost, the next try meets this run and makes no second one.
        run_id = f"run_{datetime.now(UTC):%Y%m%dT%H%M%S}_{secrets.token_hex(2)}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(values)}
        try:
            self._call("POST", f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", body)
        except AirflowRefusalError as error:
            if error.status in (400, 422):
                raise UsageError(f"Airflow refuses the run of {dag_id!r}: {error.message}") from error
            if error.status != 409:
                raise
        return run_id

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self._get(_run_path(dag_id, run_id))

    def active_run(self, dag_id: str) -> str | None:
        """Id of a run that goes on or is about to; None when there is none."""
        query = [("state", "running"), ("state", "queued"), ("limit", "1")]
        found = self._get(f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", query)["dag_runs"]
        return str(found[0]["dag_run_id"]) if found else None

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"limit": "500", "offset": str(len(found))}
            answer = self._get(f"{_run_path(dag_id, run_id)}/taskInstances", query)
            found += answer["task_instances"]
            if not answer["task_instances"] or len(found) >= answer["total_entries"]:
                return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> Any:
        """What a task returned; None when it returned nothing."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}/xcomEntries/return_value"
        try:
            value = self._get(path, {"map_index": str(map_index)})["value"]
        except AirflowRefusalError as error:
            if error.status == 404:
                return None
            raise
        return json.loads(value) if isinstance(value, str) else value

    def log(self, dag_id: str, run_id: str, instance: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The log of a task instance's last try: entries with `event`, `level`, `logger` and more."""
        task, number = quote(instance["task_id"], safe=""), max(1, instance["try_number"])
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{task}/logs/{number}"
        answer = self._get(path, {"map_index": str(instance["map_index"]), "full_content": "true"})
        content = answer["content"]
        lines = content.splitlines() if isinstance(content, str) else content
        return [entry if isinstance(entry, dict) else {"event": str(entry)} for entry in lines]

    def fail(self, dag_id: str, run_id: str) -> None:
        """Mark a run failed: Airflow ends its tasks, and they their pods."""
        self._call("PATCH", _run_path(dag_id, run_id), {"state": "failed"})

    def delete(self, dag_id: str, run_id: str) -> None:
        """Remove a run with all that Airflow knows of it."""
        self._call("DELETE", _run_path(dag_id, run_id))

    def unpause(self, dag_id: str) -> None:
        self._call("PATCH", f"/api/v2/dags/{quote(dag_id, safe='')}", {"is_paused": False})

    def set_connection(self, connection_id: str, kind: str, extra: Mapping[str, Any]) -> None:
        """Make a connection, or replace the one of this id."""
        body = {"connection_id": connection_id, "conn_type": kind, "extra": json.dumps(dict(extra))}
        try:
            self._call("POST", "/api/v2/connections", body)
        except AirflowRefusalError as error:
            if error.status != 409:
                raise
            self._call("PATCH", f"/api/v2/connections/{quote(connection_id, safe='')}", body)

    # --- HTTP -------------------------------------------------------------------------------------------

    def _get(
        self, path: str, query: Mapping[str, str] | Sequence[tuple[str, str]] | None = None
    ) -> dict[str, Any]:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def _call(self, method: str, path: str, body: Any = None, *, tries: int = _TRIES) -> dict[str, Any]:
        if not self._token:
            self._log_in()
        status, answer = self._send(method, path, body, tries=tries)
        if status == 401:  # the token has run out
            self._log_in()
            status, answer = self._send(method, path, body, tries=tries)
        if status >= 400:
            raise AirflowRefusalError(_detail(answer), status=status)
        return answer if isinstance(answer, dict) else {}

    def _log_in(self) -> None:
        self._token = ""
        status, answer = self._send("POST", "/auth/token", self._credentials, tries=_TRIES)
        if status not in (200, 201):
            raise AirflowRefusalError(
                f"Airflow at {self.base} refuses the login: {_detail(answer)}", status=status
            )
        self._token = answer["access_token"]

    def _send(self, method: str, path: str, body: Any, *, tries: int) -> tuple[int, Any]:
        """One request and its answer; where nothing answers, again after a pause."""
        reason = ""
        for number in range(tries):
            time.sleep(_PAUSE_SECONDS * number)
            try:
                status, payload = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                self._connection = None
                continue
            if status in (502, 503, 504) and number + 1 < tries:
                reason = f"HTTP {status}"
                continue
            return status, _parsed(payload)
        remedy = "See whether `tradewind up` still runs, and its logs."
        raise UnreachableError(f"Airflow at {self.base} does not answer: {reason}", remedy=remedy)

    def _exchange(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        address = urlsplit(self.base)
        if self._connection is None:
            kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(address.hostname or "", address.port, timeout=self._timeout)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        payload = None if body is None else json.dumps(body)
        self._connection.request(method, address.path + path, payload, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return {"detail": payload.decode(errors="replace")[:500]}


def _detail(answer: Any) -> str:
    detail = answer.get("detail", answer) if isinstance(answer, dict) else answer
    return detail if isinstance(detail, str) else json.dumps(detail)
