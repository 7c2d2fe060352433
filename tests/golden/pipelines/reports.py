"""Metrics of all kinds, pages, and metadata: a training with its report."""

from kfp import dsl


@dsl.component
def train(rows: int, model: dsl.Output[dsl.Model], metrics: dsl.Output[dsl.Metrics]) -> float:
    metrics.log_metric("accuracy", 0.9)
    model.metadata["framework"] = "none"
    return 0.9


@dsl.component
def evaluate(
    model: dsl.Input[dsl.Model],
    curves: dsl.Output[dsl.ClassificationMetrics],
    slices: dsl.Output[dsl.SlicedClassificationMetrics],
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
):
    curves.log_roc_curve([0.0, 0.5, 1.0], [0.0, 0.8, 1.0], [1.0, 0.5, 0.0])
    curves.log_confusion_matrix(["no", "yes"], [[8, 2], [1, 9]])
    for path, text in ((page.path, "<b>good</b>"), (summary.path, "# good")):
        with open(path, "w") as file:
            file.write(text)


@dsl.component
def compare(
    metrics: dsl.Input[dsl.Metrics], other: dsl.Input[dsl.Metrics], best: dsl.Output[dsl.Metrics]
) -> bool:
    best.metadata.update(metrics.metadata)
    return metrics.metadata["accuracy"] >= other.metadata["accuracy"]


@dsl.pipeline
def reports(rows: int = 100):
    first, second = train(rows=rows), train(rows=2)
    evaluate(model=first.outputs["model"])
    compare(metrics=first.outputs["metrics"], other=second.outputs["metrics"])
