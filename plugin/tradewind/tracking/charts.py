"""Pictures of classification metrics: confusion matrix and ROC curve, drawn as SVG.

MLflow has no view for what `dsl.ClassificationMetrics` holds. A picture and the numbers as JSON, side by side
among the run's artifacts, serve people and programs. Drawn by hand: a plotting library would cost every task
process a second. The card is white whatever the page is, since a picture cannot know MLflow's theme.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from tradewind.tracking import names

__all__ = ["chart_files"]

_FONT = "font-family='system-ui,sans-serif'"
_INK, _FAINT, _LINE = "#1f2933", "#6b7785", "#d5dbe1"
_ACCENT = (31, 94, 168)
_MAX_CATEGORIES = 60


def chart_files(metadata: Mapping[str, Any]) -> dict[str, bytes]:
    """Files for the metadata of a (sliced) ClassificationMetrics artifact, by path.

    `confusion_matrix.svg` and `.json`, `roc_curve.svg` and `.json`; slices in a folder each. What is not
    there or not shaped as KFP shapes it has no file.
    """
    files: dict[str, bytes] = {}
    for folder, metrics in _slices(metadata):
        matrix = _matrix(metrics.get("confusionMatrix"))
        if matrix:
            categories, rows = matrix
            data = {"categories": categories, "matrix": rows, "rows": "true", "columns": "predicted"}
            files[f"{folder}confusion_matrix.json"] = _json(data)
            if len(categories) <= _MAX_CATEGORIES:
                files[f"{folder}confusion_matrix.svg"] = _matrix_svg(categories, rows).encode()
        points = _points(metrics.get("confidenceMetrics"))
        if points:
            listed = [
                {"false_positive_rate": x, "true_positive_rate": y, "threshold": threshold}
                for x, y, threshold in points
            ]
            files[f"{folder}roc_curve.json"] = _json({"auc": round(_area(points), 6), "points": listed})
            files[f"{folder}roc_curve.svg"] = _roc_svg(points).encode()
    return files


def _slices(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", metadata
    for number, part in enumerate(metadata.get("evaluationSlices") or ()):
        if isinstance(part, dict) and isinstance(part.get("sliceClassificationMetrics"), dict):
            name = names.key(str(part.get("slice", number))).replace("/", "_")
            yield f"{number}-{name}/", part["sliceClassificationMetrics"]


def _number(value: Any) -> float | None:
    number = names.number(value)
    return number if number is not None and math.isfinite(number) else None


def _matrix(value: Any) -> tuple[list[str], list[list[float]]] | None:
    if not isinstance(value, dict):
        return None
    specs = value.get("annotationSpecs") or []
    categories = [str(spec.get("displayName", "")) for spec in specs if isinstance(spec, dict)]
    rows = [
        [_number(cell) or 0.0 for cell in row.get("row") or []]
        for row in value.get("rows") or []
        if isinstance(row, dict)
    ]
    square = len(rows) == len(categories) > 0 and all(len(row) == len(categories) for row in rows)
    return (categories, rows) if square else None


def _points(value: Any) -> list[tuple[float, float, float | None]]:
    if not isinstance(value, list):
        return []
    found = []
    for reading in value:
        if not isinstance(reading, dict):
            continue
        x, y = _number(reading.get("falsePositiveRate")), _number(reading.get("recall"))
        if x is not None and y is not None:
            found.append((x, y, _number(reading.get("confidenceThreshold"))))
    return sorted(found, key=lambda point: (point[0], point[1]))


def _area(points: Sequence[tuple[float, float, float | None]]) -> float:
    path = [(0.0, 0.0), *((x, y) for x, y, _ in points), (1.0, 1.0)]
    steps = itertools.pairwise(path)
    return sum((right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in steps)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "replace")


# --- drawing --------------------------------------------------------------------------------------------


def _card(width: float, height: float, title: str, content: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{height:.0f}' "
        f"viewBox='0 0 {width:.0f} {height:.0f}' role='img' {_FONT}>"
        f"<title>{escape(title)}</title>"
        f"<rect width='100%' height='100%' rx='8' fill='#ffffff'/>{content}</svg>"
    )


def _text(x: float, y: float, text: str, *, size: int = 12, fill: str = _INK, more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{fill}' {more}>{escape(text)}</text>"


_MIDDLE = "text-anchor='middle'"
_END = "text-anchor='end'"


def _printable(text: str) -> str:
    # XML has no place for control characters, not even escaped.
    return "".join(char if char.isprintable() else " " for char in names.clean(text))


def _short(text: str, length: int = 16) -> str:
    text = _printable(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _matrix_svg(categories: Sequence[str], rows: Sequence[Sequence[float]]) -> str:
    count = len(categories)
    cell = max(14.0, min(84.0, 460.0 / count))
    left, top = 150.0, 64.0
    side = cell * count
    size = 12 if cell >= 30 else 8
    parts = [
        _text(left, 26, "Confusion matrix", size=15, more="font-weight='600'"),
        _text(left + side / 2, 48, "predicted", fill=_FAINT, more=_MIDDLE),
        _text(
            20,
            top + side / 2,
            "true",
            fill=_FAINT,
            more=f"{_MIDDLE} transform='rotate(-90 20 {top + side / 2:.1f})'",
        ),
    ]
    for i, row in enumerate(rows):
        total = sum(row) or 1.0
        y = top + i * cell
        parts.append(_text(left - 8, y + cell / 2 + 4, _short(categories[i]), size=size, more=_END))
        for j, value in enumerate(row):
            share = max(0.0, min(1.0, value / total))
            # Share of the true class, from near white to the accent; the text changes side with it.
            fill = "#" + "".join(f"{round(244 + (part - 244) * share):02x}" for part in _ACCENT)
            x = left + j * cell
            name = f"{categories[i]} → {categories[j]}: {_count(value)} ({share:.1%})"
            parts.append(
                f"<rect x='{x:.1f}' y='{y:.1f}' width='{cell - 2:.1f}' height='{cell - 2:.1f}' rx='3' "
                f"fill='{fill}'><title>{escape(_printable(name))}</title></rect>"
            )
            if cell >= 20:
                ink = "#ffffff" if share > 0.5 else _INK
                middle = y + cell / 2
                parts.append(
                    _text(
                        x + cell / 2 - 1,
                        middle + (0 if cell >= 56 else 4),
                        _count(value),
                        size=size + 1,
                        fill=ink,
                        more=_MIDDLE,
                    )
                )
                if cell >= 56:
                    parts.append(
                        _text(x + cell / 2 - 1, middle + 16, f"{share:.0%}", size=10, fill=ink, more=_MIDDLE)
                    )
    # Names that would run into one another are turned.
    turned = max(len(_short(category)) for category in categories) * size * 0.6 > cell
    for j, category in enumerate(categories):
        x, y = left + j * cell + cell / 2, top + side + 16
        turn = f"{_END} transform='rotate(-35 {x:.1f} {y:.1f})'" if turned else _MIDDLE
        parts.append(_text(x, y, _short(category), size=size, more=turn))
    return _card(left + side + 24, top + side + (90 if turned else 36), "Confusion matrix", "".join(parts))


def _roc_svg(points: Sequence[tuple[float, float, float | None]]) -> str:
    left, top, side = 64.0, 52.0, 360.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + min(1.0, max(0.0, x)) * side, top + (1 - min(1.0, max(0.0, y))) * side

    accent = "#" + "".join(f"{part:02x}" for part in _ACCENT)
    title = f"ROC curve, area {_area(points):.4f}"
    parts = [_text(left, 28, title, size=15, more="font-weight='600'")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, y) = place(tick, tick)
        parts.append(f"<path d='M{x:.1f} {top}V{top + side}M{left} {y:.1f}H{left + side}' stroke='{_LINE}'/>")
        parts.append(_text(x, top + side + 18, f"{tick:g}", size=11, fill=_FAINT, more=_MIDDLE))
        parts.append(_text(left - 8, y + 4, f"{tick:g}", size=11, fill=_FAINT, more=_END))
    line = " ".join(
        f"{x:.1f},{y:.1f}"
        for x, y in (place(x, y) for x, y in [(0, 0), *((x, y) for x, y, _ in points), (1, 1)])
    )
    corner = place(0, 0)
    opposite = place(1, 1)
    parts.append(
        f"<path d='M{corner[0]} {corner[1]}L{opposite[0]} {opposite[1]}' stroke='{_FAINT}' "
        f"stroke-dasharray='5 5'/>"
        f"<polygon points='{line} {opposite[0]},{corner[1]}' fill='{accent}' fill-opacity='0.10'/>"
        f"<polyline points='{line}' fill='none' stroke='{accent}' stroke-width='2.5' "
        f"stroke-linejoin='round'/>"
    )
    middle = top + side / 2
    parts.append(_text(left + side / 2, top + side + 42, "false positive rate", fill=_FAINT, more=_MIDDLE))
    parts.append(
        _text(
            20,
            middle,
            "true positive rate",
            fill=_FAINT,
            more=f"{_MIDDLE} transform='rotate(-90 20 {middle})'",
        )
    )
    return _card(left + side + 28, top + side + 60, title, "".join(parts))
