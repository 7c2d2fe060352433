"""Whether a step's result is known already.

A step's key covers everything that decides its result: what it runs (code, packages, command, image), with
which environment, on which inputs, for which outputs. Input artifacts count by content, not by the run that
made them, so a step whose input was made again but came out the same is a hit. The key holds nothing of the
run itself.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tradewind.artifacts import cache
from tradewind.errors import TradewindError
from tradewind.operators.configuration import configuration
from tradewind.operators.inputs import StepInputs
from tradewind.operators.settings import RunSettings
from tradewind.operators.storage import cache_root, store_environment
from tradewind.plan.model import Step

__all__ = ["VERSION", "StepCache", "cache_key"]

VERSION = 1
"""Changes when what a key means changes; entries of other versions are never found."""


def cache_key(step: Step, inputs: StepInputs, *, image: str, environment: Mapping[str, str]) -> str:
    """Return the key of a step's result, in hexadecimal.

    Args:
        inputs: as they were resolved.
        image: of the step's container, overrides applied.
        environment: of the step's container, overrides applied; values from secrets are not in it.
    """
    if step.cache.key:
        facts: dict[str, Any] = {"component": step.component, "key": step.cache.key}
    else:
        facts = {
            "action": [type(step.action).__name__, asdict(step.action)],
            "image": image,
            "environment": dict(environment),
            "parameters": dict(inputs.parameters),
            "defaults": {
                name: declared.default
                for name, declared in step.parameters.items()
                if declared.has_default and name not in inputs.parameters
            },
            "artifacts": {
                name: [_content(reference) for reference in references]
                for name, references in inputs.artifacts.items()
            },
            "outputs": [_plain(step.output_parameters), _plain(step.output_artifacts)],
        }
    text = json.dumps({"version": VERSION, **facts}, sort_keys=True, separators=(",", ":"), default=_data)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StepCache:
    """The cache's place for one step's result. A cache that is away is as good as an empty one."""

    root: str
    key: str

    @classmethod
    def of(
        cls, step: Step, pipeline: RunSettings, inputs: StepInputs, pod: Mapping[str, Any]
    ) -> StepCache | None:
        """Return the step's place, None when it is not to be cached or there is no artifact store.

        Args:
            pod: the step's pod arguments.
        """
        settings = configuration()
        wanted = settings.caching if pipeline.caching is None else pipeline.caching
        root = cache_root(pipeline)
        if not (wanted and step.cache.enabled and root) or step.container is None:
            return None
        given = pod.get("env_vars")
        environment = dict(step.container.env)
        if isinstance(given, Mapping):
            environment |= given
        image = str(pod.get("image") or step.container.image)
        return cls(root, cache_key(step, inputs, image=image, environment=environment))

    def lookup(self, log: Any) -> dict[str, Any] | None:
        """Return the XCom of a step whose result is known, None when it is not."""
        try:
            entry = cache.lookup(self.root, self.key, store_environment())
        except TradewindError as error:
            log.warning("The step cache cannot be read, the step runs: %s", error)
            return None
        if entry is None:
            return None
        source = entry.get("source") or {}
        log.info("The step is cached: its result was made by run %s", source.get("run"))
        return {
            "parameters": entry["parameters"],
            "artifacts": entry["artifacts"],
            "cached_from": source,
        }

    def store(self, result: Mapping[str, Any], source: Mapping[str, str], log: Any) -> None:
        """Keep a result."""
        entry = {
            "parameters": result["parameters"],
            "artifacts": result["artifacts"],
            "source": dict(source),
            "created": int(time.time()),
        }
        try:
            cache.store(self.root, self.key, entry, store_environment())
        except TradewindError as error:
            log.warning("The step's result could not be cached: %s", error)


def _content(reference: Mapping[str, Any]) -> dict[str, Any]:
    # An imported artifact has no digest: its URI stands for its content.
    return {
        "type": reference.get("type"),
        "metadata": reference.get("metadata"),
        "content": reference.get("digest") or reference.get("uri"),
    }


def _plain(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(output) for name, output in declared.items()}


def _data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON data")
