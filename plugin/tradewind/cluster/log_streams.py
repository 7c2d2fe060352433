"""Logs of a thousand containers at once: one connection each, all in one event loop.

The same reading as that of `LogFollower`, without its thread. Addresses, certificates and credentials are
those of the client that everything else uses. aiohttp comes with the provider for Kubernetes and is imported
where logs are read, in the triggerer.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from tradewind.cluster.log_lines import LogCursor, LogLine, Splitter
from tradewind.cluster.logs import PAUSE_SECONDS, TAIL_LINES
from tradewind.cluster.pods import CONNECT_SECONDS, Pods
from tradewind.cluster.refusals import DOUBT_SECONDS

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from kubernetes.client import Configuration

__all__ = ["LogSession", "LogStream"]

_log = logging.getLogger(__name__)

SILENCE_SECONDS = 1800.0
"""After which a log is asked for anew, lest the connection be dead. A thousand pods that say nothing cost 33
requests a minute; nothing is lost by a connection that dies sooner, see `LogStream.finish`.
"""

OPENED_EVERY_SECONDS = 0.005
"""Pause between two connections: a triggerer that starts anew opens a thousand. (Not a limit of those that
are being opened: the answer of a silent container's log begins with its first line.)"""


class LogSession:
    """Connections to one cluster, shared by all streams of an event loop. An asynchronous context manager.

    Args:
        pods: of a namespace; says where the API server is and who we are.
    """

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._users = 0
        self._session: ClientSession | None = None
        self._proxy: dict[str, Any] = {}
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._users -= 1
        if self._users == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()

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
    ) -> int:
        """Pass on what one request for a log gives; returns the HTTP status, 200 when the log was whole.

        Raises:
            aiohttp.ClientError, OSError, TimeoutError: as they come; the caller repeats.
        """
        from aiohttp import ClientTimeout

        # In a thread: credentials may come from a file or a program.
        url, headers = await asyncio.to_thread(
            self._pods.log_address, pod, container, follow=follow, since=since
        )
        async with self._opening:
            session = await self._connected()
            await asyncio.sleep(OPENED_EVERY_SECONDS)
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        async with session.get(url, headers=headers, timeout=timeout, **self._proxy) as response:
            if response.status != 200:
                return response.status
            async for chunk in response.content.iter_any():
                await take(chunk)
        return 200

    def renew(self) -> None:
        """Use new credentials from now on: these have expired."""
        self._pods.renew_client()

    async def _connected(self) -> ClientSession:
        if self._session is None:
            from aiohttp import ClientSession, TCPConnector

            configuration = await asyncio.to_thread(self._pods.client_configuration)
            self._proxy = _proxy(configuration)
            self._session = ClientSession(connector=TCPConnector(limit=0, ssl=_tls(configuration)))
        return self._session


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
        self._ended = asyncio.Event()
        self._reading: asyncio.Future[int] | None = None
        self._task = asyncio.create_task(self._run(), name=f"log-{pod}-{container}")

    async def finish(self, seconds: float) -> bool:
        """Say that the container has ended, and wait until its whole log has been passed on.

        Returns:
            False when that took longer than `seconds`; the rest is then given up.
        """
        self._ended.set()
        done, _ = await asyncio.wait({self._task}, timeout=seconds / 2)
        if not done and self._reading is not None:
            self._reading.cancel()  # a connection that died silently: what is missing is read by another one
            done, _ = await asyncio.wait({self._task}, timeout=seconds / 2)
        if done:
            self._task.result()
        return bool(done)

    def abandon(self) -> None:
        """Stop reading, whatever is still to come."""
        self._task.cancel()

    async def _run(self) -> None:
        refused_at = 0.0
        while True:
            self._cursor.restart()
            ended = self._ended.is_set()
            status = await self._read(follow=not ended)
            if status == 200 and (ended or await self._ends_soon()):
                return
            if status == 404:
                return
            if status != 200:
                await self._ends_soon()
                if status == 401:
                    self._session.renew()
                elif status == 403:
                    # Also what a server says that has just been started and knows no Roles yet.
                    refused_at = refused_at or time.monotonic()
                    if time.monotonic() - refused_at > DOUBT_SECONDS:
                        _log.warning("The log of %s cannot be read: HTTP %s", self._pod, status)
                        return
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, *, follow: bool) -> int:
        """Read one stream; 0 when it broke."""
        from aiohttp import ClientError

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
            if self._reading.cancelled():
                return 0
            status = self._reading.result()
        except (ClientError, OSError, TimeoutError) as error:
            _log.debug("The log stream of %s broke: %r", self._pod, error)
            return 0
        finally:
            self._reading.cancel()
        if status == 200:
            self._pass_on(splitter.end())
        return status

    def _pass_on(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            accepted = self._cursor.accept(line)
            if accepted is not None:
                self.tail.append(accepted.text)
                self._sink(accepted)

    async def _ends_soon(self) -> bool:
        """Wait a moment for the container's end."""
        try:
            await asyncio.wait_for(self._ended.wait(), PAUSE_SECONDS)
        except TimeoutError:
            return False
        return True
