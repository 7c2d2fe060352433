"""What a step shows of its pod's log: which containers, in what form, and whose code takes part in it.

KubernetesPodOperator has half a dozen arguments about this. A worker that watches its pod goes by all of
them; a trigger knows only what can be written down, so where the author's own code takes part (callbacks, a
formatter), the worker that goes on after the trigger shows the log instead.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback

from tradewind.cluster.log_lines import LogCursor
from tradewind.cluster.logs import LogFollower
from tradewind.cluster.observation import LOG_SECONDS, UNREAD
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.statuses import container_names, has_started

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    from tradewind.operators.trigger_log import Shown

__all__ = ["PodLog"]


class PodLog:
    """Shows the log of one pod.

    Args:
        operator: with the author's arguments.
        author: names of the arguments that the author gave.
        call_back: calls a hook of the author's callbacks.
    """

    def __init__(
        self, operator: KubernetesPodOperator, author: Collection[str], call_back: Callable[..., None]
    ) -> None:
        self._operator = operator
        self._author = author
        self._call_back = call_back
        self._warned: set[str] = set()

    @property
    def wanted(self) -> list[str] | Literal["all"]:
        """Containers whose logs are shown."""
        operator = self._operator
        shown = _names(operator.container_logs) if operator.get_logs else []
        before = _names(operator.init_container_logs)
        if True in (shown, before):
            return "all"
        return [*(shown or []), *(before or [])]  # type: ignore[misc]

    @property
    def bare(self) -> str | None:
        """The container whose lines are shown without its name before them; None: all of them."""
        operator = self._operator
        if not operator.container_name_log_prefix_enabled:
            return None
        asked = "container_name_log_prefix_enabled" in self._author
        return operator.container_logs if isinstance(operator.container_logs, str) and not asked else ""

    @property
    def needs_worker(self) -> bool:
        """Say whether the author's own code takes part."""
        operator = self._operator
        unchanged = KubernetesPodOperatorCallback.progress_callback
        own = any(callback.progress_callback is not unchanged for callback in operator.callbacks)
        return own or operator._progress_callback is not None or operator.log_formatter is not None

    def show(self, container: str, line: str) -> None:
        """Show a line, whatever the author's code makes of it."""
        operator = self._operator
        text = line if self.bare in (None, container) else f"[{container}] {line}"
        if operator.log_formatter is not None:
            with self._warning("log_formatter", "lines are shown as they are"):
                text = operator.log_formatter(container, line)
        operator.log.info("%s", text)
        if operator._progress_callback is not None:
            with self._warning("progress_callback", "the log goes on"):
                operator._progress_callback(line)
        with self._warning("progress_callback of the callbacks", "the log goes on"):
            self._call_back("progress_callback", line=line, container_name=container, timestamp=None)

    @contextlib.contextmanager
    def _warning(self, name: str, instead: str) -> Iterator[None]:
        """Keep an error of the author's code from the log; say so once, not for every line."""
        try:
            yield
        except Exception:
            if name not in self._warned:
                self._warned.add(name)
                self._operator.log.warning("%s failed, %s", name, instead, exc_info=True)

    def show_left(self, pods: Pods, pod: Pod, left: Shown) -> tuple[str, ...]:
        """Show what a trigger has left of the logs of a pod that has ended; returns the last lines of the
        step's own.
        """
        if self.needs_worker:
            left = dict.fromkeys(container_names(pod) if self.wanted == "all" else self.wanted)
        tail: tuple[str, ...] = ()
        for name, shown in left.items():
            if not has_started(pod, name):
                continue
            cursor = LogCursor(*shown) if shown else LogCursor()
            follower = LogFollower(
                pods, pod["metadata"]["name"], name, functools.partial(self.show, name), cursor
            )
            follower.start()
            if not follower.finish(LOG_SECONDS):
                self.show(name, UNREAD)
            if name == self._operator.base_container_name:
                tail = tuple(follower.tail)
        return tail


def _names(containers: Any) -> list[str] | bool:
    """`container_logs` in KubernetesPodOperator's spellings: None, a name, names, True for all."""
    if isinstance(containers, bool) or containers is None:
        return containers or []
    return [containers] if isinstance(containers, str) else list(containers)
