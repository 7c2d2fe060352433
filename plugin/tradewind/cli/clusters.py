"""`--cluster`: the embedded one, a kubeconfig file, or a context of the user's own kubeconfig."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.cli.exits import UsageError
from tradewind.errors import ConfigurationError, UnreachableError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, CoreV1Api

__all__ = ["ClusterChoice", "ask", "choose_cluster", "client_of", "core_api_of", "version_of"]

_TIMEOUT_SECONDS = 5.0


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
        """Id of the Airflow connection for it. No other cluster has it: runs that go on look it up again."""
        name = re.sub(r"\W+", "_", self.context or self.kubeconfig.name).strip("_")
        place = hashlib.sha256(f"{self.kubeconfig} {self.context}".encode()).hexdigest()
        return f"tradewind_{name}_{place[:8]}"

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
    host = client.configuration.host
    if not host.startswith(("http://", "https://")):
        message = f"{kubeconfig}: the cluster's server is {host!r}, which is no address"
        raise ConfigurationError(message, remedy="Give a kubeconfig that kubectl can use.")
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


def version_of(client: ApiClient) -> str:
    """Ask a cluster for its version: whether it is there, and takes the credentials.

    Raises:
        UnreachableError, ConfigurationError: it does not answer, or refuses.
    """
    from kubernetes.client import VersionApi

    return str(
        ask(client, lambda: VersionApi(client).get_code(_request_timeout=_TIMEOUT_SECONDS)).git_version
    )


def ask(client: ApiClient, call: Callable[[], Any]) -> Any:
    """Make a call to the cluster, whose failures become errors of ours."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    host = client.configuration.host
    try:
        return call()
    except ApiException as error:
        message = f"{host} answers {error.status} {error.reason}"
        raise ConfigurationError(message, remedy="Check the credentials and their rights.") from error
    except HTTPError as error:
        cause = getattr(error, "reason", None) or error  # of a MaxRetryError
        message = f"{host} cannot be reached: {type(cause).__name__}"
        raise UnreachableError(message, remedy="Check the address, and that the cluster runs.") from error


def _contexts(kubeconfig: Path) -> list[str]:
    import yaml

    try:
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except OSError as error:
        raise _no_kubeconfig(kubeconfig, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _no_kubeconfig(kubeconfig, "is not text in UTF-8") from error
    except yaml.YAMLError as error:
        raise _no_kubeconfig(kubeconfig, f"is not YAML: {' '.join(str(error).split())}") from error
    contexts = document.get("contexts") if isinstance(document, dict) else None
    if not isinstance(contexts, list):
        raise _no_kubeconfig(kubeconfig, "is not a kubeconfig: it has no list of contexts")
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in contexts]
    if None in names:
        raise _no_kubeconfig(kubeconfig, "is not a kubeconfig: a context has no name")
    return [str(name) for name in names]


def _no_kubeconfig(kubeconfig: Path, what: str) -> UsageError:
    return UsageError(f"--cluster: {kubeconfig} {what}", remedy="Give a file that kubectl can use.")
