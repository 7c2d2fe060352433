"""What `dsl.run_notebook` does in a step: it runs the component's notebook and keeps what became of it.

It replaces the helper that the compiled source brings along, ours or that of KFP's SDK, so both keep their
notebooks: below `notebooks/` where the step keeps its outputs, which in MLflow is the step's run.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Callable

from tradewind.runtime.failures import OutputError, StoreError, UnavailableError
from tradewind.runtime.notebook import run_notebook
from tradewind.runtime.stores import Stores

__all__ = ["bind"]

# Names that KFP's SDK gives to what it puts into the source; ours has the same.
FOLDER, FILE = "__KFP_EMBEDDED_ASSET_DIR", "__KFP_NOTEBOOK_REL_PATH"


def bind(
    scope: dict[str, Any], root: str, stores: Stores, scratch: str, log: Callable[[str], object]
) -> None:
    """Let the component's function run its notebook.

    Args:
        scope: globals of the component's module.
        root: URI below which the step keeps what it makes; empty: there is no such place.
        stores: the artifact stores.
        scratch: an existing directory.
        log: gets a line for each file that is kept.
    """
    import kfp.dsl

    runs = []

    def run(**parameters: Any) -> None:
        runs.append(parameters)
        path = os.path.join(scope[FOLDER], scope[FILE])
        name = os.path.splitext(os.path.basename(path))[0] + (f"-{len(runs)}" if len(runs) > 1 else "")
        finished = False

        def keep(notebook: Any) -> None:
            try:
                _keep(notebook, name, root, stores, scratch, log)
            except StoreError as error:
                if finished and isinstance(error, UnavailableError):
                    raise
                if finished:
                    raise OutputError(f"The notebook {name!r}: {error.message}", type=error.type) from error
                # The notebook's own failure is what has to be told.
                log(f"warning: the notebook {name!r} could not be kept: {error.message}")

        last: list[Any] = []
        try:
            run_notebook(path, parameters, last.append)
            finished = True
        finally:
            for notebook in last:
                keep(notebook)

    kfp.dsl.run_notebook = run
    scope["run_notebook"] = run


def _keep(
    notebook: Any, name: str, root: str, stores: Stores, scratch: str, log: Callable[[str], object]
) -> None:
    from tradewind.runtime.notebook_html import page

    if not root:
        log(f"the notebook {name!r} is not kept: the step has no place for artifacts")
        return
    texts = {
        f"{name}.ipynb": importlib.import_module("nbformat").writes(notebook) + "\n",
        f"{name}.html": page(notebook, name),
    }
    for file, text in texts.items():
        path = os.path.join(scratch, file)
        with open(path, "w", encoding="utf-8") as target:
            target.write(text)
        uri = stores.store(root).child(root, f"notebooks/{file}")
        stores.upload(path, uri)
        log(f"kept the notebook at {uri}")
