"""Logs of a thousand containers at once: one connection each, all in one event loop.

The same reading as that of `LogFollower`, without its thread. Addresses, certificates and credentials are
those of the client that everything else uses. aiohttp comes with the provider for Kubernetes and is imported
where logs are read, in the triggerer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tradewind.cluster.log_lines import LogCursor, LogLine, Splitter
from tradewind.cluster.log_retries import LogRetries
from tradewind.cluster.logs import PAUSE_SECONDS, TAIL_LINES
from tradewind.cluster.pods import CONNECT_SECONDS, Pods
from tradewind.cluster.refusals import RefusedError

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from kubernetes.client import ApiClient, Configuration

__all__ = ["LogSession", "LogStream"]

_log = logging.getLogger(__name__)

SILENCE_SECONDS = 1800.0
"""After which a log is asked for anew, lest the connection be dead. A thousand pods that say nothing cost 33
requests a minute; nothing is lost by a connection that dies sooner, see `LogStream.finish`.
"""

OPENED_EVERY_SECONDS = 0.005
"""Pause between two connections: a triggerer that starts anew opens a thousand. (Not a limit of those that
are being opened: the answer of a silent container's log begins with its first line.)"""


@dataclass
class _Connections:
    """Those with the certificates of one client.

    Attributes:
        client: of `Pods`.
        session: aiohttp's.
        arguments: of each request, beyond address and headers.
        readers: who reads from them now.
    """

    client: ApiClient
    session: ClientSession
    arguments: dict[str, Any]
    readers: int = 0


class LogSession:
    """Connections to one cluster, shared by all streams of an event loop. An asynchronous context manager.

    Args:
        pods: of a namespace; says where the API server is and who we are.
    """

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._users = 0
        self._connections: _Connections | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        if self._users == 0 and self._connections is not None:
            connections, self._connections = self._connections, None
            await connections.session.close()

    @property
    def idle(self) -> bool:
        """Say whether nobody uses it."""
        return self._users == 0

    async def read(
        self,
        pod: str,
        container: str,
        *,
        follow: bool,
        since: str | None,
        take: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Pass on what one request for a log gives, until the server ends it.

        Raises:
            RefusedError, aiohttp.ClientError, OSError, TimeoutError: as they come; the caller repeats.
        """
        from aiohttp import ClientTimeout

        timeout = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        async with (
            self._opened(pod, container, follow=follow, since=since) as (connections, url, headers),
            connections.session.get(
                url, headers=headers, timeout=timeout, **connections.arguments
            ) as response,
        ):
            if response.status == 401:
                await self._pods.threads.run(self._pods.renew_client, connections.client)
            if response.status != 200:
                raise RefusedError(
                    response.status,
                    response.reason or "",
                    await response.read(),
                    response.headers.get("Retry-After"),
                )
            async for chunk in response.content.iter_any():
                await take(chunk)

    @contextlib.asynccontextmanager
    async def _opened(
        self, pod: str, container: str, *, follow: bool, since: str | None
    ) -> AsyncIterator[tuple[_Connections, str, dict[str, str]]]:
        """Give connections, URL and headers for one reader; the connections of a client that was renewed go
        with their last.
        """
        async with self._opening:
            # In a thread: credentials may come from a file or a program.
            url, headers, client = await self._pods.threads.run(
                self._pods.log_address, pod, container, follow=follow, since=since
            )
            connections = self._connections
            if connections is None or connections.client is not client:
                if connections is not None and not connections.readers:
                    await connections.session.close()
                connections = self._connections = _connections(client)
            await asyncio.sleep(OPENED_EVERY_SECONDS)
        connections.readers += 1
        try:
            yield connections, url, headers
        finally:
            connections.readers -= 1
            if connections is not self._connections and not connections.readers:
                await connections.session.close()


def _connections(client: ApiClient) -> _Connections:
    from aiohttp import ClientSession, TCPConnector

    configuration = client.configuration
    session = ClientSession(connector=TCPConnector(limit=0, ssl=_tls(configuration)))
    return _Connections(client, session, _proxy(configuration))


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)  # as urllib3: clusters' own authorities
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if configuration.assert_hostname is False:
        context.check_hostname = False
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(configuration: Configuration) -> dict[str, Any]:
    """Arguments of a request, beyond address and headers."""
    from requests.utils import should_bypass_proxies  # as the client does

    arguments: dict[str, Any] = {}
    if configuration.proxy and not should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        arguments |= {"proxy": configuration.proxy, "proxy_headers": configuration.proxy_headers}
    if configuration.tls_server_name:
        arguments["server_hostname"] = configuration.tls_server_name
    return arguments


class LogStream:
    """Passes one container's log on to a sink, line by line while it runs, complete when it has ended.

    Args:
        session: connections to the cluster.
        pod: its name.
        container: the container's name; it must have started.
        sink: gets each line.
        room: is waited for before more is read.

    Attributes:
        tail: the last lines.
    """

    def __init__(
        self,
        session: LogSession,
        pod: str,
        container: str,
        sink: Callable[[LogLine], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self.container = container
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._session = session
        self._pod = pod
        self._sink = sink
        self._room = room
        self._cursor = LogCursor()
        self._retries = LogRetries(pod)
        self._ended = asyncio.Event()
        self._failed = False
        self._reading: asyncio.Future[None] | None = None
        self._task = asyncio.create_task(self._run(), name=f"log-{pod}-{container}")

    async def finish(self, seconds: float) -> bool:
        """Say that the container has ended, and wait until its whole log has been passed on.

        Returns:
            False when that took longer than `seconds`, and when the sink failed; the rest is then given up.
        """
        self._ended.set()
        done, _ = await asyncio.wait({self._task}, timeout=seconds / 2)
        if not done and self._reading is not None:
            self._reading.cancel()  # a connection that died silently: what is missing is read by another one
            done, _ = await asyncio.wait({self._task}, timeout=seconds / 2)
        return bool(done) and not self._failed

    def abandon(self) -> None:
        """Stop reading, whatever is still to come."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._read_on()
        except Exception:  # noqa: BLE001 - `finish` says so
            self._failed = True
            _log.exception("The log of %s is read no further", self._pod)

    async def _read_on(self) -> None:
        from aiohttp import ClientError

        while True:
            self._cursor.restart()
            ended = self._ended.is_set()
            try:
                await self._read(follow=not ended)
            except (RefusedError, ClientError, OSError, TimeoutError) as error:
                pause = self._retries.pause(error)
                if pause is None:
                    return
                await asyncio.sleep(pause)
            else:
                if ended or await self._ends_soon():
                    return
                self._retries.restore()

    async def _read(self, *, follow: bool) -> None:
        """Read one stream, until the server ends it as it should."""
        splitter = Splitter()

        async def take(chunk: bytes) -> None:
            self._pass_on(splitter.feed(chunk))
            await asyncio.sleep(0)  # a log that floods must not keep the others from theirs
            await self._room()

        self._reading = asyncio.ensure_future(
            self._session.read(
                self._pod,
                self.container,
                follow=follow,
                since=self._cursor.since,
                take=take,
            )
        )
        try:
            await asyncio.wait({self._reading})
        finally:
            self._reading.cancel()
        if self._reading.cancelled():
            raise TimeoutError("the container has ended, and its log has not")
        self._reading.result()
        self._pass_on(splitter.end())

    def _pass_on(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            accepted = self._cursor.accept(line)
            if accepted is not None:
                self._retries.restore()
                self.tail.append(accepted.text)
                self._sink(accepted)

    async def _ends_soon(self) -> bool:
        """Wait a moment for the container's end."""
        try:
            await asyncio.wait_for(self._ended.wait(), PAUSE_SECONDS)
        except TimeoutError:
            return False
        return True
