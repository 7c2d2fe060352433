"""Where an embedded cluster keeps things: one directory, closed to other users."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Home", "write_private"]

MARKER = "tradewind-cluster"


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read, all at once."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(new, path)


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one cluster's state.

    Attributes:
        root: absolute; everything is below it.
    """

    root: Path

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def token_file(self) -> Path:
        return self.root / "token"

    @property
    def access(self) -> Path:
        """One file per restricted token; see `api.access`."""
        return self.root / "access"

    @property
    def server_file(self) -> Path:
        """What the running server tells about itself: `{"pid", "port"}`."""
        return self.root / "server.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def certificate(self) -> Path:
        return self.root / "server.crt"

    @property
    def private_key(self) -> Path:
        return self.root / "server.key"

    @property
    def database(self) -> Path:
        return self.root / "objects.sqlite"

    @property
    def pods(self) -> Path:
        return self.root / "pods"

    @property
    def claims(self) -> Path:
        """One directory per persistent volume claim: `<namespace>/<name>`."""
        return self.root / "claims"

    @property
    def shared(self) -> Path:
        """Seen and written by all containers, at the same path."""
        return self.root / "shared"

    @property
    def environments(self) -> Path:
        """Python environments, one per set of requirements (TRADEWIND_ENVIRONMENT_CACHE)."""
        return self.shared / "environments"

    @property
    def template(self) -> Path:
        """The bare virtual environment that containers' own are made from."""
        return self.root / "template"

    @property
    def python(self) -> Path:
        """Where a container with a mount namespace finds its own virtual environment."""
        return self.root / "python"

    def make(self) -> None:
        """Create what is missing."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root.chmod(0o700)
        (self.root / MARKER).touch()
        for directory in (self.pods, self.claims, self.environments, self.access):
            directory.mkdir(parents=True, exist_ok=True)

    def is_cluster(self) -> bool:
        """Whether this directory was made by `make`: only then may it be removed."""
        return (self.root / MARKER).exists()

    def token(self) -> str:
        """The administrator's bearer token; made once."""
        if not self.token_file.exists():
            write_private(self.token_file, secrets.token_urlsafe(32))
        return self.token_file.read_text()

    def pod(self, uid: str) -> Path:
        return self.pods / uid

    def write_kubeconfig(self, path: Path, url: str, token: str) -> None:
        """Write a kubeconfig of mode 0600 for a user with `token`."""
        name = "tradewind"
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        }
        write_private(path, json.dumps(config, indent=1) + "\n")  # JSON is YAML
