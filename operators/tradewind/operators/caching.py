"""Whether a step's result is known already.

A step's key covers everything that decides its result: what it runs (code, packages, command, image), with
which environment and volumes, on which inputs, for which outputs. Input artifacts count by content, not by
the run that made them, so a step whose input was made again but came out the same is a hit. The key holds
nothing of the run itself.

What a key cannot say is judged when an entry is found: its age, whether its artifacts are still there, and
whether the image's name still stands for what it stood for (as far as pods have shown since).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tradewind.artifacts import CacheEntry, CacheIndex
from tradewind.errors import TradewindError
from tradewind.operators.configuration import configuration
from tradewind.operators.inputs import StepInputs
from tradewind.operators.pod_facts import pod_facts
from tradewind.operators.run_options import RunOptions
from tradewind.operators.settings import RunSettings
from tradewind.operators.storage import cache_root, store_environment

if TYPE_CHECKING:
    from tradewind.plan.model import Step

__all__ = ["VERSION", "StepCache", "cache_key", "digest_of"]

VERSION = 2
"""Changes when what a key means changes; entries of other versions are never found."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def cache_key(step: Step, inputs: StepInputs, facts: Mapping[str, Any]) -> str:
    """Return the key of a step's result, in hexadecimal.

    Args:
        inputs: as they were resolved.
        facts: image, environment and whatever else of the pod decides the result; see `pod_facts`.
    """
    if step.cache.key:
        about: dict[str, Any] = {"component": step.component, "key": step.cache.key}
    else:
        about = {
            "action": [type(step.action).__name__, asdict(step.action)],
            "pod": dict(facts),
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
        if step.task_config is not None and step.container is not None:
            about["task_config"] = asdict(step.container.resources)  # a value for the component
    text = json.dumps({"version": VERSION, **about}, sort_keys=True, separators=(",", ":"), default=_data)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(image_id: str) -> str:
    """Return the digest in an image's name or in a container's `imageID`, empty when there is none."""
    found = _DIGEST.findall(image_id)
    return found[-1] if found else ""


@dataclass(frozen=True, slots=True)
class StepCache:
    """The cache's place for one step's result. A cache that is away is as good as an empty one.

    Attributes:
        root: below which the index lies.
        key: see `cache_key`.
        component: for people who look at the cache.
        image: as the pod would be given it.
        read: False: results are only kept, for later runs.
        ttl: age in seconds from which a result no longer counts; None: never.
    """

    root: str
    key: str
    component: str
    image: str
    read: bool = True
    ttl: float | None = None

    @classmethod
    def of(
        cls,
        step: Step,
        pipeline: RunSettings,
        inputs: StepInputs,
        pod: Mapping[str, Any],
        operator: Any = None,
        context: Any = None,
        platform: Mapping[str, Any] | None = None,
    ) -> StepCache | None:
        """Return the step's place, None when it is not to be cached or there is no artifact store.

        Args:
            pod: the step's pod arguments.
            operator, context: render the templates that the DAG's author put into them.
            platform: what kfp-kubernetes says about the pod.
        """
        if step.container is None or not step.cache.enabled:
            return None
        settings = configuration()
        wanted = settings.caching if pipeline.caching is None else pipeline.caching
        asked = RunOptions.of(context["dag_run"] if context else None).caching
        root = cache_root(pipeline)
        # A run that is told to use no earlier results still makes some that later ones may use.
        if root is None or not (wanted or asked):
            return None
        facts = pod_facts(step, pod, operator, context, platform or {})
        return cls(
            root,
            cache_key(step, inputs, facts),
            component=step.component,
            image=str(facts["image"]),
            read=asked is not False,
            ttl=settings.cache_ttl if pipeline.cache_ttl is None else pipeline.cache_ttl,
        )

    def lookup(self, log: Any) -> dict[str, Any] | None:
        """Return the XCom of a step whose result is known, None when it is not."""
        if not self.read:
            return None
        try:
            index = CacheIndex(self.root, store_environment(self.root))
            entry = index.lookup(self.key)
            if entry is None:
                return None
            why_not = self._why_not(index, entry)
        except TradewindError as error:
            log.warning("The step cache cannot be read, the step runs: %s", error)
            return None
        if why_not:
            log.info("An earlier result is not used: %s", why_not)
            return None
        value = entry.value
        source = value.get("source") or {}
        log.info("The step is cached: its result was made by run %s", source.get("run"))
        return {"parameters": value["parameters"], "artifacts": value["artifacts"], "cached_from": source}

    def _why_not(self, index: CacheIndex, entry: CacheEntry) -> str:
        age = time.time() - entry.stored
        if self.ttl is not None and age > self.ttl:
            return f"it is {age:.0f} s old, and counts for {self.ttl:.0f} s"
        image, digest = entry.value.get("image") or "", entry.value.get("image_digest") or ""
        if digest and not digest_of(image) and index.image(image) not in (None, digest):
            return f"the image {image} is another one by now"
        if not index.is_whole(entry):
            return "its artifacts are no longer there"
        return ""

    def store(
        self, result: Mapping[str, Any], source: Mapping[str, str], log: Any, image_id: str = ""
    ) -> None:
        """Keep a result.

        Args:
            image_id: what the pod's status says about the image that it ran.
        """
        digest = digest_of(image_id)
        entry = {
            "parameters": result["parameters"],
            "artifacts": result["artifacts"],
            "source": dict(source),
            "component": self.component,
            "image": self.image,
            "image_digest": digest or None,
        }
        try:
            index = CacheIndex(self.root, store_environment(self.root))
            index.store(self.key, entry)
            if digest and not digest_of(self.image) and index.image(self.image) != digest:
                index.remember_image(self.image, digest)
        except TradewindError as error:
            log.warning("The step's result could not be cached: %s", error)


def _content(reference: Mapping[str, Any]) -> dict[str, Any]:
    # An imported artifact has no digest: its URI stands for its content, or URI and run if it is reimported.
    return {
        "type": reference.get("type"),
        "metadata": reference.get("metadata"),
        "content": reference.get("digest") or reference.get("uri"),
        **({"imported": reference["imported"]} if "imported" in reference else {}),
    }


def _plain(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(output) for name, output in declared.items()}


def _data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON data")
