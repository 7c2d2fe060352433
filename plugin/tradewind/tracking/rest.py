"""MLflow's REST API over `http.client`, with a budget of its own.

MLflow's client costs a task process four seconds of import, retries POSTs until two runs exist where one was
meant, and takes minutes to notice that the server is away. Here a call says itself whether it may be sent
twice, all calls of one operation share one deadline, and an answer becomes one of three things: data, an
error that another try may cure (`UnreachableError`), or one that it cannot (`RejectedError`,
`ConfigurationError`).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import select
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from tradewind.errors import ConfigurationError, FatalError, UnreachableError

__all__ = ["MlflowRest", "RejectedError"]

# uvicorn closes idle connections after 5 s; a request sent into a closing connection is lost without a trace.
_IDLE_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_OVERLOADED = frozenset({408, 429, 502, 503, 504})
# A 500 is a locked database as often as a bug of the server: worth a few more tries, not the whole budget.
_TRIES_ON_500 = 3


class RejectedError(FatalError):
    """MLflow understood the request and refused it.

    Args:
        message: MLflow's own words and the call.
        status: HTTP status.
        code: MLflow's `error_code`, such as `RESOURCE_DOES_NOT_EXIST`; empty when it gave none.
        remedy: see `TradewindError`.
    """

    def __init__(self, message: str, *, status: int, code: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.code = code


class MlflowRest:
    """A connection to one MLflow server, for one thread.

    Args:
        uri: `http(s)://host[:port][/prefix]`. A user and password in it are used and never shown.
        token: sent as `Authorization: Bearer`; wins over user and password.
        username, password: sent as `Authorization: Basic`.
        timeout_seconds: the longest wait for a connection or the next bytes of an answer.
        budget_seconds: the longest that one operation may take, all tries and pauses included.
        ca_file: certificates to trust instead of the system's, PEM.

    Raises:
        ConfigurationError: the URI is not one of an MLflow server.
    """

    def __init__(
        self,
        uri: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout_seconds: float = 5.0,
        budget_seconds: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                f"MLflow's tracking URI is not http(s)://host[:port]: {_without_credentials(uri)!r}.",
                remedy="Start `mlflow server` and give its address; databases and folders are not supported.",
            )
        self.uri = _without_credentials(uri).rstrip("/")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._ca_file = ca_file
        self._timeout_seconds = timeout_seconds
        self._budget_seconds = budget_seconds
        self._headers = {"User-Agent": "tradewind", "Accept": "application/json"}
        username = username if username is not None else unquote(parts.username or "")
        password = password if password is not None else unquote(parts.password or "")
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif username:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._connection: http.client.HTTPConnection | None = None
        self._last_used = 0.0
        self._deadline: float | None = None
        self.calls = 0

    def __repr__(self) -> str:
        return f"MlflowRest({self.uri!r})"

    @contextlib.contextmanager
    def operation(self) -> Iterator[None]:
        """Let all calls inside share one budget. The outermost operation sets the deadline."""
        if self._deadline is not None:
            yield
            return
        self._deadline = time.monotonic() + self._budget_seconds
        try:
            yield
        finally:
            self._deadline = None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET `/api/2.0/mlflow/<path>`. Raises like `send`."""
        return self._call("GET", path + ("?" + urlencode(query) if query else ""), None, again=True)

    def post(self, path: str, body: Mapping[str, Any], *, again: bool = True) -> dict[str, Any]:
        """POST JSON to `/api/2.0/mlflow/<path>`.

        Args:
            again: whether the call may be repeated when its fate is unknown: True only where twice is as
                good as once.

        Raises:
            UnreachableError, RejectedError, ConfigurationError: as `send` says.
        """
        return self._call("POST", path, body, again=again)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH JSON to `/api/2.0/mlflow/<path>`. Raises like `send`."""
        return self._call("PATCH", path, body, again=True)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None, *, again: bool) -> dict[str, Any]:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        payload = self.send(method, f"/api/2.0/mlflow/{path}", data, "application/json", again=again)
        try:
            answer = json.loads(payload or b"{}")
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ConfigurationError(
                f"{self.uri} does not answer like an MLflow server ({method} {path}).",
                remedy="Check the tracking URI: a login page or another service may stand there.",
            )
        return answer

    def put_artifact(self, path: str, data: bytes, content_type: str) -> None:
        """Write one file through the server's artifact proxy.

        Args:
            path: below the server's artifact root, as in `mlflow-artifacts:/<path>`.

        Raises:
            UnreachableError, RejectedError, ConfigurationError: as `send` says.
        """
        self.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}", data, content_type)

    def upload_artifact(self, run_id: str, path: str, data: bytes) -> None:
        """Write one file of at most 10 MB to a run whose artifact root the proxy does not serve.

        MLflow's own pages do it the same way. Raises like `send`.
        """
        query = urlencode({"run_uuid": run_id, "path": path})
        self.send("POST", f"/ajax-api/2.0/mlflow/upload-artifact?{query}", data, "application/octet-stream")

    def send(
        self, method: str, target: str, data: bytes | None, content_type: str, *, again: bool = True
    ) -> bytes:
        """Send one request, repeat it while that is allowed and the budget lasts.

        Raises:
            UnreachableError: no answer, or only "come back later", within the budget.
            ConfigurationError: credentials, permissions, certificate or address are wrong.
            RejectedError: any other refusal.
        """
        started = time.monotonic()
        deadline = self._deadline or started + self._budget_seconds
        pause = _FIRST_PAUSE_SECONDS
        tries = 0
        while True:
            tries += 1
            trouble = self._try(method, target, data, content_type, deadline - time.monotonic())
            if isinstance(trouble, bytes):
                return trouble
            spent = "answered 500" in trouble and tries >= _TRIES_ON_500
            if not again or spent or time.monotonic() + pause >= deadline:
                seconds = time.monotonic() - started
                raise UnreachableError(
                    f"MLflow at {self.uri} {trouble} ({method} {target.partition('?')[0]}; "
                    f"{tries} {'try' if tries == 1 else 'tries'} in {seconds:.1f} s).",
                    remedy="Check that the server runs and can be reached from here.",
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _try(
        self, method: str, target: str, data: bytes | None, content_type: str, left: float
    ) -> bytes | str:
        """The body of a good answer, or what went wrong, in words, when another try may help."""
        self.calls += 1
        headers = self._headers if data is None else {**self._headers, "Content-Type": content_type}
        try:
            connection = self._connected(max(0.05, min(self._timeout_seconds, left)))
            connection.request(method, self._prefix + target, data, headers)
            answer = connection.getresponse()
            payload = answer.read()
            if answer.will_close:
                self.close()
            self._last_used = time.monotonic()
        except TimeoutError:
            self.close()
            return "did not answer in time"
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ConfigurationError(
                    f"The certificate of {self.uri} is not trusted: {error}.",
                    remedy="Give the CA's certificate, in SSL_CERT_FILE or MLFLOW_TRACKING_SERVER_CERT_PATH.",
                ) from error
            return f"cannot be reached: {error or type(error).__name__}"
        if answer.status < 300:
            return payload
        if answer.status in _OVERLOADED or answer.status == 500:
            return f"answered {answer.status}{_words(payload)}"
        raise self._refusal(method, target, answer, payload)

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        connection = self._connection
        if connection is not None and connection.sock is not None:
            # Readable without a request under way: the server has hung up.
            stale = time.monotonic() - self._last_used > _IDLE_SECONDS
            if not stale and not select.select([connection.sock], [], [], 0)[0]:
                connection.sock.settimeout(timeout)
                return connection
        self.close()
        if self._tls:
            import ssl

            context = ssl.create_default_context(cafile=self._ca_file)
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        self._connection = connection
        return connection

    def close(self) -> None:
        """Hang up. The next call connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _refusal(
        self, method: str, target: str, answer: http.client.HTTPResponse, payload: bytes
    ) -> FatalError:
        call = f"{method} {target.partition('?')[0]}"
        text = payload.decode("utf-8", "replace")
        if 300 <= answer.status < 400:
            where = _without_credentials(answer.getheader("Location") or "another address")
            return ConfigurationError(
                f"MLflow at {self.uri} redirects to {where} ({call}).",
                remedy="Give that address as the tracking URI, or a token when it is a login page.",
            )
        if answer.status == 403 and "Invalid Host header" in text:
            return ConfigurationError(
                f"MLflow at {self.uri} refuses the host name {self._host!r}.",
                remedy=f"Start it with `mlflow server --allowed-hosts {self._host}`.",
            )
        if answer.status in (401, 403):
            return ConfigurationError(
                f"MLflow at {self.uri} answered {answer.status} to {call}{_words(payload)}.",
                remedy="Give a token, or a user and password, that may write to this experiment.",
            )
        code = ""
        with contextlib.suppress(ValueError, AttributeError):
            code = str(json.loads(text).get("error_code", ""))
        return RejectedError(
            f"MLflow refused {call} with {answer.status}{_words(payload)}.", status=answer.status, code=code
        )


def _words(payload: bytes) -> str:
    """What the server said, short, after a colon; empty when it said nothing."""
    text = payload.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("message", text))
    text = " ".join(text.split())
    return f": {text[:600].rstrip('.')}" if text else ""


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
