"""Artifact classes, as a component's code sees them.

They follow KFP's in names, attributes and in the shape of their metadata, which is what the rest of the
world (UIs, evaluation tools) reads: scalars as keys, `confidenceMetrics`, `confusionMatrix`,
`evaluationSlices`. One thing differs inside: where KFP derives `path` from the URI by FUSE mount points, an
artifact here knows the directory in which the runtime stages it. As soon as user code points the artifact
elsewhere (a new `uri`, a custom path), KFP's rules apply again. The same classes serve at compile time, for
annotations.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = [
    "HTML",
    "Artifact",
    "ClassificationMetrics",
    "Dataset",
    "Markdown",
    "Metrics",
    "Model",
    "SlicedClassificationMetrics",
    "get_uri",
    "set_task_root",
    "system_type",
]

WORKSPACE = "/kfp-workspace"
MOUNTS = (("gs://", "/gcs/"), ("minio://", "/minio/"), ("s3://", "/s3/"))
OCI_SCHEME, OCI_MOUNT, OCI_FOLDER = "oci://", "/oci/", "/models"


class Artifact:
    """A file or directory that a step makes or uses, with metadata. Use it when no other type fits better.

    Attributes:
        name: name of the artifact.
        uri: where it is kept.
        metadata: JSON values by key; what is set here by the component travels with the artifact.
    """

    schema_title = "system.Artifact"
    schema_version = "0.0.1"

    def __init__(
        self,
        name: str | None = None,
        uri: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.uri = uri or ""
        self.name = name or ""
        self.metadata: dict[str, Any] = metadata or {}
        self._custom_path = ""
        self._staged: tuple[str, str] | None = None
        self._unread: Exception | None = None

    @property
    def path(self) -> str:
        """Local path of the content: read it there, write it there. Setting it sets the URI.

        In a running step, asking for it raises the error with which the content could not be brought here.
        """
        return self._get_path()

    @path.setter
    def path(self, path: str) -> None:
        self.uri = remote_path(path)

    @property
    def custom_path(self) -> str:
        """A local path that the component chose instead of the given one, or ""."""
        return self._custom_path

    @custom_path.setter
    def custom_path(self, path: str) -> None:
        self._custom_path = path

    def set_path(self, path: str) -> None:
        """Use this local path from now on; the URI stays."""
        self._custom_path = path

    def stage(self, path: str, unread: Exception | None = None) -> None:
        """Say where the content of the present URI lies on this machine, or why not. For the runtime."""
        self._staged, self._unread = (self.uri, path), unread

    def _get_path(self) -> str:
        if self._custom_path:
            local = self._custom_path
        elif self._staged is not None and self._staged[0] == self.uri:
            if self._unread is not None:
                raise self._unread
            return self._staged[1]
        else:
            local = local_path(self.uri)
        if self.metadata.get("_kfp_workspace") is True:
            return os.path.join(WORKSPACE, ".artifacts", local.lstrip("/"))
        return local


class Dataset(Artifact):
    """Data that steps train on or evaluate with."""

    schema_title = "system.Dataset"


class Model(Artifact):
    """A trained model: a file, or a directory of files."""

    schema_title = "system.Model"

    @property
    def framework(self) -> str:
        """The library that made the model; kept in `metadata["framework"]`."""
        return str(self.metadata.get("framework", ""))

    @framework.setter
    def framework(self, framework: str) -> None:
        self.metadata["framework"] = framework

    def _get_path(self) -> str:
        path = super()._get_path()
        # KServe's "modelcar" images keep the model below /models.
        at_image = self.uri.startswith(OCI_SCHEME) and not self._custom_path and self._staged is None
        return path + OCI_FOLDER if at_image else path


class Metrics(Artifact):
    """Numbers by name."""

    schema_title = "system.Metrics"

    def log_metric(self, metric: str, value: float) -> None:
        """Set one number."""
        self.metadata[metric] = value


class ClassificationMetrics(Artifact):
    """A ROC curve and a confusion matrix."""

    schema_title = "system.ClassificationMetrics"

    def log_roc_data_point(self, fpr: float, tpr: float, threshold: float) -> None:
        """Add one point of the ROC curve: false and true positive rate at a confidence threshold."""
        point = {"confidenceThreshold": threshold, "recall": tpr, "falsePositiveRate": fpr}
        self.metadata.setdefault("confidenceMetrics", []).append(point)

    def log_roc_curve(self, fpr: Any, tpr: Any, threshold: Any) -> None:
        """Add the points of a ROC curve, given as three sequences.

        Raises:
            ValueError: they differ in length.
        """
        if not len(fpr) == len(tpr) == len(threshold):
            raise ValueError(
                "Length of fpr, tpr and threshold must be the same. "
                f"Got lengths {len(fpr)}, {len(tpr)} and {len(threshold)} respectively."
            )
        for point in zip(fpr, tpr, threshold):
            self.log_roc_data_point(*point)

    def set_confusion_matrix_categories(self, categories: Any) -> None:
        """Name the categories; starts an empty matrix."""
        names = list(categories)
        self.metadata["confusionMatrix"] = {
            "annotationSpecs": [{"displayName": name} for name in names],
            "rows": [{"row": [0] * len(names)} for _ in names],
        }

    def log_confusion_matrix_row(self, row_category: str, row: Any) -> None:
        """Set the row of one true category.

        Raises:
            ValueError: unknown category or wrong length.
        """
        position = self._category(row_category)
        size = len(self._categories())
        if len(row) != size:
            raise ValueError(f"Invalid row. Expected size: {size} got: {len(row)}")
        self.metadata["confusionMatrix"]["rows"][position] = {"row": row}

    def log_confusion_matrix_cell(self, row_category: str, col_category: str, value: float) -> None:
        """Set one cell: how often `row_category` was taken for `col_category`.

        Raises:
            ValueError: unknown category.
        """
        row, column = self._category(row_category), self._category(col_category)
        self.metadata["confusionMatrix"]["rows"][row]["row"][column] = value

    def log_confusion_matrix(self, categories: Any, matrix: Any) -> None:
        """Set categories and all rows.

        Raises:
            ValueError: the matrix is not square, or does not fit the categories.
        """
        names = list(categories)
        if len(matrix) != len(names) or any(len(row) != len(names) for row in matrix):
            raise ValueError(f"Invalid matrix: {matrix} passed for categories: {names}")
        self.set_confusion_matrix_categories(names)
        for name, row in zip(names, matrix):
            self.log_confusion_matrix_row(name, row)

    def _categories(self) -> Any:
        specs = self.metadata.get("confusionMatrix", {}).get("annotationSpecs", [])
        return [spec["displayName"] for spec in specs]

    def _category(self, name: str) -> int:
        categories = self._categories()
        if name not in categories:
            raise ValueError(f"Invalid category: {name} passed. Expected one of: {categories}")
        return int(categories.index(name))


class SlicedClassificationMetrics(Artifact):
    """Classification metrics per slice of the data. Every method takes the slice's label first."""

    schema_title = "system.SlicedClassificationMetrics"

    def log_roc_reading(self, slice: str, threshold: float, tpr: float, fpr: float) -> None:
        """Add one point of a slice's ROC curve."""
        self._slice(slice).log_roc_data_point(fpr=fpr, tpr=tpr, threshold=threshold)

    def load_roc_readings(self, slice: str, readings: Any) -> None:
        """Add points of a slice's ROC curve, each (threshold, true positive rate, false positive rate)."""
        for threshold, tpr, fpr in readings:
            self.log_roc_reading(slice, threshold, tpr, fpr)

    def set_confusion_matrix_categories(self, slice: str, categories: Any) -> None:
        """Name a slice's categories; starts an empty matrix."""
        self._slice(slice).set_confusion_matrix_categories(categories)

    def log_confusion_matrix_row(self, slice: str, row_category: str, row: Any) -> None:
        """Set a row of a slice's confusion matrix."""
        self._slice(slice).log_confusion_matrix_row(row_category, row)

    def log_confusion_matrix_cell(
        self, slice: str, row_category: str, col_category: str, value: float
    ) -> None:
        """Set a cell of a slice's confusion matrix."""
        self._slice(slice).log_confusion_matrix_cell(row_category, col_category, value)

    def load_confusion_matrix(self, slice: str, categories: Any, matrix: Any) -> None:
        """Set categories and all rows of a slice's confusion matrix."""
        self._slice(slice).log_confusion_matrix(categories, matrix)

    def _slice(self, label: str) -> ClassificationMetrics:
        slices = self.metadata.setdefault("evaluationSlices", [])
        for entry in slices:
            if entry["slice"] == label:
                break
        else:
            entry = {"slice": label, "sliceClassificationMetrics": {}}
            slices.append(entry)
        metrics = ClassificationMetrics()
        metrics.metadata = entry["sliceClassificationMetrics"]
        return metrics


