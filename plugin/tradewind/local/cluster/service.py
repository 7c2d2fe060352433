"""The server process: puts the parts together, says what it is, serves, and goes down in order."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import time
from pathlib import Path

from aiohttp import web

from tradewind.errors import ConfigurationError
from tradewind.local.cluster.api.access import Access
from tradewind.local.cluster.api.audit import Audit
from tradewind.local.cluster.api.podlogs import Logs
from tradewind.local.cluster.api.resources import Resources
from tradewind.local.cluster.api.server import ApiServer
from tradewind.local.cluster.certificate import ensure_certificate, server_context
from tradewind.local.cluster.claims import ClaimKeeper
from tradewind.local.cluster.home import Home, write_private
from tradewind.local.cluster.node.events import Recorder
from tradewind.local.cluster.node.host import compile_packages, prepare_host
from tradewind.local.cluster.node.kubelet import Kubelet
from tradewind.local.cluster.node.machine import Machine
from tradewind.local.cluster.node.manifest import ManifestMaker
from tradewind.local.cluster.options import Options
from tradewind.local.cluster.store import Store

__all__ = ["serve"]

STOP_SECONDS = 5.0
EVENT_SWEEP_SECONDS = 300.0

MOUNTS = "own /tmp, home directory and volumes; the rest is this machine's file system, read-only"
FILES = {
    "mounts": MOUNTS,
    "user-mounts": MOUNTS,
    "paths": "not isolated, no mount namespaces here: volumes are found only by paths that are spelled out "
    "in commands, arguments and variables",
}


def serve(root: Path, ready: int | None, options: Options) -> int:
    """Run the server until it is told to stop; returns the exit code.

    SIGTERM and SIGINT end all pods first; SIGHUP leaves them to the next server.

    Raises:
        ConfigurationError: another server has this directory, or this machine lacks something.
    """
    home = Home(root)
    home.make()
    os.umask(0o077)
    with home.lock.open("ab") as lock:
        _take(lock.fileno(), home)
        os.chdir(root)
        asyncio.run(_serve(home, ready, options))
        home.server_file.unlink(missing_ok=True)
    return 0


def _take(descriptor: int, home: Home) -> None:
    """Hold the lock as long as this process lives. Those who ask whether it is free hold it for a moment,
    too.
    """
    for _ in range(40):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.025)
        else:
            return
    raise ConfigurationError(f"a cluster runs on {home.root} already", remedy="Use it, or stop it first.")


async def _serve(home: Home, ready: int | None, options: Options) -> None:
    store = Store(home.database)
    recorder = Recorder(store)
    machine = Machine(options.resources, options.pod_slots)
    kubelet = Kubelet(store, home, options, recorder, machine)
    claims = ClaimKeeper(store, home)
    resources = Resources(store, kubelet)
    opening = asyncio.create_task(kubelet.supervisors.open(options.isolation))
    host = prepare_host(home)
    ensure_certificate(home)
    isolation = await opening
    for namespace in ("default", "kube-system"):
        resources.ensure_namespace(namespace)
    machine.register(store)
    kubelet.open(ManifestMaker(home, host, isolation))
    claims.open()

    logs = Logs(home, kubelet.current, kubelet.growth, kubelet.forget_growth)
    api = ApiServer(store, resources, logs, Access(home), Audit())
    runner = web.AppRunner(
        api.application(),
        access_log=None,
        shutdown_timeout=0.5,
        keepalive_timeout=3600.0,
        handler_cancellation=True,  # a watch ends when its client leaves, not at the next change
    )
    await runner.setup()
    listener = _listen(options.port or _last_port(home))
    port = listener.getsockname()[1]
    await web.SockSite(runner, listener, ssl_context=server_context(home)).start()
    home.write_kubeconfig(home.kubeconfig, f"https://127.0.0.1:{port}", home.token())
    write_private(home.server_file, json.dumps({"pid": os.getpid(), "port": port}))
    write_private(home.root / "port", str(port))
    _introduce(home, port, isolation, options)
    if ready is not None:
        os.write(ready, b"\n")
        os.close(ready)

    compiling = compile_packages(home)
    sweeper = asyncio.create_task(_sweep(recorder, options.event_seconds))
    keep_pods = await _wait_for_signal()
    sweeper.cancel()
    if compiling is not None and compiling.poll() is None:
        compiling.kill()
    if not keep_pods and kubelet.stop_all():
        deadline = time.monotonic() + STOP_SECONDS
        while not kubelet.is_idle() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    await runner.cleanup()
    await kubelet.supervisors.close()
    store.close()


async def _wait_for_signal() -> bool:
    """Wait for a signal to stop; says whether pods shall go on."""
    received: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def stop(*, keep_pods: bool) -> None:
        if not received.done():
            received.set_result(keep_pods)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stop(keep_pods=False))
    loop.add_signal_handler(signal.SIGHUP, lambda: stop(keep_pods=True))
    return await received


async def _sweep(recorder: Recorder, seconds: float) -> None:
    while True:
        recorder.expire(seconds)
        await asyncio.sleep(min(EVENT_SWEEP_SECONDS, seconds))


def _last_port(home: Home) -> int:
    path = home.root / "port"
    return int(path.read_text()) if path.exists() else 0


def _listen(port: int) -> socket.socket:
    """Listen on loopback; on another port when the wished one is taken."""
    for candidate in dict.fromkeys((port, 0)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError:
            listener.close()
        else:
            listener.listen(512)
            return listener
    raise ConfigurationError("no port on 127.0.0.1 can be listened on")


def _introduce(home: Home, port: int, isolation: str, options: Options) -> None:
    print(
        f"Tradewind's embedded cluster on https://127.0.0.1:{port}\n"
        f"  export KUBECONFIG={home.kubeconfig}\n"
        f"  up to {options.pod_slots} pods at the same time; containers are processes of this user\n"
        f"  files: {FILES[isolation]}\n"
        "  not isolated: network, processes, CPU and memory (limits are not enforced), users, devices\n"
        "  images are not pulled: a container runs this machine's programs and a bare Python\n"
        "  this is no security boundary: run only what you would run yourself",
        flush=True,
    )
