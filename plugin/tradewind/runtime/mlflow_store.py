"""MLflow's artifact store, spoken to by plain HTTP.

The server proxies artifacts under `/api/2.0/mlflow-artifacts/artifacts/<path>`: the pod needs neither the
`mlflow` package (seconds to import) nor credentials of the bucket behind. Address and credentials come from
the variables that MLflow's own client reads.
"""

from __future__ import annotations

import http.client
import json
import select
from typing import Any, BinaryIO, Callable, Mapping
from urllib.parse import quote, urlencode, urlsplit

from tradewind.runtime.failures import MissingError, RefusedError, UnavailableError
from tradewind.runtime.stores import CHUNK, Children, Store, away

__all__ = ["MlflowStore"]

API = "/api/2.0/mlflow-artifacts/artifacts"
TRANSIENT = (408, 425, 429)


class MlflowStore(Store):
    """`mlflow-artifacts:/<path>` and `mlflow-artifacts://<host>/<path>`.

    Args:
        environ: MLFLOW_TRACKING_URI, and optionally MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and
            MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_INSECURE_TLS, MLFLOW_TRACKING_SERVER_CERT_PATH.
        attempt_seconds: how long the server may stay silent within an attempt.

    Raises:
        RefusedError: there is no usable MLFLOW_TRACKING_URI.
    """

    def __init__(self, environ: Mapping[str, str], attempt_seconds: float) -> None:
        address = environ.get("MLFLOW_TRACKING_URI", "")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RefusedError(
                "mlflow-artifacts: needs MLFLOW_TRACKING_URI with the http(s) address of the server, "
                f"it is {address!r}"
            )
        self._secure = parts.scheme == "https"
        self._host, self._prefix = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._environ = environ
        self._timeout = attempt_seconds
        self._headers = {"User-Agent": "tradewind"}
        authorization = _authorization(environ)
        if authorization:
            self._headers["Authorization"] = authorization
        self._idle: list[tuple[str, Any]] = []

    def read(self, uri: str, sink: Callable[[bytes], object]) -> None:
        self._request("GET", uri, sink=sink)

    def write(self, uri: str, source: BinaryIO, size: int) -> None:
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._request("PUT", uri, body=source, headers=headers)

    def delete(self, uri: str) -> None:
        try:
            self._request("DELETE", uri)
        except MissingError:
            return

    def files(self, uri: str) -> list[str]:
        found: list[str] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            for name, entry in self._list(self.child(uri, folder) if folder else uri):
                path = f"{folder}/{name}" if folder else name
                (folders if entry.get("is_dir") else found).append(path)
        return found

    def children(self, uri: str) -> Children:
        return {
            name: None if entry.get("is_dir") else int(entry.get("file_size") or 0)
            for name, entry in self._list(uri)
        }

    def _list(self, uri: str) -> list[tuple[str, dict[str, Any]]]:
        pieces: list[bytes] = []
        try:
            self._request("GET", uri, sink=pieces.append, listing=True)
        except MissingError:
            return []
        listed = json.loads(b"".join(pieces)).get("files", [])
        # The server answers with names; older ones with paths from the root.
        return [(entry["path"].rstrip("/").rpartition("/")[2], entry) for entry in listed]

    def _request(
        self,
        method: str,
        uri: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        sink: Callable[[bytes], object] | None = None,
        listing: bool = False,
    ) -> None:
        host, path = self._split(uri)
        # The listing's address has no trailing slash: with one it is another route.
        target = self._prefix + API + ("?" + urlencode({"path": path}) if listing else "/" + quote(path))
        connection = self._connection(host)
        try:
            response = _exchange(connection, method, target, body, {**self._headers, **(headers or {})})
            if response.status >= 300:
                raise _error(method, uri, response.status, response.read(2000))
            while True:
                piece = response.read(CHUNK)
                if not piece:
                    break
                if sink is not None:
                    sink(piece)
            # http.client does not complain about a body that ends early when read in pieces.
            if response.length:
                raise UnavailableError(f"{uri} was cut off")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if _is_certificate_error(error):
                raise RefusedError(f"{host}: {error}") from error
            reason = f"{type(error).__name__}: {error}"
            raise away(f"MLflow at {host} does not answer ({reason})", error) from error
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append((host, connection))

    def _split(self, uri: str) -> tuple[str, str]:
        rest = uri.partition(":")[2]
        if rest.startswith("//"):
            host, _, path = rest[2:].partition("/")
            return host or self._host, path.strip("/")
        return self._host, rest.strip("/")

    def _connection(self, host: str) -> Any:
        while self._idle:
            idle_host, connection = self._idle.pop()
            # Something to read on an idle connection is the server's goodbye.
            if idle_host == host and not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()
        if not self._secure:
            return http.client.HTTPConnection(host, timeout=self._timeout, blocksize=CHUNK)
        context = _tls_context(self._environ)
        return http.client.HTTPSConnection(host, timeout=self._timeout, blocksize=CHUNK, context=context)


def _exchange(
    connection: Any, method: str, target: str, body: Any, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    try:
        connection.request(method, target, body=body, headers=headers)
    except (BrokenPipeError, ConnectionResetError):
        # A server that refuses an upload answers before it has read all of it.
        if body is None or connection.sock is None:
            raise
    response: http.client.HTTPResponse = connection.getresponse()
    return response


def _error(method: str, uri: str, status: int, body: bytes) -> Exception:
    says = body.decode("utf-8", "replace").strip()
    try:
        says = json.loads(says)["message"]
    except (ValueError, KeyError, TypeError):
        says = says[:300]
    message = f"MLflow answered {method} {uri} with {status}: {says}"
    if status == 404:
        return MissingError(message)
    if status >= 500 or status in TRANSIENT:
        return UnavailableError(message)
    if status in (401, 403):
        message += (
            " (check MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME, and the server's allowed hosts)"
        )
    return RefusedError(message)


def _authorization(environ: Mapping[str, str]) -> str:
    user = environ.get("MLFLOW_TRACKING_USERNAME")
    password = environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        import base64

        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    return "Bearer " + token if token else ""


def _tls_context(environ: Mapping[str, str]) -> Any:
    import ssl

    context = ssl.create_default_context(cafile=environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None)
    if environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("1", "true"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_certificate_error(error: Exception) -> bool:
    return type(error).__name__ == "SSLCertVerificationError"
