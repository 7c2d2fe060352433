"""Notebooks as components: the function gets its inputs, runs the notebook with them and makes the outputs.

```python
@dsl.notebook_component(
    notebook_path="train.ipynb", packages_to_install=["scikit-learn", *dsl.NOTEBOOK_PACKAGES]
)
def train(rows: int, model: dsl.Output[dsl.Model]):
    dsl.run_notebook(rows=rows, model_path=model.path)
```

The notebook, or the directory that it lies in, travels with the compiled component.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tradewind.dsl.container import python_component
from tradewind.dsl.task_config import TaskConfigField, TaskConfigPassthrough
from tradewind.errors import ConfigurationError, InvalidPipelineError, Problem

__all__ = ["NOTEBOOK_PACKAGES", "notebook_component", "run_notebook"]

NOTEBOOK_PACKAGES = ("nbclient>=0.10,<1", "ipykernel>=6,<7", "jupyter_client>=7,<9")
"""What running a notebook takes; installed unless `packages_to_install` says otherwise, as in KFP."""


def notebook_component(
    func: Callable[..., Any] | None = None,
    *,
    notebook_path: str,
    base_image: str | None = None,
    packages_to_install: Sequence[str] | None = None,
    output_component_file: str | None = None,
    pip_index_urls: Sequence[str] | None = None,
    pip_trusted_hosts: Sequence[str] | None = None,
    use_venv: bool = False,
    kfp_package_path: str | None = None,
    install_kfp_package: bool = True,
    task_config_passthroughs: Sequence[TaskConfigPassthrough | TaskConfigField] | None = None,
) -> Any:
    """Make a component of a function that runs a notebook with `dsl.run_notebook(name=value, ...)`.

    Each value becomes a variable in the notebook, set behind its cell tagged `parameters` (or at the top).
    The executed notebook and a page of it are kept with the step's artifacts, also when it fails.

    Args:
        func: the function.
        notebook_path: a notebook, or a directory with one notebook and what belongs to it.
        packages_to_install: None: `NOTEBOOK_PACKAGES`; a list replaces them.
        base_image, output_component_file, pip_index_urls, pip_trusted_hosts, use_venv, kfp_package_path,
            install_kfp_package, task_config_passthroughs: as for `dsl.component`.

    Raises:
        InvalidPipelineError: there is no such notebook, or more than one; or as for `dsl.component`.
    """
    if func is None:
        return functools.partial(
            notebook_component,
            notebook_path=notebook_path,
            base_image=base_image,
            packages_to_install=packages_to_install,
            output_component_file=output_component_file,
            pip_index_urls=pip_index_urls,
            pip_trusted_hosts=pip_trusted_hosts,
            use_venv=use_venv,
            kfp_package_path=kfp_package_path,
            install_kfp_package=install_kfp_package,
            task_config_passthroughs=task_config_passthroughs,
        )
    return python_component(
        func,
        base_image=base_image,
        target_image=None,
        packages_to_install=NOTEBOOK_PACKAGES if packages_to_install is None else packages_to_install,
        pip_index_urls=pip_index_urls,
        output_component_file=output_component_file,
        install_kfp_package=install_kfp_package,
        kfp_package_path=kfp_package_path,
        pip_trusted_hosts=pip_trusted_hosts,
        use_venv=use_venv,
        additional_funcs=None,
        embedded_artifact_path=notebook_path,
        task_config_passthroughs=task_config_passthroughs,
        notebook=_notebook_in(func.__name__, Path(notebook_path)),
    )


def _notebook_in(name: str, path: Path) -> str:
    """Where the notebook lies within what travels."""
    place = f"component '{name}', notebook_path"
    if path.is_dir():
        found = sorted(
            each.relative_to(path).as_posix()
            for each in path.rglob("*.ipynb")
            if each.is_file() and ".ipynb_checkpoints" not in each.parts
        )
        if len(found) == 1:
            return found[0]
        problem = Problem(
            place, f"{path} holds {len(found)} notebooks", "name one, or a directory with exactly one"
        )
    elif path.is_file() and path.suffix.lower() == ".ipynb":
        return path.name
    elif path.exists():
        problem = Problem(place, f"{path} is no notebook", "give an .ipynb file, or a directory with one")
    else:
        problem = Problem(place, f"{path} does not exist", "relative paths start at the current directory")
    raise InvalidPipelineError(f"component '{name}'", [problem])


def run_notebook(**parameters: Any) -> NoReturn:
    """Run the component's notebook with these variables. Only works in a step of a `dsl.notebook_component`.

    Raises:
        ConfigurationError: there is no step and no notebook here.
    """
    raise ConfigurationError(
        "dsl.run_notebook runs a notebook only in a step.",
        remedy="Call it in a @dsl.notebook_component.",
        also=NotImplementedError,
    )
