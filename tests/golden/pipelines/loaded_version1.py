"""A component file of KFP's version 1, and a compiled pipeline, as steps of another pipeline."""

import os
import tempfile

from kfp import compiler, components, dsl

convert = components.load_component_from_text("""\
name: Convert Data
inputs:
- {name: Rows, type: Integer, default: '5'}
- {name: Keep it, type: Boolean, optional: true}
- {name: Data 1, type: Dataset}
- {name: label, type: String, optional: true}
outputs:
- {name: Out, type: Model}
- {name: Note, type: String}
implementation:
  container:
    image: alpine:3.20
    command:
    - sh
    - -c
    - 'cp "$1" "$2"; shift 2; echo "$@" > "$0"'
    - {outputPath: Note}
    - {inputPath: Data 1}
    - {outputPath: Out}
    args:
    - {concat: [--rows=, {inputValue: Rows}]}
    - if:
        cond: {isPresent: label}
        then: [--label, {concat: [a, {inputValue: label}, {inputUri: Data 1}]}]
        else: [--no-label]
    - if:
        cond: {isPresent: Keep it}
        then: [--keep]
    env: {MODE: fast}
""")


@dsl.component
def make(text: str, data: dsl.Output[dsl.Dataset]):
    with open(data.path, "w") as file:
        file.write(text)


@dsl.component
def length(model: dsl.Input[dsl.Model]) -> int:
    with open(model.path) as file:
        return len(file.read())


@dsl.pipeline(name="measure")
def measure(model: dsl.Input[dsl.Model], least: int = 1) -> int:
    return length(model=model).output


def loaded(pipeline):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "pipeline.yaml")
        compiler.Compiler().compile(pipeline, path)
        return components.load_component_from_file(path)


measured = loaded(measure)
made = loaded(make)


@dsl.pipeline
def loaded_version1(text: str = "some words") -> int:
    data = made(text=text).set_env_variable("A", "b")
    one = convert(data_1=data.outputs["data"], label="x")
    convert(data_1=data.outputs["data"], rows=7, keep_it=True).set_env_variable("MODE", "slow").after(one)
    return measured(model=one.outputs["out"]).output
