"""Carries out one task in the pod, from the task's JSON to the termination message.

The order is that of cost and risk: understand the task, have the requirements (perhaps by starting again in
another environment), bring the inputs, run the user's code, take in the outputs. Whatever goes wrong ends as
one result with one kind of error, see docs/protocol.md.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from tradewind.runtime import result, workspace
from tradewind.runtime.failures import Failure, ProtocolError

__all__ = ["main", "resume"]

TASK_FILE = "task.json"
RESUME = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from tradewind.runtime.main import resume; "
    "sys.exit(resume())"
)


def main(task: dict[str, Any], resumed: bool = False) -> int:
    """Carry out a task.

    Args:
        task: as documented in docs/protocol.md.
        resumed: this is the second start, in the environment with the requirements.

    Returns:
        The exit code of the container. Never raises, and leaves the result in the termination message.
    """
    _prepare_streams()
    try:
        outcome = _carry_out(task, resumed)
        code = 0
    except Failure as failure:
        _log(f"failed ({failure.kind}): {failure.message}")
        outcome, code = result.failed(failure), failure.exit_code
    except KeyboardInterrupt:
        outcome, code = result.failed(_stopped()), 128 + signal.SIGTERM
    except Exception as error:  # noqa: BLE001 - a defect of ours must come out as a result as well
        import traceback

        text = traceback.format_exc()
        print(text, file=sys.stderr, flush=True)
        message = f"The runtime failed: {error!r}"
        outcome, code = result.failed(ProtocolError(message, traceback=text)), 1
    result.write_message(outcome)
    _flush()
    return code


def resume() -> int:
    """Go on with a task after the requirements were installed elsewhere."""
    with open(os.path.join(_runtime_folder(), TASK_FILE), encoding="ascii") as file:
        task = json.load(file)
    return main(task, resumed=True)


def _carry_out(task: dict[str, Any], resumed: bool) -> dict[str, Any]:
    if task.get("protocol") != result.PROTOCOL:
        raise ProtocolError(f"Protocol {task.get('protocol')!r} is unknown here, want {result.PROTOCOL}")
    if task.get("kind") not in ("python", "command"):
        raise ProtocolError(f"Task kind {task.get('kind')!r} is unknown")
    result.write_message(result.no_result())
    _stop_on_sigterm()
    if not resumed:
        _require(task)
    root = workspace.workdir()
    moved = workspace.relocate(task, root)
    return _run(moved, root)


def _run(task: dict[str, Any], root: str) -> dict[str, Any]:
    from tradewind.runtime.outputs import take_artifacts, take_parameters

    executor_input = task.setdefault("executor_input", {})
    inputs, outputs = executor_input.get("inputs", {}), executor_input.get("outputs", {})
    # Many steps have no artifacts; they save the imports.
    unread = {}
    if inputs.get("artifacts"):
        # A command finds its inputs at their paths; code in Python can still be told when it asks for one.
        unread = _staging(task).bring_inputs(executor_input, lenient=task["kind"] == "python")
    output = _execute(task, executor_input, root, unread)
    _flush()
    parameters = take_parameters(task, output)
    artifacts = take_artifacts(task, output, _staging(task), _log) if outputs.get("artifacts") else {}
    return result.succeeded(parameters, artifacts, task.get("result_uri") or "", lambda: _stores(task))


def _staging(task: dict[str, Any]) -> Any:
    from tradewind.runtime.staging import Staging

    scratch = _runtime_folder()
    os.makedirs(scratch, exist_ok=True)
    return Staging(_stores(task), scratch, _log)


def _stores(task: dict[str, Any]) -> Any:
    from tradewind.runtime.stores import Stores

    def install(package: str) -> None:
        from tradewind.runtime import requirements

        requirements.provide([package], task.get("pip") or {}, _log)

    return Stores(os.environ, float(task.get("store_timeout_seconds") or 300), _log, install)


def _execute(
    task: dict[str, Any], executor_input: dict[str, Any], root: str, unread: dict[str, Failure]
) -> dict[str, Any]:
    if task["kind"] == "command":
        from tradewind.runtime.command import run_command
        from tradewind.runtime.outputs import read_executor_output

        run_command(task.get("command") or [], workspace.declared_paths(executor_input))
        return read_executor_output(executor_input.get("outputs", {}).get("outputFile", ""))
    from tradewind.runtime.component import load_function, user_code
    from tradewind.runtime.executor import Execution
    from tradewind.runtime.outputs import root_uri

    # What KFP's own runtime sets: code that asks gets the same answer.
    os.environ["_KFP_RUNTIME"] = "true"
    if task.get("source") is not None:
        workspace.leave_root()
    for path in workspace.declared_paths(executor_input):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    function = load_function(task, os.path.join(root, ".component"))
    _bind_notebook(function, task)
    execution = Execution(function, executor_input, root_uri(task), unread)
    arguments = execution.arguments()
    return execution.collect(user_code(lambda: function(**arguments)))


def _bind_notebook(function: Any, task: dict[str, Any]) -> None:
    scope = getattr(getattr(function, "python_func", function), "__globals__", {})
    if "__KFP_NOTEBOOK_REL_PATH" not in scope:
        return
    from tradewind.runtime.notebook_component import bind
    from tradewind.runtime.outputs import root_uri

    bind(scope, root_uri(task), _stores(task), _runtime_folder(), _log)


def _require(task: dict[str, Any]) -> None:
    """Have the requirements; does not return when that means another environment."""
    packages = [*(task.get("packages") or ()), *_drivers(task)]
    if not packages:
        return
    from tradewind.runtime import requirements

    missing = requirements.missing_packages(packages)
    if not missing:
        return
    pip = task.get("pip") or {}
    cache = requirements.environment_cache()
    if not cache:
        requirements.install(packages, pip, _log)
        return
    python = requirements.environment_python(packages, pip, cache, _log)
    folder = _runtime_folder()
    with open(os.path.join(folder, TASK_FILE), "w", encoding="ascii") as file:
        json.dump(task, file)
    environment = os.path.dirname(os.path.dirname(python))
    os.environ["VIRTUAL_ENV"] = environment
    os.environ["PATH"] = os.path.join(environment, "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
    _flush()
    os.execv(python, [python, "-c", RESUME, folder])


def _drivers(task: dict[str, Any]) -> list[str]:
    """Return what the stores of the task's artifacts need, so that it is installed in one go with the rest.

    An artifact from outside (an importer's) is left to the moment when it is read: nothing fails without it.
    """
    executor_input = task.get("executor_input") or {}
    inputs, outputs = executor_input.get("inputs", {}), executor_input.get("outputs", {})
    if not (inputs.get("artifacts") or outputs.get("artifacts")):
        return []
    from tradewind.runtime.stores import drivers

    made = [artifact for _, artifact in workspace.listed_artifacts(outputs)]
    given = [artifact for _, artifact in workspace.listed_artifacts(inputs) if artifact.get("digest")]
    moved = [artifact for artifact in made + given if artifact.get("uri") and not artifact.get("unread")]
    return drivers(artifact["uri"] for artifact in moved)


def _runtime_folder() -> str:
    return os.path.join(workspace.workdir(), ".runtime")


def _stop_on_sigterm() -> None:
    from tradewind.runtime.component import Terminated

    def stop(number: int, frame: Any) -> None:
        # Once: a second signal must not interrupt the cleaning up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    signal.signal(signal.SIGTERM, stop)


def _stopped() -> Failure:
    from tradewind.runtime.failures import StoppedError

    return StoppedError("Stopped by SIGTERM")


def _prepare_streams() -> None:
    # The log shows each line when it is printed, and no character can break a print.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, write_through=True, errors="backslashreplace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # Closed by the user's code, or a full disk behind it: nobody is left to tell.
            continue


def _log(line: str) -> None:
    print(f"tradewind: {line}", flush=True)
