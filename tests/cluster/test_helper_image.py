"""The image of docker/helper: artifacts in S3 of steps whose image has neither Python nor a driver.

`TRADEWIND_TEST_HELPER_IMAGE` names an image that was made by it and that the cluster can pull or has.
"""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

import pytest

from fixtures.real_cluster import RealCluster
from fixtures.s3 import S3Server
from fixtures.steps import StepRun, command_step, deployment
from tradewind.operators.settings import RunSettings
from tradewind.plan.model import ArtifactOutput

IMAGE = os.environ.get("TRADEWIND_TEST_HELPER_IMAGE", "")


@pytest.mark.skipif(not IMAGE, reason="needs an image of docker/helper: set TRADEWIND_TEST_HELPER_IMAGE")
def test_busybox_keeps_a_model_in_s3(
    airflow_home: Any,
    real_cluster: RealCluster,
    real_namespace: str,
    s3_for_pods: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = {"metadata": {"name": "artifact-store"}, "stringData": s3_for_pods.environ}
    real_cluster.core.create_namespaced_secret(real_namespace, secret)
    folder = uuid.uuid4().hex
    store = {
        "conn_type": "tradewind_artifact_store",
        "host": f"{s3_for_pods.uri}/{folder}",
        "login": s3_for_pods.environ["AWS_ACCESS_KEY_ID"],
        "password": s3_for_pods.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"pod_credentials": "artifact-store", "endpoint_url": s3_for_pods.endpoint},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(store))
    path = "{{$.outputs.artifacts['model'].path}}"
    step = command_step(
        *("sh", "-c", '! command -v python3 && printf weights > "$1"', "sh", path),
        output_artifacts={"model": ArtifactOutput("system.Model")},
    )
    options = {"artifact_store_conn_id": "store", "helper_image": IMAGE, "namespace": real_namespace}
    with deployment(real_cluster.airflow(real_namespace), **options):
        result = StepRun(step, settings=RunSettings(pipeline="helped", caching=False)).execute()
    (model,) = result["artifacts"]["model"]
    key = model["uri"].removeprefix("s3://pipelines/")
    kept = s3_for_pods.client().get_object(Bucket="pipelines", Key=key)["Body"].read()
    assert (kept, model["size"]) == (b"weights", 7)
