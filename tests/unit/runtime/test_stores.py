"""Artifact stores: a real MLflow server, directories, web pages."""

from __future__ import annotations

import base64
import http.server
import os
import socket
import socketserver
import threading
import time
import uuid

import pytest

from tradewind.runtime.failures import InputError, MissingError, RefusedError, UnavailableError
from tradewind.runtime.staging import Staging
from tradewind.runtime.stores import Stores, scheme_of

NAMES = ["plain.txt", "with space", "ünï/çode 🐈", "a+b&c=d?e;f", "{{ x }}", "$(x)'\""]


@pytest.fixture(params=["mlflow", "file", "s3"])
def place(request, tmp_path, monkeypatch):
    """Stores and an empty directory's URI in each kind of store that can be written."""
    if request.param == "file":
        return Stores({}, 1), (tmp_path / "a b%20").as_uri()
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        return Stores({}, 1), f"{server.uri}/{uuid.uuid4().hex}"
    server = request.getfixturevalue("mlflow_server")
    return Stores({"MLFLOW_TRACKING_URI": server.uri}, 1), f"mlflow-artifacts:/{uuid.uuid4().hex}"


def test_objects_and_directories(place):
    stores, root = place
    store = stores.store(root)
    for name in NAMES:
        stores.write(store.child(root, name), name.encode())
    assert stores.files(root) == sorted(NAMES)
    assert stores.children(root) == {
        "ünï": None,
        **{name: len(name.encode()) for name in NAMES if "/" not in name},
    }
    assert stores.children(store.child(root, "nothing")) == {}
    assert [stores.read(store.child(root, name)) for name in NAMES] == [name.encode() for name in NAMES]
    stores.write(store.child(root, NAMES[0]), b"again")
    assert stores.read(store.child(root, NAMES[0])) == b"again"
    stores.delete(store.child(root, NAMES[0]))
    with pytest.raises(MissingError):
        stores.read(store.child(root, NAMES[0]))
    stores.delete(root)
    stores.delete(root)
    assert stores.files(root) == []


def test_large_files_keep_their_digest(place, tmp_path):
    stores, root = place
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(os.urandom(5_000_001))
    kept = stores.upload(str(source), f"{root}/x")
    assert kept == stores.download(f"{root}/x", str(target))
    assert kept[1] == 5_000_001
    assert target.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in target.parent.iterdir()) == ["target"]


