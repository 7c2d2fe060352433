"""`python -m bench.load`: many steps and many runs on one stack; nothing may get lost, and memory stay flat.

A loop over many items whose results are added up in the end, and many runs of a small pipeline at once. Exit
code 1 when a step is missing, failed or ran twice, or a sum is wrong. The figures stand in docs/limits.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.clusters import core_api_of
from tradewind.cluster.names import RUN_LABEL, STEP_LABEL, TRY_LABEL, run_digest
from tradewind.local.stack import USER, Home, Options, Stack, read_password

DAGS = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag


@dsl.component
def square(number: int) -> int:
    return number * number


@dsl.component
def total(numbers: list) -> int:
    return sum(numbers)


@dsl.component
def double(number: int) -> int:
    return 2 * number


@dsl.pipeline(name="load-loop")
def load_loop(numbers: list = [1]):
    with dsl.ParallelFor(numbers, name="each") as number:
        squared = square(number=number).set_caching_options(False)
    total(numbers=dsl.Collected(squared.output)).set_caching_options(False)


@dsl.pipeline(name="load-runs")
def load_runs(number: int = 1):
    first = double(number=number).set_caching_options(False)
    double(number=first.output).set_caching_options(False)


where = {where}
loop = pipeline_dag(load_loop, dag_id="load_loop", max_active_tasks=1000, **where)
runs = pipeline_dag(load_runs, dag_id="load_runs", max_active_runs=1000, max_active_tasks=1000, **where)
"""
SAMPLE_SECONDS = 5.0
FLAT = 1.3
"""How much of what it had after a quarter of the time a process may have in the end."""
WATCHED = ("api-server", "dag-processor", "scheduler")
MIB = 1024 * 1024


