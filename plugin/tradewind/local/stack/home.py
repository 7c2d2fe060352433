"""Where the local stack keeps everything: one directory, `$TRADEWIND_HOME`.

One directory means that nothing of the user's is touched (an Airflow or MLflow of their own keeps its
files), that two stacks can stand side by side, and that deleting it is the whole of uninstalling.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tradewind.errors import ConfigurationError

__all__ = ["Home"]


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of a local stack, and the places in it.

    Attributes:
        root: absolute path; made, with mode 0700, by `create`. Its files hold the stack's secrets.
    """

    root: Path

    @classmethod
    def default(cls) -> Home:
        """`$TRADEWIND_HOME`, or `~/.tradewind`."""
        return cls(Path(os.environ.get("TRADEWIND_HOME") or "~/.tradewind").expanduser().absolute())

    @property
    def airflow(self) -> Path:
        """`AIRFLOW_HOME` of the stack."""
        return self.root / "airflow"

    @property
    def dags(self) -> Path:
        """DAG folder with one loader file per pipeline that `tradewind run` was given."""
        return self.airflow / "dags"

    @property
    def plugins(self) -> Path:
        """Airflow plugins of the stack alone."""
        return self.airflow / "plugins"

    @property
    def passwords(self) -> Path:
        """The JSON file from which Airflow's simple auth manager takes passwords."""
        return self.airflow / "passwords.json"

    @property
    def secret(self) -> Path:
        """What signs the tokens with which Airflow's processes talk to one another."""
        return self.airflow / "secret"

    @property
    def pipelines(self) -> Path:
        """Compiled pipelines and their settings, which the loader files read."""
        return self.root / "pipelines"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def logs(self) -> Path:
        """One log file per process of the stack."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """Addresses and processes of the running stack."""
        return self.root / "stack.json"

    @property
    def ports(self) -> Path:
        """The ports that were used last, so that addresses stay the same."""
        return self.root / "ports.json"

    @property
    def lock(self) -> Path:
        """Locked by the process that runs the stack, for as long as it lives."""
        return self.root / "stack.lock"

    def create(self) -> None:
        """Make the directories that are missing.

        Raises:
            ConfigurationError: they cannot be made, or not be written to.
        """
        try:
            for directory in (
                self.root,
                self.airflow,
                self.dags,
                self.plugins,
                self.pipelines,
                self.mlflow,
                self.logs,
            ):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        self.require_writable()

    def require_writable(self) -> None:
        """See whether files can be made here, or where this directory would be made.

        Raises:
            ConfigurationError: they cannot.
        """
        existing = next(path for path in (self.root, *self.root.parents) if os.path.lexists(path))
        try:
            with TemporaryDirectory(dir=existing):
                pass
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"{self.root} cannot be used: {error.strerror}",
            remedy="Set TRADEWIND_HOME to a directory that you can write to.",
        )
