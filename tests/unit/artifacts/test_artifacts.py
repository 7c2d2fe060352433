"""The operator's side of the artifact store, and the index of the step cache."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest

from tradewind.artifacts import ArtifactStore, CacheIndex
from tradewind.errors import ConfigurationError, FatalError, UnreachableError


@pytest.fixture(params=["mlflow", "file", "s3"])
def place(request, tmp_path):
    """Environment and root URI of a store."""
    if request.param == "file":
        return {}, tmp_path.as_uri()
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        arguments = {"key": "tester", "secret": "very-secret", "endpoint_url": server.endpoint}
        return {"FSSPEC_S3": json.dumps(arguments)}, f"{server.uri}/{uuid.uuid4().hex}"
    server = request.getfixturevalue("mlflow_server")
    return {"MLFLOW_TRACKING_URI": server.uri}, f"mlflow-artifacts:/{uuid.uuid4().hex}"


def test_objects(place):
    environ, root = place
    store = ArtifactStore(environ)
    uri = store.child(root, "a/b c.json")
    store.write(uri, b"1")
    assert store.read(uri) == b"1"
    assert store.list(root) == ["a/b c.json"]
    store.delete(uri)
    with pytest.raises(FileNotFoundError):
        store.read(uri)


def test_the_cache_remembers_lists_and_forgets(place):
    environ, root = place
    index = CacheIndex(root, environ)
    assert index.lookup("aa11") is None
    assert list(index.entries()) == []
    index.store("aa11", {"parameters": {"x": "🐈"}})
    index.store("bb22", {"step": "b"})
    index.store("bb22", {"step": "again"})
    index.remember_image("python:3.11", "sha256:1")
    found = index.lookup("aa11")
    assert found is not None
    assert found.value == {"parameters": {"x": "🐈"}}
    assert [(entry.key, entry.value.get("step")) for entry in index.entries()] == [
        ("aa11", None),
        ("bb22", "again"),
    ]
    index.remove(["bb22", "cc33"])
    assert [entry.key for entry in index.entries()] == ["aa11"]
    assert (index.image("python:3.11"), index.image("python:3.12")) == ("sha256:1", None)


def test_an_entry_is_whole_while_its_artifacts_are_there(place):
    environ, root = place
    store, index = ArtifactStore(environ), CacheIndex(root, environ)
    for path, content in {"try/data": b"12345", "try/model/a.txt": b"1", "elsewhere/x.tar": b"tar"}.items():
        store.write(store.child(root, path), content)

    def reference(path, form="file", size=5):
        uri = store.child(root, path)
        return {"uri": uri, "digest": "sha256:1", "size": size, "format": form}

    def whole(*references):
        index.store("aa11", {"parameters": {}, "artifacts": {"out": list(references)}})
        return index.is_whole(index.lookup("aa11"))

    metrics = {"uri": store.child(root, "try/metrics"), "digest": None, "size": 0, "format": None}
    everywhere = {"uri": "nosuchscheme://x/y", "digest": "sha256:1", "size": 3, "format": "file"}
    good = [reference("try/data"), reference("try/model", "tree", 1), reference("elsewhere/x.tar", "tar", 3)]
    assert whole(*good, metrics, everywhere)
    assert not whole(reference("try/data", size=6))
    assert not whole(*good, reference("try/gone"))
    assert not whole(reference("nowhere/data"))
    store.delete(store.child(root, "elsewhere"))
    assert not whole(*good)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"version": 99, "key": "aa11"}', b'{"version": 1, "key": "x"}']
)
def test_a_damaged_entry_is_no_entry(tmp_path, content):
    index = CacheIndex(tmp_path.as_uri())
    index.store("aa11", {})
    (path,) = tmp_path.rglob("aa11.json")
    path.write_bytes(content)
    assert index.lookup("aa11") is None
    index.store("aa11", {"new": 1})
    assert index.lookup("aa11").value == {"new": 1}


@pytest.mark.parametrize("key", ["", "../../etc", "a/b", "ü1"])
def test_keys_that_are_no_keys(tmp_path, key):
    with pytest.raises(FatalError, match="cache key"):
        CacheIndex(tmp_path.as_uri()).store(key, {})


def test_errors_say_whether_to_try_again():
    away = ArtifactStore({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, timeout_seconds=0.2)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        away.read("mlflow-artifacts:/x")
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_URI"):
        ArtifactStore({}).write("mlflow-artifacts:/x", b"")


def test_any_filesystem_of_fsspec(tmp_path):
    pytest.importorskip("fsspec")
    store = ArtifactStore({})
    root = f"memory://{uuid.uuid4().hex}"
    store.write(f"{root}/a/b", b"1")
    assert store.list(root) == ["a/b"]
    assert store.read(f"{root}/a/b") == b"1"
    store.delete(root)
    assert store.list(root) == []
    with pytest.raises(FileNotFoundError):
        store.read(f"{root}/a/b")


def test_a_lookup_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from tradewind.artifacts import CacheIndex; CacheIndex(sys.argv[1]).lookup('aa11'); "
        "print([m for m in ('kubernetes', 'mlflow', 'airflow', 'requests', 'fsspec') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path.as_uri()], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
