"""Artifacts that are larger than the memory of a step: they flow, nothing holds them."""

from __future__ import annotations

import hashlib
import json
import sys
import uuid

import pytest

from tradewind.runtime.shipping import container_command
from tradewind.runtime.stores import Stores

SIZE = 96 << 20  # enough to be seen: without it, the steps below take a quarter of what they may
SOURCE = """
def step(large: Input[Dataset], same: Output[Dataset]):
    with open(large.path, "rb") as source, open(same.path, "wb") as target:
        while piece := source.read(1 << 20):
            target.write(piece)
"""
IN_A_FOLDER = """
def step(large: Input[Dataset], same: Output[Dataset]):
    import os
    os.makedirs(same.path + "/empty")
    os.rename(large.path, same.path + "/large")
"""
# Tells the most memory that the process, or one that it started, has held at a time.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("kind", "source", "most_mib"),
    [("mlflow", SOURCE, 64), ("file", IN_A_FOLDER, 64), ("s3", SOURCE, 190)],
    ids=["mlflow", "file, as tar", "s3"],
)
def test_an_artifact_larger_than_the_memory(pod, python_task, tmp_path, request, kind, source, most_mib):
    if kind == "file":
        root = (tmp_path / "store").as_uri()
    elif kind == "mlflow":
        server = request.getfixturevalue("mlflow_server")
        pod.environ["MLFLOW_TRACKING_URI"] = server.uri
        root = f"mlflow-artifacts:/{uuid.uuid4().hex}"
    else:
        server = request.getfixturevalue("s3_server")
        pod.environ |= server.environ
        pod.python = sys.executable  # has the driver
        root = f"{server.uri}/{uuid.uuid4().hex}"
    content = tmp_path / "content"
    digest = hashlib.sha256()
    with content.open("wb") as file:
        for number in range(SIZE >> 20):
            piece = number.to_bytes(2, "big") * (1 << 19)
            digest.update(piece)
            file.write(piece)
    arguments = {"key": "x", "secret": "x", "endpoint_url": pod.environ.get("AWS_ENDPOINT_URL")}
    stores = Stores({**pod.environ, "FSSPEC_S3": json.dumps(arguments)}, 60)
    kept = stores.upload(str(content), f"{root}/large")
    content.unlink()
    assert kept == (f"sha256:{digest.hexdigest()}", SIZE)
    large = {"uri": f"{root}/large", "digest": kept[0], "size": kept[1], "format": "file"}
    task = python_task(
        source,
        artifacts={"large": large},
        output_artifacts={"same": "system.Dataset"},
        root=root,
        store_timeout_seconds=60,
    )
    ended = pod.run_command(["python3", "-c", PEAK, *container_command(task)], timeout=280)
    assert ended.code == 0, ended.log
    (same,) = ended.result["artifacts"]["same"]
    if kind == "file":
        assert (same["format"], same["size"] > SIZE) == ("tar", True)
    else:
        assert (same["digest"], same["size"], same["format"]) == (kept[0], SIZE, "file")
    peak = int(ended.log.rpartition("peak ")[2].split()[0]) / 1024
    assert peak < most_mib
    stores.delete(root)
