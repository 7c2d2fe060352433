"""Parameter values and artifact classes, without a pod."""

from __future__ import annotations

import math

import pytest

from tradewind.runtime.annotations import (
    EmbeddedInput,
    Input,
    InputPath,
    Output,
    OutputPath,
    Slot,
    read_annotation,
)
from tradewind.runtime.artifacts import (
    Artifact,
    ClassificationMetrics,
    Dataset,
    Model,
    SlicedClassificationMetrics,
    get_uri,
)
from tradewind.runtime.values import conform, json_ready, parse_text, revive


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NUMBER_INTEGER", True, 1),
        ("NUMBER_INTEGER", 5.0, 5),
        ("NUMBER_DOUBLE", 5, 5.0),
        ("NUMBER_DOUBLE", -math.inf, "-Infinity"),
        ("NUMBER_DOUBLE", 2**70, float(2**70)),
        ("NUMBER_INTEGER", -(2**63), -(2**63)),
        ("LIST", ({1: "a"}, [0.5]), [{"1": "a"}, [0.5]]),
        ("", {"any": None}, {"any": None}),
    ],
)
def test_values_conform(kind, value, expected):
    found = conform(kind, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("NUMBER_INTEGER", 5.5),
        ("NUMBER_DOUBLE", "5"),
        ("BOOLEAN", 1),
        ("STRING", 1),
        ("LIST", {}),
        ("STRUCT", []),
    ],
)
def test_values_of_another_type_are_refused(kind, value):
    with pytest.raises(ValueError, match=kind):
        conform(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("LIST", [1, [math.nan]], r"nan at \[1\]\[0\]"),
        ("STRUCT", {"loss": -math.inf}, r"-inf at \['loss'\]"),
        ("STRING", "a\0b", "NUL"),
        ("STRUCT", {"a": {"b\0": 1}}, "NUL"),
        ("STRING", "\udcff", "surrogate"),
        ("LIST", ["\ud800"], r"at \[0\] is not valid Unicode"),
        ("NUMBER_INTEGER", 2**63, "64 bits"),
        ("LIST", [2**70], r"at \[0\] needs more than 64 bits"),
        ("NUMBER_DOUBLE", 10**400, "too large"),
    ],
)
def test_what_would_not_arrive_unchanged_is_refused(kind, value, said):
    with pytest.raises(ValueError, match=said):
        conform(kind, value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("STRING", "\0"), ("LIST", "[NaN]"), ("LIST", "[1e999]"), ("NUMBER_INTEGER", str(2**64))],
)
def test_nor_would_it_from_a_file(kind, text):
    with pytest.raises(ValueError):
        parse_text(kind, text)


def test_numbers_in_metadata_may_be_infinite():
    assert json_ready({"thresholds": [math.inf, 0.5]}) == {"thresholds": ["Infinity", 0.5]}


def test_numpy_counts_as_numbers():
    numpy = pytest.importorskip("numpy")
    assert json_ready({"a": numpy.float32(0.5), "b": numpy.arange(3)}) == {"a": 0.5, "b": [0, 1, 2]}


def test_infinity_goes_and_comes_back():
    assert revive(float, parse_text("NUMBER_DOUBLE", "inf")) == math.inf
    assert revive(str, "Infinity") == "Infinity"
    assert revive(list[float], ["-Infinity", 0.5]) == [-math.inf, 0.5]
    assert revive(dict[str, list[float]], {"a": ["Infinity"]}) == {"a": [math.inf]}
    assert revive(list, ["Infinity"]) == revive(list[str], ["Infinity"]) == ["Infinity"]


@pytest.mark.parametrize(
    ("annotation", "slot"),
    [
        (int, Slot("parameter", int)),
        (dict[str, int] | None, Slot("parameter", dict, optional=True)),
        (Input[Dataset], Slot("input", Dataset)),
        (Input[list[Model]] | None, Slot("input", Model, is_list=True, optional=True)),
        (Output[Model], Slot("output", Model)),
        (Model, Slot("input", Model)),
        (list[Model], Slot("input", Model, is_list=True)),
        (EmbeddedInput[Dataset], Slot("embedded", Dataset)),
        (InputPath("Dataset"), Slot("input_path", "system.Dataset@0.0.1")),
        (OutputPath(int), Slot("output_path", int)),
        (OutputPath("MyOwnType"), Slot("output_path", "system.Artifact@0.0.1")),
    ],
)
def test_annotations(annotation, slot):
    assert read_annotation(annotation) == slot


@pytest.mark.parametrize("annotation", [object, set, Input[int], str | int])
def test_annotations_that_mean_nothing(annotation):
    with pytest.raises(TypeError):
        read_annotation(annotation)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://b/o", "/gcs/b/o"),
        ("s3://b/o", "/s3/b/o"),
        ("minio://b/o", "/minio/b/o"),
        ("oci://r/i:1", "/oci/r_i:1"),
        ("/some/where", "/some/where"),
    ],
)
def test_paths_and_uris_as_kfp_maps_them(uri, path):
    artifact = Artifact(uri=uri)
    assert artifact.path == path
    artifact.path = path
    assert artifact.uri == uri
    assert Model(uri="oci://r/i").path == "/oci/r_i/models"


def test_a_staged_artifact_follows_its_uri():
    artifact = Dataset(uri="s3://bucket/a")
    artifact.stage("/elsewhere/a")
    assert artifact.path == "/elsewhere/a"
    artifact.uri = "s3://bucket/b"
    assert artifact.path == "/s3/bucket/b"
    artifact.set_path("/mine")
    assert artifact.path == "/mine"


def test_sliced_metrics_have_their_documented_shape():
    sliced = SlicedClassificationMetrics()
    sliced.load_confusion_matrix("north", ["a", "b"], [[1, 0], [0, 1]])
    sliced.load_roc_readings("south", [[0.5, 0.9, 0.1]])
    sliced.log_confusion_matrix_cell("north", "a", "b", 7)
    north, south = sliced.metadata["evaluationSlices"]
    assert north["slice"] == "north"
    assert north["sliceClassificationMetrics"]["confusionMatrix"]["rows"] == [
        {"row": [1, 7]},
        {"row": [0, 1]},
    ]
    assert south["sliceClassificationMetrics"]["confidenceMetrics"] == [
        {"confidenceThreshold": 0.5, "recall": 0.9, "falsePositiveRate": 0.1}
    ]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda m: m.log_roc_curve([1], [1, 2], [1]),
        lambda m: m.log_confusion_matrix(["a"], [[1, 2]]),
        lambda m: m.log_confusion_matrix_row("unknown", [1]),
        lambda m: (m.set_confusion_matrix_categories(["a"]), m.log_confusion_matrix_row("a", [1, 2])),
        lambda m: (m.set_confusion_matrix_categories(["a"]), m.log_confusion_matrix_cell("a", "b", 1)),
    ],
)
def test_metrics_that_do_not_fit_are_refused(misuse):
    with pytest.raises(ValueError):
        misuse(ClassificationMetrics())


def test_get_uri_is_for_running_steps():
    with pytest.raises(RuntimeError, match="runtime"):
        get_uri()
