"""Every system artifact type as output and input."""

from kfp import dsl
from kfp.dsl import HTML, ClassificationMetrics, Dataset, Input, Markdown, Metrics, Model, Output


@dsl.component
def produce(
    anything: Output[dsl.Artifact],
    data: Output[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
    classes: Output[ClassificationMetrics],
    slices: Output[dsl.SlicedClassificationMetrics],
    page: Output[HTML],
    report: Output[Markdown],
):
    print("made")


@dsl.component
def consume(
    anything: Input[dsl.Artifact],
    data: Input[Dataset],
    model: Model,
    metrics: Input[Metrics],
    optional: Input[Dataset] = None,
):
    print(anything.uri)


@dsl.pipeline
def all_artifacts():
    made = produce()
    consume(
        anything=made.outputs["page"],
        data=made.outputs["data"],
        model=made.outputs["model"],
        metrics=made.outputs["metrics"],
    )
    consume(
        anything=made.outputs["classes"],
        data=made.outputs["anything"],
        model=made.outputs["model"],
        metrics=made.outputs["metrics"],
        optional=made.outputs["data"],
    )
