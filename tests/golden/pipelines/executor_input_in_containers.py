"""The whole executor input and the file for all outputs, in a container's command line."""

from kfp import dsl

READ = """
import json, pathlib, sys

given = json.loads(sys.argv[1])
number = pathlib.Path(sys.argv[-1])
number.parent.mkdir(parents=True, exist_ok=True)
number.write_text(str(len(given["inputs"]["parameterValues"])))
"""


@dsl.container_component
def inspect(text: str, count: int, data: dsl.Output[dsl.Dataset], number: dsl.OutputPath(int)):
    return dsl.ContainerSpec(
        image="python:3.12-slim",
        command=["python3", "-c", READ],
        args=[
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
            f"--outputs={dsl.PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER}",
            f"--text={text}",
            "--count",
            count,
            data.path,
            number,
        ],
    )


@dsl.pipeline
def executor_input_in_containers(text: str = 'quotes " and \\ and ☃'):
    inspect(text=text, count=3)