class HTML(Artifact):
    """A page that UIs render."""

    schema_title = "system.HTML"


class Markdown(Artifact):
    """A Markdown document that UIs render."""

    schema_title = "system.Markdown"


SYSTEM_TYPES: dict[str, type[Artifact]] = {
    cls.schema_title: cls
    for cls in (
        Artifact,
        Model,
        Dataset,
        Metrics,
        ClassificationMetrics,
        SlicedClassificationMetrics,
        HTML,
        Markdown,
    )
}


def system_type(schema_title: str) -> type[Artifact] | None:
    """Return the class of a `system.*` schema title, None for any other."""
    return SYSTEM_TYPES.get(schema_title)


class _TaskRoot:
    """URI below which the running step keeps its outputs, and the directory that stands for it here."""

    uri: str | None = None
    path: str = ""


def set_task_root(uri: str | None, path: str) -> None:
    """Say where the outputs of the running step go. For the runtime."""
    _TaskRoot.uri, _TaskRoot.path = uri, path


def get_uri(suffix: str = "Output") -> str:
    """Return a URI of the step's own, for artifacts that the component makes itself.

    What is written at `Artifact(uri=get_uri()).path` is kept at that URI.

    Raises:
        RuntimeError: called outside a running step.
    """
    if _TaskRoot.uri is None:
        raise RuntimeError(
            "'dsl.get_uri' can only be called at task runtime. "
            "The task root is unknown in the current environment."
        )
    return f"{_TaskRoot.uri}/{suffix}"


def local_path(uri: str) -> str:
    """Return the local path that KFP's conventions give to a URI; a path stays as it is."""
    if _TaskRoot.uri is not None and uri.startswith(_TaskRoot.uri + "/"):
        return os.path.join(_TaskRoot.path, uri[len(_TaskRoot.uri) + 1 :])
    for scheme, mount in MOUNTS:
        if uri.startswith(scheme):
            return mount + uri[len(scheme) :]
    if uri.startswith(OCI_SCHEME):
        return OCI_MOUNT + uri[len(OCI_SCHEME) :].replace("/", "_")
    return uri


def remote_path(path: str) -> str:
    """Return the URI that KFP's conventions give to a local path; any other path stays as it is."""
    for scheme, mount in MOUNTS:
        if path.startswith(mount):
            return scheme + path[len(mount) :]
    if path.startswith(OCI_MOUNT):
        name = path[len(OCI_MOUNT) :].replace("_", "/")
        return OCI_SCHEME + (name[: -len(OCI_FOLDER)] if name.endswith(OCI_FOLDER) else name)
    return path