class Forwarder(socketserver.ThreadingTCPServer):
    """Leads to the MLflow server from a port of its own, where nobody answers until it is started."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Connection, bind_and_activate=False)
        self.target = target
        self.server_bind()

    def start(self) -> None:
        self.server_activate()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.target)) as upstream:
            back = threading.Thread(target=copy, args=(upstream, self.request), daemon=True)
            back.start()
            copy(self.request, upstream)
            back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    while piece := source.recv(65536):
        target.sendall(piece)
    target.shutdown(socket.SHUT_WR)


def test_a_store_that_is_away_for_seconds_is_waited_for(pod, python_task, mlflow_server):
    source = """
        def step(d: Input[Dataset], m: Output[Model]) -> str:
            open(m.path, "w").write(open(d.path).read())
            print("input is here")
            return "x" * 5000
    """
    root = f"mlflow-artifacts:/{uuid.uuid4().hex}"
    forwarder = Forwarder(mlflow_server.port)
    pod.environ["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{forwarder.server_address[1]}"
    stores = Stores({"MLFLOW_TRACKING_URI": mlflow_server.uri}, 5)
    stores.write(f"{root}/d", b"data")
    task = python_task(
        source,
        artifacts={"d": {"uri": f"{root}/d", "format": "file"}},
        outputs={"Output": "STRING"},
        output_artifacts={"m": "system.Model"},
        root=root,
        store_timeout_seconds=60,
    )
    threading.Timer(2, forwarder.start).start()
    ended = pod.run(task)
    forwarder.shutdown()
    forwarder.server_close()
    assert ended.code == 0, ended.log
    assert "trying again" in ended.log
    assert "done after all" in ended.log
    assert stores.read(f"{root}/m") == b"data"
    assert ended.result["ref"]["uri"] == task["result_uri"]


def test_a_store_that_stays_away_is_a_failure_of_its_own_kind(pod, python_task):
    pod.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    task = python_task(
        "def step(m: Output[Model]): open(m.path, 'w').write('x')",
        output_artifacts={"m": "system.Model"},
        root="mlflow-artifacts:/x",
        store_timeout_seconds=1,
    )
    began = time.monotonic()
    ended = pod.run(task)
    assert (ended.code, ended.error["kind"]) == (1, "store")
    assert "127.0.0.1:9" in ended.error["message"]
    assert time.monotonic() - began < 15


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; keeps what it was asked."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Authorization")))
        code, body, promised = self.server.answers.get(self.path, (404, b"", None))
        if isinstance(body, list):
            code, body = body.pop(0) if body else (200, b"late")
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.requests = {}, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def address(web) -> str:
    return f"http://127.0.0.1:{web.server_address[1]}"


def test_http_is_read_only(web):
    stores = Stores({}, 0.5)
    web.answers["/a"] = (200, b"page", None)
    web.answers["/cut"] = (200, b"half", 8)
    assert stores.read(f"{address(web)}/a") == b"page"
    with pytest.raises(MissingError):
        stores.read(f"{address(web)}/none")
    with pytest.raises(UnavailableError):
        stores.read(f"{address(web)}/cut")
    with pytest.raises(RefusedError):
        stores.write(f"{address(web)}/a", b"")


@pytest.mark.parametrize(
    ("environ", "header"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "secret"}, "Bearer secret"),
        (
            {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"},
            "Basic " + base64.b64encode(b"u:p").decode(),
        ),
        ({}, None),
    ],
)
def test_mlflow_credentials_and_prefix(web, environ, header):
    path = "/prefix/api/2.0/mlflow-artifacts/artifacts/1/x%20y"
    web.answers[path] = (200, b"ok", None)
    stores = Stores({"MLFLOW_TRACKING_URI": f"{address(web)}/prefix/", **environ}, 0.5)
    assert stores.read("mlflow-artifacts:/1/x y") == b"ok"
    assert web.requests == [(path, header)]


def test_mlflow_answers_by_their_meaning(web):
    api = "/api/2.0/mlflow-artifacts/artifacts"
    stores = Stores({"MLFLOW_TRACKING_URI": address(web)}, 5)
    web.answers |= {f"{api}/busy": (0, [(503, b""), (429, b"")], None), f"{api}/secret": (403, b"no", None)}
    assert stores.read("mlflow-artifacts:/busy") == b"late"
    with pytest.raises(RefusedError, match="MLFLOW_TRACKING_TOKEN"):
        stores.read("mlflow-artifacts:/secret")
    assert len(web.requests) == 4


@pytest.mark.parametrize(
    ("uri", "environ", "message"),
    [
        ("mlflow-artifacts:/x", {}, "MLFLOW_TRACKING_URI"),
        ("mlflow-artifacts:/x", {"MLFLOW_TRACKING_URI": "sqlite:///x"}, "MLFLOW_TRACKING_URI"),
        ("nosuchscheme://x/y", {}, "nosuchscheme"),
    ],
)
def test_what_no_store_handles_is_refused_at_once(uri, environ, message):
    with pytest.raises(RefusedError, match=message):
        Stores(environ, 60).read(uri)


def test_schemes():
    assert scheme_of("/a/b") == "file"
    assert scheme_of("S3://a") == "s3"
    with pytest.raises(MissingError):
        scheme_of("relative/path")


def test_inputs_of_a_scheme_that_only_the_component_knows(pod, python_task):
    task = python_task(
        "def step(d: Input[Dataset]) -> str: return d.uri",
        artifacts={"d": {"uri": "nosuchscheme://x/y"}},
        outputs={"Output": "STRING"},
    )
    ended = pod.run(task)
    assert ended.parameters == {"Output": "nosuchscheme://x/y"}
    assert "stays at nosuchscheme://x/y" in ended.log


@pytest.mark.parametrize(
    "source",
    ["def step(d: Input[Dataset]): open(d.path)", "def step(d: InputPath('Dataset')): pass"],
    ids=["path", "InputPath"],
)
def test_the_path_of_what_could_not_be_read_says_why(pod, python_task, web, source):
    task = python_task(source, artifacts={"d": {"uri": f"{address(web)}/nothing"}})
    ended = pod.run(task)
    assert ended.error["kind"] == "input"
    assert "'d'" in ended.error["message"]
    assert "404" in ended.error["message"]


@pytest.fixture
def no_such_host(monkeypatch):
    """Nobody knows any host; says how often somebody asked."""
    asked = []

    def unknown(*arguments, **options):
        asked.append(arguments)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    return asked


@pytest.mark.parametrize("uri", ["http://nowhere.invalid/x", "s3://bucket/x"])
def test_an_unknown_host_of_something_from_outside_fails_at_once(no_such_host, tmp_path, monkeypatch, uri):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    given = {"inputs": {"artifacts": {"d": {"artifacts": [{"uri": uri, "customPath": str(tmp_path / "d")}]}}}}
    options = '{"endpoint_url": "http://nowhere.invalid", "skip_instance_cache": true}'
    staging = Staging(Stores({"FSSPEC_S3": options}, 300), str(tmp_path), print)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"'d'.*host is unknown"):
        staging.bring_inputs(given)
    (kept,) = staging.bring_inputs(given, lenient=True).values()
    assert isinstance(kept, InputError)
    assert time.monotonic() - began < 60


def test_an_unknown_host_of_our_own_store_is_waited_for(no_such_host, tmp_path):
    stores = Stores({"MLFLOW_TRACKING_URI": "http://mlflow.nowhere.invalid"}, 0.6)
    artifact = {
        "uri": "mlflow-artifacts:/x",
        "digest": "sha256:0",
        "format": "file",
        "customPath": str(tmp_path / "d"),
    }
    with pytest.raises(UnavailableError, match="host is unknown"):
        Staging(stores, str(tmp_path), print).bring_inputs(
            {"inputs": {"artifacts": {"d": {"artifacts": [artifact]}}}}
        )
    assert len(no_such_host) > 1
