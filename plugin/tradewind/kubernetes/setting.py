"""One call of a function of this package: checks what it was given, and writes it into the task's settings.

What is wrong is noted with the task and the name of the function, and reported with everything else when the
pipeline function ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tradewind.dsl.channel import Channel, unwrap, with_tokens
from tradewind.dsl.platform import Reference
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.types import ParameterKind
from tradewind.dsl.values import json_problem
from tradewind.errors import ConfigurationError

__all__ = ["Setting", "present"]


class Setting:
    """A call that sets something.

    Args:
        task: what was given as the task.
        function: name of the function, for messages.

    Raises:
        ConfigurationError: it is no task.
    """

    def __init__(self, task: Any, function: str) -> None:
        if not isinstance(task, PipelineTask):
            raise ConfigurationError(
                f"kubernetes.{function}() expects a task, got a {type(task).__name__}.",
                remedy="Give what calling a component in a pipeline function returns.",
                also=AttributeError,
            )
        self.task = task
        self._part = f"kubernetes.{function}()"
        if not task.component.is_container:
            self.complain("is for components that run a container, not for pipelines and importers")

    @property
    def config(self) -> dict[str, Any]:
        """The task's settings so far; changes are kept."""
        config: dict[str, Any] = self.task.platform_config.setdefault("kubernetes", {})
        return config

    def add(self, field: str, entry: Mapping[str, Any]) -> PipelineTask:
        """Add an entry to a list of settings."""
        self.config.setdefault(field, []).append(dict(entry))
        return self.task

    def complain(self, message: str, remedy: str = "", also: type[Exception] = ValueError) -> None:
        self.task.trace.complain(message, task=self.task.name, part=self._part, remedy=remedy, also=also)

    # --- what was given ---

    def text(self, argument: str, value: Any, *, empty: bool = False) -> str:
        """Text that must be known now."""
        if isinstance(unwrap(value), Channel) or (
            isinstance(value, str) and self.task.trace.tokens_in(value)
        ):
            self.complain(f"{argument} cannot be a value known only at run time")
        elif not isinstance(value, str):
            message = f"{argument} expects text, got a {type(value).__name__}"
            self.complain(message, f"write {str(value)!r}", TypeError)
        elif not value and not empty:
            self.complain(f"{argument} is empty")
        else:
            return value
        return ""

    def path(self, argument: str, value: Any) -> str:
        """An absolute path in the container."""
        path = self.text(argument, value)
        if path and (not path.startswith("/") or ":" in path):
            self.complain(f"{argument} {path!r} is not an absolute path")
        return path

    def choice(self, argument: str, value: Any, allowed: Collection[str]) -> str:
        """One of several words."""
        if value not in allowed:
            self.complain(f"{argument} cannot be {value!r}", f"use one of {', '.join(allowed)}")
            return ""
        return str(value)

    def number(self, argument: str, value: Any, least: int, most: int) -> int:
        """A whole number."""
        if type(value) is not int or not least <= value <= most:
            message = f"{argument} expects a whole number from {least} to {most}, got {value!r}"
            self.complain(message, also=ValueError if type(value) is int else TypeError)
            return least
        return value

    def flag(self, argument: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.complain(f"{argument} expects True or False, got {value!r}")
        return bool(value)

    def texts(self, argument: str, value: Any) -> dict[str, str]:
        """A mapping of texts."""
        if not isinstance(value, Mapping):
            self.complain(f"{argument} expects a mapping of texts, got a {type(value).__name__}")
            return {}
        return {
            self.text(f"a key of {argument}", key): self.text(f"{argument}[{key!r}]", text, empty=True)
            for key, text in value.items()
        }

    def name(self, argument: str, value: Any, field: str, older: str = "") -> dict[str, Any]:
        """The name of an object of the cluster, which may be a value of the run.

        Args:
            field: where it goes in the entry.
            older: where older backends look for a constant.
        """
        value = unwrap(value)
        entry: dict[str, Any] = {}
        if isinstance(value, Channel):
            if not isinstance(value.kind, ParameterKind):
                self.complain(f"{argument} cannot be an artifact", "use a parameter with the name")
            entry[field] = Reference(value)
        elif not isinstance(value, str) or not value:
            self.complain(f"{argument} expects a name, got {value!r}")
        else:
            entry[field] = Reference(value)
            if older and not self.task.trace.tokens_in(value):
                entry[older] = value
        return entry

    def json(self, argument: str, value: Any, kinds: tuple[type, ...]) -> Any:
        """JSON data that may be a value of the run: a channel, or data of one of `kinds`; None: neither."""
        value = unwrap(value)
        if isinstance(value, Channel):
            if isinstance(value.kind, ParameterKind):
                return value
            self.complain(f"{argument} cannot be an artifact")
        elif not isinstance(value, kinds):
            words = " or ".join(kind.__name__ for kind in kinds)
            self.complain(f"{argument} expects a {words}, or such a value of the run; got {value!r}")
        elif problem := json_problem(with_tokens(value)):
            self.complain(f"{argument}: {problem}")
        else:
            return value
        return None


def present(**fields: Any) -> dict[str, Any]:
    """Fields that have a value: protobuf's JSON leaves out what is empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, False)}
