"""Runs a Jupyter notebook with parameters, as papermill does, and keeps what became of it.

Parameters become a cell of their own behind the cell tagged `parameters`, or at the top. What cells print is
in the step's log while they run. The executed notebook is handed over whatever happens: that of a run that
failed is the one that people want to see.

The compiled source of a notebook component holds the text of this module, for backends that do not bring it
along, so it imports nothing of ours. The kernel is the Python that runs this, found by a kernel specification
of its own: it needs neither an installed one nor a home directory.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tempfile
from typing import Any, Callable

__all__ = ["run_notebook"]

INJECTED, PARAMETERS = "injected-parameters", "parameters"
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def run_notebook(
    path: str, parameters: dict[str, Any], keep: Callable[[Any], object] = lambda notebook: None
) -> None:
    """Run a notebook from its first cell to its last.

    Args:
        path: the `.ipynb` file; cells run in its directory.
        parameters: JSON values by name.
        keep: gets the notebook as it is in the end, also when a cell failed.

    Raises:
        RuntimeError: a cell failed, or the notebook cannot be run at all.
        TypeError: a parameter is no JSON value.
    """
    try:
        nbclient, nbformat = importlib.import_module("nbclient"), importlib.import_module("nbformat")
        # The kernel is a process of its own, which would only say later that it is missing.
        importlib.import_module("ipykernel")
    except ImportError as error:
        raise RuntimeError(
            f"{error}: notebooks need nbclient and ipykernel in packages_to_install"
        ) from error
    notebook = nbformat.read(path, as_version=4)
    if parameters:
        insert_parameters(notebook, nbformat.v4.new_code_cell(assignments(parameters)))
    folder, name = os.path.split(os.path.abspath(path))
    with tempfile.TemporaryDirectory() as scratch:
        own_kernel(scratch)
        client = streaming(nbclient.NotebookClient)(
            notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            number = failed_cell(notebook)
            raise RuntimeError(f"{name}, cell {number}: {error.ename}: {error.evalue}") from None
        except nbclient.exceptions.DeadKernelError as error:
            raise RuntimeError(f"{name}: the notebook's Python died, perhaps for want of memory") from error
        finally:
            keep(notebook)


def assignments(parameters: dict[str, Any]) -> str:
    """The source of the cell that sets the parameters."""
    lines = []
    for name, value in parameters.items():
        if not name.isidentifier():
            raise TypeError(f"{name!r} is no name of a variable")
        text = json.dumps(value)
        plain = json.loads(text)
        # JSON knows more numbers than Python has words for.
        special = re.search(r"\b(?:NaN|Infinity)\b", text)
        lines.append(f"{name} = __import__('json').loads({text!r})" if special else f"{name} = {plain!r}")
    return "\n".join(["# Parameters", *lines])


def insert_parameters(notebook: Any, cell: Any) -> None:
    """Put the cell in the place of an earlier one, else behind the defaults, else at the top."""
    cell.metadata["tags"] = [INJECTED]
    tags = [each.metadata.get("tags") or [] for each in notebook.cells]
    for index, given in enumerate(tags):
        if INJECTED in given:
            notebook.cells[index] = cell
            return
    defaults = [index for index, given in enumerate(tags) if PARAMETERS in given]
    notebook.cells.insert(defaults[0] + 1 if defaults else 0, cell)


def own_kernel(folder: str) -> None:
    """Make this very Python the kernel `python3`, with all its files below `folder`."""
    place = os.path.join(folder, "kernels", "python3")
    os.makedirs(place)
    paths = [entry for entry in sys.path if entry.endswith(".runtime")]
    inherited = os.environ.get("PYTHONPATH")
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        # `import kfp` works in the notebook where it works in the step.
        "env": {"PYTHONPATH": os.pathsep.join([*paths, *([inherited] if inherited else [])])},
    }
    with open(os.path.join(place, "kernel.json"), "w", encoding="utf-8") as file:
        json.dump(spec, file)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("JUPYTER_PATH")]))
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        os.environ.setdefault(variable, tempfile.mkdtemp())


def streaming(client: Any) -> Any:
    """Return the notebook client's class, with the outputs of cells shown as they come."""

    class Streaming(client):  # type: ignore[misc]
        def process_message(self, message: Any, cell: Any, index: int) -> Any:
            output = super().process_message(message, cell, index)
            kind, content = message.get("msg_type"), message.get("content", {})
            if kind == "stream":
                stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
                stream.write(content.get("text", ""))
                stream.flush()
            elif kind == "error":
                print(ANSI.sub("", "\n".join(content.get("traceback", ()))), file=sys.stderr, flush=True)
            elif kind in ("display_data", "execute_result"):
                print(content.get("data", {}).get("text/plain", ""), flush=True)
            return output

    return Streaming


def failed_cell(notebook: Any) -> int:
    """The number of the cell that failed, from 1."""
    for number, cell in enumerate(notebook.cells, 1):
        if any(output.get("output_type") == "error" for output in cell.get("outputs", ())):
            return number
    return 0
