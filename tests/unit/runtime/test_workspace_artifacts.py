"""Artifacts whose content lies in the run's workspace: read there, passed on as such, never brought again."""

from __future__ import annotations


def test_content_in_the_workspace_is_read_in_place_and_passed_on(pod, python_task, tmp_path):
    there = tmp_path / "workspace" / "data"
    there.parent.mkdir()
    there.write_text("rows")
    source = """
    class Outputs(NamedTuple):
        same: Dataset
        text: str
    def step(data: Input[Dataset], other: Output[Dataset]) -> Outputs:
        other.metadata.update(data.metadata)
        with open(other.path, "w") as file:
            file.write("new")
        return Outputs(data, open(data.path).read() + data.path)
    """
    titles = {"same": "system.Dataset", "other": "system.Dataset"}
    task = python_task(
        source,
        artifacts={"data": {"name": "data", "uri": "gs://bucket/data", "metadata": {"_kfp_workspace": True}}},
        outputs={"text": "STRING"},
        output_artifacts=titles,
    )
    (reference,) = task["executor_input"]["inputs"]["artifacts"]["data"]["artifacts"]
    reference["customPath"] = str(there)
    ended = pod.run(task)
    assert ended.parameters == {"text": f"rows{there}"}
    (same,), (other,) = ended.result["artifacts"]["same"], ended.result["artifacts"]["other"]
    assert (same["uri"], same["customPath"]) == ("gs://bucket/data", str(there))
    assert same["metadata"] == {"_kfp_workspace": True}
    assert other["metadata"] == {}
    assert "customPath" not in other


def test_content_that_is_gone_from_the_workspace_is_an_error(pod, python_task):
    task = python_task(
        "def step(data: Input[Dataset]): pass",
        artifacts={"data": {"name": "data", "uri": "gs://b/data", "metadata": {"_kfp_workspace": True}}},
    )
    error = pod.run(task).error
    assert error["kind"] == "input"
    assert "there is nothing at" in error["message"]
    assert "in the workspace" in error["message"]
