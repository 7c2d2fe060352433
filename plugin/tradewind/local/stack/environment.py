"""The settings of the stack's servers: Airflow's and MLflow's environment variables and command lines.

Everything is set by environment variables, nothing is written into `airflow.cfg`: a new version of
Tradewind brings its own settings along, and what a user puts into that file for the rest of Airflow stays
theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradewind.local.stack.home import Home

__all__ = ["RUN_BUNDLE", "USER", "Addresses", "airflow_environment", "bundle_name", "mlflow_command"]

USER = "admin"
"""The one user of the stack's Airflow."""

RUN_BUNDLE = "tradewind"
"""Name of the DAG bundle with the pipelines that `tradewind run` was given."""

_PACKAGE = "tradewind.local.stack.sqlite"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers of a stack are reached from this machine.

    Attributes:
        airflow, mlflow: base URLs without a slash at the end.
        kubeconfig: kubeconfig file of the cluster where steps run.
        context: context of it to use; empty: its current one.
    """

    airflow: str
    mlflow: str
    kubeconfig: Path
    context: str = ""


def airflow_environment(
    home: Home,
    addresses: Addresses,
    *,
    secret: str,
    dag_folders: Sequence[Path] = (),
    parallelism: int = 8,
    triggerer: bool = True,
) -> dict[str, str]:
    """Environment variables of Airflow's processes in the local stack.

    Args:
        home: where Airflow keeps its database, logs and generated secrets.
        addresses: where the servers will be.
        secret: signs the tokens with which Airflow's processes talk to one another.
        dag_folders: folders of the user's to load DAG files from.
        parallelism: how many steps run at once.
        triggerer: Airflow's triggerer is one of the processes; without it, no step may wait for it.
    """
    port = addresses.airflow.rpartition(":")[2]
    connection = {"kube_config_path": str(addresses.kubeconfig)}
    if addresses.context:
        connection["cluster_context"] = addresses.context
    settings = {
        ("core", "executor"): "LocalExecutor",
        ("core", "parallelism"): str(parallelism),
        ("core", "load_examples"): "False",
        # Iterations of a loop, over all iterations of the loops around it.
        ("core", "max_map_length"): "10000",
        ("core", "dags_are_paused_at_creation"): "False",
        ("core", "dags_folder"): str(home.dags),
        ("core", "plugins_folder"): str(home.plugins),
        ("core", "execution_api_server_url"): f"{addresses.airflow}/execution/",
        ("core", "auth_manager"): (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        ("core", "simple_auth_manager_users"): f"{USER}:admin",
        ("core", "simple_auth_manager_all_admins"): "False",
        ("core", "simple_auth_manager_passwords_file"): str(home.passwords),
        ("api", "host"): "127.0.0.1",
        ("api", "port"): port,
        ("api", "base_url"): addresses.airflow,
        ("api", "workers"): "1",
        ("api", "expose_config"): "False",
        # Airflow would make one up in each process, which then refuses the others' tokens.
        ("api_auth", "jwt_secret"): secret,
        ("database", "sql_alchemy_conn"): f"sqlite:///{home.airflow / 'airflow.db'}",
        ("database", "sql_alchemy_connect_args"): f"{_PACKAGE}.CONNECT_ARGS",
        ("database", "sql_alchemy_connect_args_async"): f"{_PACKAGE}.ASYNC_CONNECT_ARGS",
        ("dag_processor", "dag_bundle_config_list"): json.dumps(_bundles(home, dag_folders)),
        ("dag_processor", "parsing_processes"): "2",
        ("dag_processor", "bundle_refresh_check_interval"): "1",
        ("logging", "base_log_folder"): str(home.logs / "airflow"),
        # This is the pause between two steps of a pipeline: at the default of a second, a chain of short
        # steps waits more than it works.
        ("scheduler", "scheduler_idle_sleep_time"): "0.1",
        ("scheduler", "enable_health_check"): "False",
        # The supervisor of a task may notice its end only with the next heartbeat.
        ("workers", "min_heartbeat_interval"): "1",
        # After a restart the scheduler takes up tasks again before the API server answers, on a busy machine
        # by half a minute. At the default of five attempts such tasks fail. These make two minutes.
        ("workers", "execution_api_retries"): "40",
        ("workers", "execution_api_retry_wait_max"): "5",
        ("tradewind", "mlflow_tracking_uri"): addresses.mlflow,
        ("usage_data_collection", "enabled"): "False",
    }
    if not triggerer:
        settings["tradewind", "deferrable"] = "never"
    environment = dict(_inherited())
    environment |= {f"AIRFLOW__{section}__{key}".upper(): value for (section, key), value in settings.items()}
    environment["AIRFLOW_HOME"] = str(home.airflow)
    environment["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = json.dumps(
        {"conn_type": "kubernetes", "extra": connection}
    )
    # Forking after Airflow was imported, as its own executor does too, is refused by macOS unless told so.
    environment["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    return environment


def mlflow_command(home: Home, port: int) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of the stack's MLflow server.

    One worker and no job runner: the default of four workers takes 2 GB that a laptop has better uses for.
    """
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", f"sqlite:///{home.mlflow / 'mlflow.db'}?timeout=60"),
        *("--serve-artifacts", "--artifacts-destination", (home.mlflow / "artifacts").as_uri()),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
    ]
    environment = {name: value for name, value in _inherited().items() if not name.startswith("MLFLOW_")}
    environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return command, environment


def bundle_name(folder: Path) -> str:
    """Name of the DAG bundle for a folder of the user's.

    Not the path itself: Airflow joins it to the folder of its logs, and an absolute one would win.
    """
    return f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _bundles(home: Home, dag_folders: Sequence[Path]) -> list[dict[str, object]]:
    folders = {RUN_BUNDLE: home.dags} | {bundle_name(folder): folder for folder in dag_folders}
    return [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder), "refresh_interval": 1},
        }
        for name, folder in folders.items()
    ]


def _inherited() -> Mapping[str, str]:
    """The user's environment without what would point the servers at something else than this stack."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "_AIRFLOW")) and name != "MLFLOW_TRACKING_URI"
    }
