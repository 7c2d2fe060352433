"""A chain of ten no-op pod steps under the real scheduler (LocalExecutor), from its trigger to the run's end.

The three chains take turns on one stack, as `tradewind up` starts it: the chain of a pipeline, the same
hand-written with KubernetesPodOperator at its defaults, and one of trivial tasks, which is the floor. After
each task its process says how much memory it took at its peak, and how much of what it has is its own: what
it shares with its parent costs nothing. The cluster is an embedded one, or that of `BENCH_KUBECONFIG`.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bench.table import Row
from tradewind.cli.airflow_api import AirflowApi
from tradewind.local.stack import USER, Home, Options, Stack, read_password

STEPS = 10
ROUNDS = 3
LONGEST_SECONDS = 300.0

SAY_MEMORY = """
def say_memory(context):
    import os, pathlib, psutil, resource
    own = psutil.Process().memory_full_info().uss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    folder = pathlib.Path(os.environ["BENCH_MEMORY"])
    (folder / f"{context['ti'].dag_id}-{os.getpid()}").write_text(f"{own} {peak}")
"""

CHAINS = {
    "chain_tradewind": f"""
{SAY_MEMORY}
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.container_component
def noop():
    return dsl.ContainerSpec(image="busybox", command=["true"])

@dsl.pipeline(name="chain")
def chain():
    previous = None
    for _ in range({STEPS}):
        task = noop().set_caching_options(False)
        if previous is not None:
            task.after(previous)
        previous = task

dag = pipeline_dag(chain, dag_id="chain_tradewind", default_args={{"on_success_callback": say_memory}})
""",
    "chain_pod_operator": f"""
{SAY_MEMORY}
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG, chain

with DAG("chain_pod_operator", schedule=None, default_args={{"on_success_callback": say_memory}}):
    chain(*(KubernetesPodOperator(task_id=f"noop-{{n}}", name="noop", image="busybox", cmds=["true"])
            for n in range({STEPS})))
""",
    "chain_trivial": f"""
{SAY_MEMORY}
from airflow.sdk import DAG, BaseOperator, chain

class Noop(BaseOperator):
    def execute(self, context):
        return None

with DAG("chain_trivial", schedule=None, default_args={{"on_success_callback": say_memory}}):
    chain(*(Noop(task_id=f"noop-{{n}}") for n in range({STEPS})))
""",
}


def rows() -> Iterator[Row]:
    """Seconds per step of the three chains."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "dags"
        folder.mkdir()
        for name, source in CHAINS.items():
            (folder / f"{name}.py").write_text(source)
        seconds, memory = _medians(Home(Path(directory) / "with"), folder, tuple(CHAINS))
        # Airflow's processes as they are where nobody uses Tradewind: nothing is loaded ahead of the tasks.
        without = Home(Path(directory) / "without")
        without.create()
        (without.airflow / "airflow.cfg").write_text("[tradewind]\npreload = False\n")
        alone, alone_memory = _medians(without, folder, ("chain_pod_operator",))
    ours, helped, floor = seconds["chain_tradewind"], seconds["chain_pod_operator"], seconds["chain_trivial"]
    what = "scheduler: chain of 10 no-op steps, s per step"
    yield Row(what, ours, alone["chain_pod_operator"], goal=0.5)
    yield Row(what, ours, helped, baseline="KubernetesPodOperator, preloaded by Tradewind")
    yield Row(what, ours, floor, baseline="trivial Airflow tasks")
    (own, peak), (their_own, their_peak) = memory["chain_tradewind"], alone_memory["chain_pod_operator"]
    yield Row("scheduler: memory that a step's process adds to its parent's (MB)", own, their_own, goal=1.0)
    yield Row("scheduler: the same with what it shares with its parent, peak (MB)", peak, their_peak)


def _medians(
    home: Home, folder: Path, names: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Seconds per step, and megabytes per task process (its own, at its peak), by DAG id."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    said = home.root / "memory"
    said.mkdir(parents=True)
    os.environ["BENCH_MEMORY"] = str(said)
    given = os.environ.get("BENCH_KUBECONFIG")
    options = Options(dag_folders=(folder,), kubeconfig=Path(given) if given else None)
    with Stack(home, options) as stack:
        api = stack_api(stack, home, tuple(CHAINS))
        for number in range(ROUNDS + 1):
            for name in names:
                _, elapsed = run_of(api, name)
                if number:  # the first round fills caches
                    seconds[name].append(elapsed / STEPS)
    memory = {name: _megabytes(said, name) for name in names}
    return {name: statistics.median(values) for name, values in seconds.items()}, memory


def _megabytes(said: Path, name: str) -> tuple[float, float]:
    figures = [path.read_text().split() for path in said.glob(f"{name}-*")]
    own, peak = (
        statistics.median(int(figure) / 1e6 for figure in column) for column in zip(*figures, strict=True)
    )
    return own, peak


def stack_api(stack: Stack, home: Home, names: tuple[str, ...]) -> AirflowApi:
    """A client of a stack's Airflow, which has loaded these DAGs."""
    api = AirflowApi(stack.state.addresses.airflow, USER, read_password(home))
    deadline = time.monotonic() + LONGEST_SECONDS
    while any(api.dag(name) is None for name in names):
        if errors := api.import_errors():
            raise SystemExit(errors[0]["stack_trace"])
        if time.monotonic() > deadline:
            raise SystemExit("Airflow does not load the DAG files")
        time.sleep(1)
    return api


def run_of(api: AirflowApi, dag_id: str) -> tuple[str, float]:
    """Trigger a run and wait for its end; its id, and the seconds in between by Airflow's clock."""
    started = time.monotonic()
    run_id = api.trigger(dag_id, {})
    while (run := api.run(dag_id, run_id))["state"] not in ("success", "failed"):
        if time.monotonic() - started > LONGEST_SECONDS:
            raise SystemExit(f"the run of {dag_id} takes longer than {LONGEST_SECONDS:.0f} s")
        time.sleep(0.5)  # asking costs the API server as much as a task's request does
    if run["state"] != "success":
        raise SystemExit(f"the run of {dag_id} failed")
    end, queued = (datetime.fromisoformat(run[moment]).timestamp() for moment in ("end_date", "queued_at"))
    return run_id, end - queued
