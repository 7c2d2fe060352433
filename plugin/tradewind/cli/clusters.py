"""`--cluster`: the embedded one, a kubeconfig file, or a context of the user's own kubeconfig."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.cli.exits import UsageError
from tradewind.errors import ConfigurationError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, CoreV1Api

__all__ = ["ClusterChoice", "choose_cluster", "client_of", "core_api_of"]


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """A cluster of the user's.

    Attributes:
        kubeconfig: its kubeconfig file.
        context: context in it; empty: the current one.
    """

    kubeconfig: Path
    context: str = ""

    @property
    def connection_id(self) -> str:
        """Id of the Airflow connection for it."""
        return "tradewind_" + re.sub(r"\W+", "_", self.context or self.kubeconfig.name).strip("_")

    @property
    def extra(self) -> dict[str, Any]:
        """What that connection holds, in the words of Airflow's Kubernetes provider."""
        extra = {"kube_config_path": str(self.kubeconfig)}
        return extra | {"cluster_context": self.context} if self.context else extra


def choose_cluster(name: str) -> ClusterChoice | None:
    """The cluster that `--cluster` means; None for the one that the stack has, the embedded one by default.

    Raises:
        UsageError: there is no such file and no such context.
    """
    if name in ("", "embedded"):
        return None
    file = Path(name).expanduser()
    if file.is_file():
        _contexts(file)
        return ClusterChoice(file.absolute())
    standard = Path(os.environ.get("KUBECONFIG", "").split(":")[0] or "~/.kube/config").expanduser()
    contexts = _contexts(standard) if standard.is_file() else []
    if name in contexts:
        return ClusterChoice(standard.absolute(), name)
    near = difflib.get_close_matches(name, contexts, n=1)
    known = f"the contexts in {standard} are: {', '.join(contexts)}" if contexts else f"{standard} holds none"
    remedy = f"Did you mean {near[0]!r}?" if near else f"Give the path of a kubeconfig; {known}."
    raise UsageError(f"--cluster {name}: neither a file nor a context of a kubeconfig", remedy=remedy)


def client_of(kubeconfig: Path, context: str = "") -> ApiClient:
    """Return a client for the cluster of a kubeconfig.

    Args:
        context: of that file; empty: its current one.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    from kubernetes.config import ConfigException, new_client_from_config

    try:
        client = new_client_from_config(str(kubeconfig), context=context or None)
    except (ConfigException, OSError) as error:
        raise ConfigurationError(
            f"{kubeconfig}: {error}", remedy="Give a kubeconfig that kubectl can use."
        ) from error
    client.configuration.retries = False
    return client


def core_api_of(kubeconfig: Path, context: str = "") -> tuple[CoreV1Api, str]:
    """Return a client for pods as `client_of` does, and the namespace that the kubeconfig names.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    from kubernetes.client import CoreV1Api
    from kubernetes.config import list_kube_config_contexts

    api = CoreV1Api(client_of(kubeconfig, context))
    contexts, current = list_kube_config_contexts(str(kubeconfig))
    chosen = next((each for each in contexts if each["name"] == context), current)
    return api, str(chosen["context"].get("namespace") or "default")


def _contexts(kubeconfig: Path) -> list[str]:
    import yaml

    try:
        document = yaml.safe_load(kubeconfig.read_text())
        return [str(entry["name"]) for entry in document["contexts"]]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        message = f"--cluster: {kubeconfig} is not a kubeconfig: {type(error).__name__}"
        raise UsageError(message, remedy="Give a file that kubectl can use.") from error
