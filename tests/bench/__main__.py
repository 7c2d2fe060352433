"""`python -m bench [SECTION ...]`: measure and print the table; exit code 1 when a goal is missed.

Sections: parse (DAG files), steps (execute to return), scheduler (chains under the real scheduler), waiting
(a thousand pods in one triggerer), cluster (steps on the real cluster that BENCH_KUBECONFIG names).
"""

from __future__ import annotations

import argparse
import importlib
import sys

from bench.table import render

SECTIONS = ("parse", "steps", "scheduler", "waiting", "cluster")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="default: all")
    sections = parser.parse_args().sections or SECTIONS
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    rows = []
    for section in sections:
        for row in importlib.import_module(f"bench.{section}").rows():
            print(" ".join(filter(None, row.cells())), file=sys.stderr, flush=True)
            rows.append(row)
    print(render(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
