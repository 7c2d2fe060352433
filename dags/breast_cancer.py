"""Three models for one question, the best of them registered: `tradewind run dags/breast_cancer.py`

Is a tumour malignant? The data (569 patients, 30 measurements of cell nuclei) ships with scikit-learn.
Each candidate is a sub-pipeline that trains a model and evaluates it; the three run side by side. The
best one becomes a version of the registered model `breast-cancer` in MLflow, and gets the alias
`champion`.
"""

from functools import partial
from typing import Any, NamedTuple

from tradewind import dsl
from tradewind.airflow import pipeline_dag

# The same requirements everywhere: the pods share one environment.
component = partial(
    dsl.component,
    base_image="python:3.11-slim",
    packages_to_install=["scikit-learn>=1.5", "pandas>=2.2", "matplotlib>=3.9", "mlflow-skinny>=3.4"],
)


@component
def load_and_split(
    test_fraction: float, seed: int, train_data: dsl.Output[dsl.Dataset], test_data: dsl.Output[dsl.Dataset]
) -> None:
    """Write the patients to train with and those to test with, as CSV."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    patients = load_breast_cancer(as_frame=True).frame
    parts = train_test_split(
        patients, test_size=test_fraction, random_state=seed, stratify=patients["target"]
    )
    for part, data in zip(parts, (train_data, test_data), strict=True):
        part.to_csv(data.path, index=False)
        data.metadata["rows"] = len(part)
        data.metadata["benign"] = int(part["target"].sum())


@component
def train(
    algorithm: str, settings: dict, seed: int, data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]
) -> None:
    """Fit one of scikit-learn's classifiers."""
    import joblib
    import pandas as pd
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils import all_estimators

    patients = pd.read_csv(data.path)
    classifier = dict(all_estimators("classifier"))[algorithm]
    fitted = make_pipeline(StandardScaler(), classifier(random_state=seed, **settings))
    fitted.fit(patients.drop(columns="target"), patients["target"])
    joblib.dump(fitted, model.path)
    model.metadata["algorithm"] = algorithm


@component
def evaluate(
    data: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    quality: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.Markdown],
    plots: dsl.Output[dsl.Artifact],
) -> float:
    """Measure a model on patients that it has not seen; returns F1."""
    from pathlib import Path

    import joblib
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.metrics import RocCurveDisplay, accuracy_score, confusion_matrix, f1_score, roc_curve

    patients = pd.read_csv(data.path)
    truth, measurements = patients["target"], patients.drop(columns="target")
    fitted = joblib.load(model.path)
    answers, scores = fitted.predict(measurements), fitted.predict_proba(measurements)[:, 1]

    accuracy, f1 = accuracy_score(truth, answers), f1_score(truth, answers)
    metrics.log_metric("accuracy", accuracy)
    metrics.log_metric("f1", f1)

    quality.log_confusion_matrix(["malignant", "benign"], confusion_matrix(truth, answers).tolist())
    false_positives, true_positives, thresholds = roc_curve(truth, scores)
    # The curve begins at an infinite threshold, which JSON cannot hold.
    thresholds[0] = 1.0
    quality.log_roc_curve(false_positives.tolist(), true_positives.tolist(), thresholds.tolist())

    wrong = int((answers != truth).sum())
    Path(report.path).write_text(
        f"# {model.metadata['algorithm']}\n\n"
        f"{wrong} of {len(truth)} patients are classified wrongly.\n\n"
        f"| accuracy | F1 |\n|---|---|\n| {accuracy:.4f} | {f1:.4f} |\n"
    )

    figure = Figure(figsize=(5, 5), layout="constrained")
    RocCurveDisplay.from_predictions(truth, scores, ax=figure.subplots(), name=model.metadata["algorithm"])
    Path(plots.path).mkdir()
    figure.savefig(Path(plots.path) / "roc.png")
    return f1


@component
def choose_best(
    linear_f1: float,
    forest_f1: float,
    boosting_f1: float,
    linear: dsl.Input[dsl.Model],
    forest: dsl.Input[dsl.Model],
    boosting: dsl.Input[dsl.Model],
    best: dsl.Output[dsl.Model],
) -> float:
    """Hand on the model with the highest F1."""
    import shutil

    f1, model = max(
        [(linear_f1, linear), (forest_f1, forest), (boosting_f1, boosting)],
        key=lambda candidate: candidate[0],
    )
    shutil.copy(model.path, best.path)
    best.metadata["algorithm"] = model.metadata["algorithm"]
    best.metadata["f1"] = f1
    print(f"The best is {model.metadata['algorithm']} with an F1 of {f1:.4f}")
    return f1


@component
def register(model: dsl.Input[dsl.Model], name: str, alias: str) -> int:
    """Make the model a new version of a registered one; returns the version."""
    import joblib
    import mlflow

    # The pod's environment names the MLflow server and this step's run: the model is logged there.
    logged = mlflow.sklearn.log_model(
        joblib.load(model.path),
        name="model",
        registered_model_name=name,
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    version = int(logged.registered_model_version)
    client = mlflow.MlflowClient()
    client.set_model_version_tag(name, str(version), "algorithm", model.metadata["algorithm"])
    client.set_registered_model_alias(name, alias, str(version))
    return version


class Candidate(NamedTuple):
    model: dsl.Model
    f1: float


def candidate(name: str, algorithm: str, **settings: Any) -> Any:
    """A sub-pipeline that trains one model and evaluates it."""

    @dsl.pipeline(name=name, description=f"{algorithm} with {settings}")
    def train_and_evaluate(
        train_data: dsl.Input[dsl.Dataset], test_data: dsl.Input[dsl.Dataset], seed: int
    ) -> Candidate:
        trained = train(algorithm=algorithm, settings=settings, seed=seed, data=train_data)
        measured = evaluate(data=test_data, model=trained.outputs["model"])
        return Candidate(model=trained.outputs["model"], f1=measured.outputs["Output"])

    return train_and_evaluate


linear = candidate("linear", "LogisticRegression", C=0.5)
forest = candidate("forest", "RandomForestClassifier", n_estimators=200, max_depth=6)
boosting = candidate("boosting", "GradientBoostingClassifier", n_estimators=150, learning_rate=0.1)


@dsl.pipeline(name="breast-cancer", display_name="Breast cancer")
def breast_cancer(test_fraction: float = 0.25, seed: int = 7, registered_name: str = "breast-cancer") -> int:
    """Trains three models on the breast cancer data, compares them, and registers the best.

    Args:
        test_fraction: Part of the patients that is kept for the evaluation.
        seed: Of the split and of the models; the same seed gives the same models.
        registered_name: Name of the model in MLflow's registry.
    """
    split = load_and_split(test_fraction=test_fraction, seed=seed)
    data = {"train_data": split.outputs["train_data"], "test_data": split.outputs["test_data"], "seed": seed}
    candidates = {"linear": linear(**data), "forest": forest(**data), "boosting": boosting(**data)}
    best = choose_best(
        **{name: task.outputs["model"] for name, task in candidates.items()},
        **{f"{name}_f1": task.outputs["f1"] for name, task in candidates.items()},
    )
    registered = register(model=best.outputs["best"], name=registered_name, alias="champion")
    registered.set_caching_options(False)  # every run gives a version of its own
    return registered.output


dag = pipeline_dag(breast_cancer, experiment="breast-cancer")
