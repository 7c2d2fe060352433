"""Benchmarks: ratios against hand-written KubernetesPodOperators, measured in one run.

`make bench` prints the table.
"""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
