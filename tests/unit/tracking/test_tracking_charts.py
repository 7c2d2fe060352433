"""Pictures of classification metrics are well-formed, whatever the numbers and names."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from tradewind.tracking.charts import chart_files


def matrix(categories: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    """As `ClassificationMetrics.log_confusion_matrix` leaves it."""
    return {
        "annotationSpecs": [{"displayName": category} for category in categories],
        "rows": [{"row": row} for row in rows],
    }


def reading(fpr: float, tpr: float, threshold: float) -> dict[str, float]:
    """As `ClassificationMetrics.log_roc_data_point` leaves it."""
    return {"confidenceThreshold": threshold, "recall": tpr, "falsePositiveRate": fpr}


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}text")]


def test_confusion_matrix_as_data_and_picture() -> None:
    files = chart_files({"confusionMatrix": matrix(["good", "<bad> & 'ugly'"], [[50, 3], [5, 80]])})
    assert set(files) == {"confusion_matrix.json", "confusion_matrix.svg"}
    data = json.loads(files["confusion_matrix.json"])
    assert data["categories"] == ["good", "<bad> & 'ugly'"]
    assert data["matrix"] == [[50, 3], [5, 80]]
    shown = texts(files["confusion_matrix.svg"])
    assert {"50", "3", "5", "80", "94%", "<bad> & 'ugly'"} <= set(shown)


def test_roc_curve_as_data_and_picture() -> None:
    # scikit-learn's first threshold is infinite, and the order is the user's.
    readings = [reading(1, 1, 0.0), reading(0, 0, float("inf")), reading(0.5, 1, 0.3)]
    files = chart_files({"confidenceMetrics": readings})
    data = json.loads(files["roc_curve.json"])
    assert data["auc"] == 0.75
    assert [point["threshold"] for point in data["points"]] == [None, 0.3, 0.0]
    assert "ROC curve, area 0.7500" in texts(files["roc_curve.svg"])


def test_slices_have_a_folder_each() -> None:
    part = {"confusionMatrix": matrix(["a", "b"], [[1, 0], [0, 1]])}
    slices = [{"slice": name, "sliceClassificationMetrics": part} for name in ("de/at", "de at")]
    files = chart_files({"evaluationSlices": slices})
    assert {path.split("/")[0] for path in files} == {"0-de_at", "1-de at"}
    assert len(files) == 4


@pytest.mark.parametrize("count", [1, 10, 40, 200])
def test_any_number_of_categories(count: int) -> None:
    rows = [[float("nan") if i == j else 0.5 for j in range(count)] for i in range(count)]
    files = chart_files({"confusionMatrix": matrix([f"c{i}\x00\x1b" for i in range(count)], rows)})
    assert len(json.loads(files["confusion_matrix.json"])["matrix"]) == count
    assert ("confusion_matrix.svg" in files) == (count <= 60)
    if count <= 60:
        texts(files["confusion_matrix.svg"])


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"confusionMatrix": None, "confidenceMetrics": "no"},
        {"confusionMatrix": matrix(["a"], [[1, 2]])},
        {"confusionMatrix": {"rows": [3]}, "confidenceMetrics": [1, {"recall": "x"}]},
        {"evaluationSlices": [None, {"slice": "x"}]},
    ],
)
def test_what_has_not_the_right_shape_has_no_picture(metadata: dict[str, Any]) -> None:
    assert chart_files(metadata) == {}
