"""What a DAG file costs where it is parsed: at every parse, and at the start of every task.

Both sides are built in interpreters of their own, in turns; CPU seconds, medians.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from bench.table import Row

ROUNDS = 5


def _measure(kind: str, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        output = subprocess.run(
            [sys.executable, "-m", "bench.parse_child", kind, str(steps)],
            check=True,
            capture_output=True,
            text=True,
            env=child_environment(home),
        ).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def child_environment(home: str) -> dict[str, str]:
    """Environment of a fresh interpreter that sees the benches and an Airflow home of its own."""
    import os

    from bench import TESTS

    keep = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    return keep | {"AIRFLOW_HOME": home, "PYTHONPATH": str(TESTS), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}


def rows() -> Iterator[Row]:
    """Build time, serialized size, linearity, and what is imported."""
    samples: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for case in (("tradewind", 1000), ("pod_operator", 1000), ("tradewind", 250)):
            samples.setdefault(case, []).append(_measure(*case))

    def median(kind: str, steps: int, what: str) -> float:
        return statistics.median(sample[what] for sample in samples[kind, steps])

    ours, theirs = median("tradewind", 1000, "build"), median("pod_operator", 1000, "build")
    yield Row("parse: build 1000 steps × 20 env (CPU s)", ours, theirs, goal=1.0)
    ours, theirs = median("tradewind", 1000, "serialize"), median("pod_operator", 1000, "serialize")
    yield Row("parse: serialize the same (CPU s)", ours, theirs)
    ours, theirs = median("tradewind", 1000, "bytes"), median("pod_operator", 1000, "bytes")
    yield Row("parse: size of the serialized DAG (kB)", ours / 1e3, theirs / 1e3, goal=1 / 3)
    large, small = median("tradewind", 1000, "build"), median("tradewind", 250, "build")
    yield Row(
        "parse: build of 1000 steps against 250 (CPU s)",
        large,
        small,
        goal=5.0,
        baseline="tradewind, 250 steps",
    )
