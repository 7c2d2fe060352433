"""Components that run a container: any command line, or a Python function that is put into one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value

from tradewind.dsl import command
from tradewind.dsl.base import BaseComponent
from tradewind.dsl.interface import Interface, also_of, read_interface
from tradewind.dsl.placeholders import Placeholder, placeholder_for, render
from tradewind.dsl.source import component_source
from tradewind.dsl.task_config import TaskConfigField, TaskConfigPassthrough
from tradewind.dsl.values import assign, text_problem
from tradewind.errors import InvalidPipelineError, Problem
from tradewind.ir import executors

__all__ = ["ContainerComponent", "ContainerSpec", "PythonComponent", "component", "container_component"]

DEFAULT_IMAGE = "python:3.11"


@dataclass
class ContainerSpec:
    """What a container component runs.

    Attributes:
        image: the container image; may be an argument of the function, or hold some.
        command: replaces the image's entry point; texts and placeholders.
        args: follow the command.
    """

    image: str | Placeholder
    command: Sequence[Any] | None = None
    args: Sequence[Any] | None = None


class ContainerComponent(BaseComponent):
    """A component made with `@dsl.container_component`; also the base of Python components.

    Attributes:
        container: the container as the IR has it, without a task's settings. Never to be changed.
        pipeline_func: the decorated function; None: there is none.
    """

    is_container = True
    pipeline_func: Callable[..., Any] | None = None

    def __init__(
        self,
        interface: Interface,
        image: str,
        command: Sequence[str],
        args: Sequence[str],
        func: Callable[..., Any],
        passthroughs: Sequence[TaskConfigPassthrough] = (),
    ) -> None:
        super().__init__(interface)
        self.pipeline_func = func
        self.passthroughs = tuple(passthroughs)
        self.proto.task_config_passthroughs.extend(each.to_proto() for each in passthroughs)
        self.container = Value()
        parts = {"image": image, "command": list(command), "args": list(args)}
        assign(self.container, {name: part for name, part in parts.items() if part})

    @property
    def container_spec(self) -> executors.ContainerSpec:
        content = executors.plain(self.container)
        return json_format.ParseDict(content, executors.ContainerSpec())


class PythonComponent(ContainerComponent):
    """A component made with `@dsl.component`.

    Attributes:
        python_func: the decorated function, to call it as it is.
    """

    @property
    def python_func(self) -> Callable[..., Any]:
        assert self.pipeline_func is not None, "Python components are made of functions"
        return self.pipeline_func


def container_component(func: Callable[..., Any]) -> ContainerComponent:
    """Make a component of a function that returns a `ContainerSpec`.

    Raises:
        InvalidPipelineError: the signature or the command line is wrong.
    """
    interface = read_interface(func, "container component")
    source = f"container component '{func.__name__}'"
    problems: list[Problem] = []
    arguments: dict[str, Any] = {}
    for name, slot in interface.slots.items():
        try:
            arguments[name] = placeholder_for(name, slot)
        except ValueError as error:
            problems.append(Problem(f"{source}, argument '{name}'", str(error)))
    if problems:
        raise InvalidPipelineError(source, problems)
    try:
        spec = func(**arguments)
    except ValueError as error:
        raise InvalidPipelineError(source, [Problem(source, str(error), also=also_of(error))]) from error
    if not isinstance(spec, ContainerSpec):
        message, remedy = f"returns a {type(spec).__name__}", "return dsl.ContainerSpec(image=..., ...)"
        raise InvalidPipelineError(source, [Problem(source, message, remedy, AttributeError)])
    rendered: dict[str, list[str]] = {"command": [], "args": []}
    for part, lines in rendered.items():
        for index, element in enumerate(getattr(spec, part) or ()):
            try:
                lines.append(render(element, frozenset(interface.inputs)))
            except (ValueError, TypeError) as error:
                place = f"{source}, {part}[{index}]"
                problems.append(Problem(place, str(error), also=also_of(error)))
    image: Any = spec.image.text if type(spec.image) is Placeholder else spec.image
    if not isinstance(image, str) or not image:
        message, also = ("is no text", TypeError) if image else ("is not given", ValueError)
        problems.append(Problem(f"{source}, image", message, also=also))
    elif problem := _text_problem(image):
        problems.append(Problem(f"{source}, image", problem))
    if not any(rendered.values()):
        message = "command and args are both empty, and the image's own entry point is never used"
        problems.append(Problem(source, message, "say what to run"))
    if problem := _text_problem(*rendered["command"], *rendered["args"]):
        problems.append(Problem(source, f"in its command line, {problem}"))
    if problems:
        raise InvalidPipelineError(source, problems)
    return ContainerComponent(interface, image, rendered["command"], rendered["args"], func)


def component(
    func: Callable[..., Any] | None = None,
    *,
    base_image: str | None = None,
    target_image: str | None = None,
    packages_to_install: Sequence[str] | None = None,
    pip_index_urls: Sequence[str] | None = None,
    output_component_file: str | None = None,
    install_kfp_package: bool = True,
    kfp_package_path: str | None = None,
    pip_trusted_hosts: Sequence[str] | None = None,
    use_venv: bool = False,
    additional_funcs: Sequence[Callable[..., Any]] | None = None,
    embedded_artifact_path: str | None = None,
    task_config_passthroughs: Sequence[TaskConfigPassthrough | TaskConfigField] | None = None,
) -> Any:
    """Make a component of a Python function. All arguments are KFP's, with KFP's meaning.

    Args:
        func: the function; its arguments and return value are annotated.
        base_image: image that the function runs in; default `python:3.11`.
        target_image: the function lies in this image already; nothing of its source travels.
        packages_to_install: requirements, as for pip.
        pip_index_urls: package indexes; the first one replaces PyPI.
        pip_trusted_hosts: hosts whose certificates are not checked; None: the index URLs.
        output_component_file: also write the compiled component to this file.
        install_kfp_package, kfp_package_path, use_venv: matter on Kubeflow only; we never install KFP.
        additional_funcs: functions that `func` calls.
        embedded_artifact_path: file or directory that travels with the source, for `dsl.EmbeddedInput`.
        task_config_passthroughs: what of the task's settings the component hands on to a workload of its own.

    Raises:
        InvalidPipelineError: the signature or source is wrong; lists all problems.
    """
    if func is None:
        return functools.partial(
            component,
            base_image=base_image,
            target_image=target_image,
            packages_to_install=packages_to_install,
            pip_index_urls=pip_index_urls,
            output_component_file=output_component_file,
            install_kfp_package=install_kfp_package,
            kfp_package_path=kfp_package_path,
            pip_trusted_hosts=pip_trusted_hosts,
            use_venv=use_venv,
            additional_funcs=additional_funcs,
            embedded_artifact_path=embedded_artifact_path,
            task_config_passthroughs=task_config_passthroughs,
        )
    return python_component(
        func,
        base_image=base_image,
        target_image=target_image,
        packages_to_install=packages_to_install,
        pip_index_urls=pip_index_urls,
        output_component_file=output_component_file,
        install_kfp_package=install_kfp_package,
        kfp_package_path=kfp_package_path,
        pip_trusted_hosts=pip_trusted_hosts,
        use_venv=use_venv,
        additional_funcs=additional_funcs,
        embedded_artifact_path=embedded_artifact_path,
        task_config_passthroughs=task_config_passthroughs,
    )


def python_component(
    func: Callable[..., Any],
    *,
    base_image: str | None,
    target_image: str | None,
    packages_to_install: Sequence[str] | None,
    pip_index_urls: Sequence[str] | None,
    output_component_file: str | None,
    install_kfp_package: bool,
    kfp_package_path: str | None,
    pip_trusted_hosts: Sequence[str] | None,
    use_venv: bool,
    additional_funcs: Sequence[Callable[..., Any]] | None,
    embedded_artifact_path: str | None,
    task_config_passthroughs: Sequence[TaskConfigPassthrough | TaskConfigField] | None,
    notebook: str | None = None,
) -> PythonComponent:
    """Make a component of a Python function. Arguments and errors are those of `component`.

    Args:
        notebook: path of a notebook in `embedded_artifact_path`, which `dsl.run_notebook` runs.
    """
    interface = read_interface(func, "component")
    _check_lists(
        func.__name__,
        packages_to_install=packages_to_install,
        pip_index_urls=pip_index_urls,
        pip_trusted_hosts=pip_trusted_hosts,
    )
    install = command.install_command(
        packages_to_install or (),
        pip_index_urls or (),
        pip_trusted_hosts,
        install_kfp=install_kfp_package and target_image is None,
        kfp_package_path=kfp_package_path,
        use_venv=use_venv,
    )
    if target_image:
        run = command.containerized_command()
    else:
        run = command.run_source_command(
            _source(func, additional_funcs or (), embedded_artifact_path, notebook)
        )
    image = target_image or base_image or DEFAULT_IMAGE
    place = f"component '{func.__name__}'"
    if not isinstance(image, str):
        problem = f"expects text, got {image!r}"
        raise InvalidPipelineError(place, [Problem(f"{place}, base_image", problem, also=TypeError)])
    if problem := _text_problem(image, *install):
        raise InvalidPipelineError(place, [Problem(place, f"in its image or its packages, {problem}")])
    passthroughs = [TaskConfigPassthrough.of(each) for each in task_config_passthroughs or ()]
    made = PythonComponent(
        interface, image, install + run, command.function_arguments(func.__name__), func, passthroughs
    )
    functools.update_wrapper(made, func)
    if output_component_file:
        _write(made, output_component_file)
    return made


def _text_problem(*texts: str) -> str | None:
    return next(filter(None, map(text_problem, texts)), None)


def _check_lists(name: str, **arguments: Any) -> None:
    """A single text in place of a list would be taken apart into its letters."""
    wrong = {
        argument: given
        for argument, given in arguments.items()
        if isinstance(given, str) or not all(isinstance(item, str) for item in given or ())
    }
    if wrong:
        place = f"component '{name}'"
        raise InvalidPipelineError(
            place,
            [
                Problem(f"{place}, {each}", f"expects a list of texts, got {given!r}", also=AttributeError)
                for each, given in wrong.items()
            ],
        )


def _source(
    func: Callable[..., Any],
    helpers: Sequence[Callable[..., Any]],
    embedded: str | None,
    notebook: str | None,
) -> str:
    try:
        text = component_source(func, helpers, embedded, notebook)
    except ValueError as error:
        place = f"component '{func.__name__}'"
        raise InvalidPipelineError(place, [Problem(place, str(error))]) from error
    if inspect.iscoroutinefunction(func):
        place = f"component '{func.__name__}'"
        raise InvalidPipelineError(
            place, [Problem(place, "is an async function", "call asyncio.run inside instead")]
        )
    return text


def _write(made: BaseComponent, path: str) -> None:
    from tradewind import ir
    from tradewind.dsl.compiler import compile

    Path(path).write_text(ir.dump(compile(made)), encoding="utf-8")
