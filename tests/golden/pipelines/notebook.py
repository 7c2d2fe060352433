"""A notebook that is run with parameters and writes an output."""

import os

from kfp import dsl


@dsl.notebook_component(notebook_path=os.path.join(os.path.dirname(__file__), "_training.ipynb"))
def train(rows: int, words: dict, report: dsl.Output[dsl.Markdown]) -> str:
    dsl.run_notebook(rows=rows, words=words, place=report.path)
    with open(report.path) as file:
        return file.read()


@dsl.component
def show(text: str):
    print(text)


@dsl.pipeline
def notebook(rows: int = 2):
    show(text=train(rows=rows, words={"of": "rows"}).outputs["Output"])
