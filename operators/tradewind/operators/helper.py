"""An init container that brings Python to images which may have none (busybox, distroless).

The runtime fetches and keeps a step's artifacts, and it is Python. For a container component it therefore
starts with a Python of its own, copied into the step's work directory by an init container, see
`tradewind.runtime.portable`. Steps without artifacts do without: a shell is enough for small results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewind.operators.configuration import Configuration
from tradewind.operators.request import WORKDIR
from tradewind.plan.executor_input import unread_inputs
from tradewind.plan.model import Command, Step

if TYPE_CHECKING:
    from kubernetes.client import models as k8s

    from tradewind.operators.pod import StepPodOperator

__all__ = ["helper_container", "helper_image", "moves_artifacts"]

NAME = "tradewind-helper"


def helper_image(step: Step, image: str, settings: Configuration) -> str | None:
    """Return the image of the init container that a step needs, None when it needs none.

    Args:
        image: the step's own. One that is called python, whatever else is in its name, needs no help.
    """
    if not isinstance(step.action, Command) or settings.helper_for == "nothing":
        return None
    if settings.helper_for == "outputs":
        return settings.helper_image if step.output_parameters or moves_artifacts(step) else None
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return settings.helper_image if moves_artifacts(step) and "python" not in name else None


def moves_artifacts(step: Step) -> bool:
    """Say whether a step's pod has artifacts to fetch or to keep."""
    return bool(step.artifacts.keys() - unread_inputs(step) or step.output_artifacts)


def helper_container(operator: StepPodOperator, image: str) -> k8s.V1Container:
    """Return the init container, with the rights and the size of the step's own container."""
    from kubernetes.client import models as k8s

    from tradewind.runtime.shipping import helper_init_command

    mount = next(each for each in operator.volume_mounts if each.mount_path.rstrip("/") == WORKDIR)
    command = helper_init_command()
    return k8s.V1Container(
        name=NAME,
        image=image,
        image_pull_policy=operator.image_pull_policy,
        command=command[:1],
        args=command[1:],
        volume_mounts=[mount],
        resources=_small(operator.container_resources),
        security_context=operator.container_security_context,
    )


def _small(given: k8s.V1ResourceRequirements | None) -> k8s.V1ResourceRequirements | None:
    """The step's own requests and limits, which a quota may ask of every container; no accelerators."""
    if given is None:
        return None

    from kubernetes.client import models as k8s

    def kept(amounts: dict[str, Any] | None) -> dict[str, Any]:
        return {name: amount for name, amount in (amounts or {}).items() if name in ("cpu", "memory")}

    return k8s.V1ResourceRequirements(requests=kept(given.requests), limits=kept(given.limits))