@dataclass
class Memory:
    """Private memory of the stack's long-lived processes, sampled while the load is on.

    Attributes:
        home: of the stack.
        samples: MiB over time, by process.
    """

    home: Home
    samples: dict[str, list[float]] = field(default_factory=dict)

    def follow(self, stopped: threading.Event) -> None:
        """Take samples until told to stop."""
        while not stopped.wait(SAMPLE_SECONDS):
            for name, process in self._leaders():
                try:
                    used = process.memory_full_info().uss / MIB
                except psutil.Error:
                    continue
                self.samples.setdefault(name, []).append(used)

    def _leaders(self) -> Iterator[tuple[str, psutil.Process]]:
        """Leaders of sessions whose standard output is a log of the stack."""
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) != process.pid:
                    continue
                log = Path(os.readlink(f"/proc/{process.pid}/fd/1"))
            except (OSError, psutil.Error):
                continue
            if log.parent == self.home.logs and log.stem in WATCHED:
                yield log.stem, process
            elif str(self.home.cluster) in _command(process):
                yield "embedded cluster", process

    def grown(self) -> Iterator[str]:
        """What is not flat."""
        for name, values in sorted(self.samples.items()):
            early, late = values[len(values) // 4], values[-1]
            if late > FLAT * early:
                yield f"the memory of {name} grows: {early:.0f} MiB, then {late:.0f}"

    def lines(self) -> Iterator[str]:
        """One line for each process: at a quarter of the time, in the end, at most."""
        for name, values in sorted(self.samples.items()):
            yield (
                f"  {name:18} {values[len(values) // 4]:6.0f} MiB after a quarter of the time,"
                f" {values[-1]:6.0f} in the end, {max(values):6.0f} at most"
            )


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


class Pods:
    """Counts the pods of a namespace, beside the code under test."""

    def __init__(self, core: Any, namespace: str) -> None:
        self._core = core
        self._namespace = namespace
        self.seen: dict[str, dict[str, str]] = {}

    def follow(self, stopped: threading.Event) -> None:
        """Write down all pods until told to stop."""
        from kubernetes.client import ApiException
        from kubernetes.watch import Watch
        from urllib3.exceptions import HTTPError

        while not stopped.is_set():
            try:
                listed = self._core.list_namespaced_pod(self._namespace)
                for pod in listed.items:
                    self.seen[pod.metadata.uid] = dict(pod.metadata.labels or {})
                stream = Watch().stream(
                    self._core.list_namespaced_pod,
                    self._namespace,
                    resource_version=listed.metadata.resource_version,
                    timeout_seconds=5,
                )
                for event in stream:
                    pod = event["object"]
                    self.seen[pod.metadata.uid] = dict(pod.metadata.labels or {})
            except (ApiException, HTTPError) as error:
                print(f"watch: {error}", file=sys.stderr)
                time.sleep(0.2)

    def left(self) -> int:
        """How many there are now."""
        return len(self._core.list_namespaced_pod(self._namespace).items)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--iterations", type=int, default=500, help="items of the loop; 0: no loop")
    parser.add_argument("--runs", type=int, default=50, help="runs at once; 0: none")
    parser.add_argument("--kubeconfig", type=Path, help="of a real cluster (default: the embedded one)")
    parser.add_argument("--namespace", default="default", help="of the pods")
    parser.add_argument("--mlflow", default="", help="server that pods reach; needed with --kubeconfig")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as directory:
        home = Home(Path(directory) / "home")
        folder = Path(directory) / "dags"
        folder.mkdir()
        (folder / "load.py").write_text(DAGS.replace("{where}", repr({"namespace": options.namespace})))
        chosen = Options(dag_folders=(folder,), kubeconfig=options.kubeconfig, mlflow=options.mlflow)
        with Stack(home, chosen) as stack:
            load = Load(home, stack, options.namespace)
            failures = [
                *(load.loop(options.iterations) if options.iterations else ()),
                *(load.runs(options.runs) if options.runs else ()),
            ]
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


class Load:
    """The stack under load."""

    def __init__(self, home: Home, stack: Stack, namespace: str) -> None:
        self._home = home
        self._stack = stack
        self.api = AirflowApi(stack.state.addresses.airflow, USER, read_password(home), timeout_seconds=120)
        core, _ = core_api_of(stack.state.addresses.kubeconfig)
        self._core = core
        self._namespace = namespace
        self._await_dags(("load_loop", "load_runs"))
        self._await_end(["load_runs"], [self.api.trigger("load_runs", {})])  # fills caches

    def loop(self, iterations: int) -> list[str]:
        """One run of a loop; returns what went wrong."""
        numbers = list(range(iterations))

        def begin() -> list[str]:
            return [self.api.trigger("load_loop", {"numbers": numbers})]

        def check(run_id: str) -> Iterator[str]:
            tasks = Counter(
                (instance["task_id"].rpartition(".")[2], instance["state"])
                for instance in self.api.task_instances("load_loop", run_id)
            )
            if tasks["square", "success"] != iterations:
                yield f"steps of the loop: {tasks}"
            result = self.api.xcom("load_loop", run_id, "total")
            if (result or {}).get("parameters", {}).get("Output") != sum(n * n for n in numbers):
                yield f"the sum of the loop: {result}"

        return self._measured(f"a loop of {iterations} iterations", "load_loop", begin, check, iterations + 1)

    def runs(self, count: int) -> list[str]:
        """Many runs at once; returns what went wrong."""

        def begin() -> list[str]:
            return [self.api.trigger("load_runs", {"number": number}) for number in range(count)]

        def check(run_id: str) -> Iterator[str]:
            number = self.api.run("load_runs", run_id)["conf"]["number"]
            result = self.api.xcom("load_runs", run_id, "double-2")
            if (result or {}).get("parameters", {}).get("Output") != 4 * number:
                yield f"{run_id}: {result}"

        return self._measured(f"{count} runs of 2 steps at once", "load_runs", begin, check, 2 * count)

    def _measured(self, what: str, dag_id: str, begin: Any, check: Any, pods: int) -> list[str]:
        memory = Memory(self._home)
        counted = Pods(self._core, self._namespace)
        stopped = threading.Event()
        followers = [threading.Thread(target=each.follow, args=(stopped,)) for each in (memory, counted)]
        for follower in followers:
            follower.start()
        began = time.monotonic()
        try:
            run_ids = begin()
            failures = self._await_end([dag_id] * len(run_ids), run_ids)
            seconds = time.monotonic() - began
            time.sleep(3)  # the last pods are on their way out
        finally:
            stopped.set()
            for follower in followers:
                follower.join()
        failures += [failure for run_id in run_ids for failure in check(run_id)]
        ours = {run_digest(dag_id, run_id) for run_id in run_ids}
        seen = [pod for pod in counted.seen.values() if pod.get(RUN_LABEL) in ours]
        tries = Counter((pod[STEP_LABEL], pod[TRY_LABEL]) for pod in seen)
        ran = len({step for step, _ in tries})
        # More pods than steps are tries that Airflow has repeated, as it does when it finds no time to say
        # that it is alive. More pods than tries are a fault.
        if ran != pods or max(tries.values(), default=0) > 1:
            failures.append(f"pods of {ran} steps, not {pods}; {max(tries.values(), default=0)} for one try")
        failures += memory.grown()
        if left := counted.left():
            failures.append(f"{left} pods are left")
        print(f"{what}: {seconds:.0f} s, {pods / seconds:.2f} steps/s, {len(seen)} pods for {pods} steps")
        print("\n".join(memory.lines()), flush=True)
        return [f"{what}: {failure}" for failure in failures]

    def _await_dags(self, names: Sequence[str]) -> None:
        deadline = time.monotonic() + 120
        while any(self.api.dag(name) is None for name in names):
            if errors := self.api.import_errors():
                raise SystemExit(errors[0]["stack_trace"])
            if time.monotonic() > deadline:
                raise SystemExit("Airflow does not load the DAG file")
            time.sleep(1)

    def _await_end(self, dag_ids: Sequence[str], run_ids: Sequence[str]) -> list[str]:
        failures = []
        for dag_id, run_id in zip(dag_ids, run_ids, strict=True):
            while (state := self.api.run(dag_id, run_id)["state"]) not in ("success", "failed"):
                self._stack.check()
                time.sleep(1)
            if state != "success":
                failures.append(f"{run_id} failed")
        return failures


if __name__ == "__main__":
    sys.exit(main())
