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
from tradewind.cli.source import read_source
from tradewind.cli.summary import columns
from tradewind.local.stack import Home, running

__all__ = ["check"]

# Distribution and least version.
_REQUIRED = (("apache-airflow", "3.2"), ("apache-airflow-providers-cncf-kubernetes", "10.25"))
_REQUIRED_BY_STACK = (("mlflow", "3.4"), ("aiohttp", "3.11"))


def check(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind check`."""
    if options.file:
        return _check_file(options)
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
        yield from configured_findings()
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


def _check_file(options: argparse.Namespace) -> ExitCode:
    """What a file's pipeline would run; everything that is wrong with it is raised, all at once."""
    from tradewind import plan

    source = read_source(options.file, pipeline=options.pipeline)
    built = plan.build(source.pipeline)
    pods = sum(step.container is not None for step in built.steps.values())
    print(f"pass  {options.file}: pipeline {built.name}, {len(built.steps)} steps, {pods} pods at most")
    for parameter, declared in built.parameters.items():
        value = f" = {declared.default!r}" if declared.has_default else ""
        print(f"      parameter {parameter}: {declared.type}{value}")
    rows = [
        (step.id, step.container.image if step.container else "no pod", "after " + ", ".join(step.upstream))
        for step in built.steps.values()
    ]
    for line in columns([(name, image, after if after != "after " else "") for name, image, after in rows]):
        print(f"      {line}")
    return ExitCode.OK
