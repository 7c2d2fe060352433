"""`tradewind check`: what is installed, configured, reachable and allowed, one line each, with the remedy
for what fails.

What is looked at is what a run would use: the running stack; without one, the Airflow that is configured
in this shell (`AIRFLOW_HOME`); without that, whether a stack could be started here.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from tradewind.cli.exits import ExitCode
from tradewind.cli.findings import Finding
from tradewind.local.stack import Home, running

__all__ = ["check"]

# Distribution and least version.
_REQUIRED = (("apache-airflow", "3.2"), ("apache-airflow-providers-cncf-kubernetes", "10.25"))
_REQUIRED_BY_STACK = (("mlflow", "3.4"), ("cryptography", "44"))


def check(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind check`."""
    if options.file:
        from tradewind.cli.check_file import check_file

        return check_file(options)
    failed = 0
    for finding in _findings(options.cluster):
        failed += not finding.ok
        print(f"{'pass' if finding.ok else 'FAIL'}  {finding.subject}: {finding.detail}", flush=True)
        if not finding.ok and finding.remedy:
            print(f"      Remedy: {finding.remedy}", flush=True)
    return ExitCode.FAILED if failed else ExitCode.OK


def _findings(cluster: str) -> Iterator[Finding]:
    from tradewind.cli.check_servers import configured_findings, local_findings, stack_findings

    yield _python()
    state = running(Home.default())
    own_airflow = state is None and "AIRFLOW_HOME" in os.environ
    for name, least in _REQUIRED if own_airflow else _REQUIRED + _REQUIRED_BY_STACK:
        yield _installed(name, least)
    if state is not None:
        yield from stack_findings(Home.default(), state, cluster)
    elif own_airflow:
        yield from configured_findings(cluster)
    else:
        yield from local_findings(Home.default(), cluster)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("Python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _installed(name: str, least: str) -> Finding:
    remedy = f"pip install --upgrade '{name}>={least}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, False, "is not installed", remedy)
    return Finding(name, _numbers(version) >= _numbers(least), f"{version} (at least {least})", remedy)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
