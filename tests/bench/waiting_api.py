"""`python -m bench.waiting_api PODS PADDING`: an API server with pods that run until they are told to end.

As much of the Kubernetes API as triggers use: get, list by pages, watch, log. `PADDING` bytes of arguments
are in each pod. Prints its address. `/end?first=..&count=..` ends pods, `/stats` counts requests and says
when each pod ended (`time.monotonic()`, the same clock for all processes of a machine).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from aiohttp import web

NAMESPACE = "default"
STAMP = "2026-01-01T00:00:0{}.000000000Z"


class Server:
    def __init__(self, count: int, padding: int) -> None:
        self.version = 1000
        self.requests: Counter[str] = Counter()
        self.ended: dict[str, float] = {}
        self.ends: dict[str, asyncio.Event] = {}
        self.watches: list[asyncio.Queue[bytes]] = []
        self.pods = {name: self.pod(name, padding) for name in (f"pod-{number}" for number in range(count))}
        self.ends = {name: asyncio.Event() for name in self.pods}

    def pod(self, name: str, padding: int) -> dict[str, Any]:
        self.version += 1
        started = {"running": {"startedAt": STAMP.format(0)}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-{name}",
                "resourceVersion": str(self.version),
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"tradewind.dev/run": "r", "tradewind.dev/step": name, "tradewind.dev/try": "1"},
            },
            "spec": {
                "nodeName": "node",
                "containers": [{"name": "base", "image": "busybox", "args": ["x" * padding]}],
            },
            "status": {
                "phase": "Running",
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [
                    {
                        "name": "base",
                        "state": started,
                        "ready": True,
                        "restartCount": 0,
                        "image": "busybox",
                        "imageID": "",
                    }
                ],
            },
        }

    def end(self, name: str) -> None:
        self.version += 1
        pod = self.pods[name]
        pod["metadata"]["resourceVersion"] = str(self.version)
        pod["status"]["phase"] = "Succeeded"
        pod["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0, "message": ""}}
        line = json.dumps({"type": "MODIFIED", "object": pod}).encode() + b"\n"
        self.ended[name] = time.monotonic()
        self.ends[name].set()
        for queue in self.watches:
            queue.put_nowait(line)

    # --- requests -------------------------------------------------------------------------------------------

    async def get(self, request: web.Request) -> web.Response:
        self.requests["get"] += 1
        return web.json_response(self.pods[request.match_info["name"]])

    async def list_or_watch(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self.watch(request)
        self.requests["list"] += 1
        first, size = int(request.query.get("continue", 0)), int(request.query.get("limit", 10**6))
        items = list(self.pods.values())[first : first + size]
        metadata = {"resourceVersion": str(self.version)}
        if first + size < len(self.pods):
            metadata["continue"] = str(first + size)
        return web.json_response({"kind": "PodList", "metadata": metadata, "items": items})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        self.requests["watch"] += 1
        response = web.StreamResponse()
        await response.prepare(request)
        field = request.query.get("fieldSelector", "")
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.watches.append(queue)
        try:
            async with asyncio.timeout(float(request.query.get("timeoutSeconds", 300))):
                while True:
                    line = await queue.get()
                    if not field or f'"name": "{field.partition("=")[2]}"'.encode() in line:
                        await response.write(line)
        except TimeoutError:
            pass
        finally:
            self.watches.remove(queue)
        return response

    async def log(self, request: web.Request) -> web.StreamResponse:
        self.requests["log"] += 1
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(f"{STAMP.format(1)} begun\n".encode())
        if request.query.get("follow") == "true":
            await self.ends[request.match_info["name"]].wait()
        await response.write(f"{STAMP.format(2)} done\n".encode())
        return response

    async def finish(self, request: web.Request) -> web.Response:
        first, count = int(request.query["first"]), int(request.query["count"])
        for name in list(self.pods)[first : first + count]:
            self.end(name)
        return web.json_response({})

    async def stats(self, request: web.Request) -> web.Response:
        return web.json_response({"requests": self.requests, "ended": self.ended})


async def serve(count: int, padding: int) -> None:
    server = Server(count, padding)
    application = web.Application()
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    application.router.add_get(pods, server.list_or_watch)
    application.router.add_get(f"{pods}/{{name}}", server.get)
    application.router.add_get(f"{pods}/{{name}}/log", server.log)
    application.router.add_get("/end", server.finish)
    application.router.add_get("/stats", server.stats)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
