"""Secrets and config maps: what the cluster keeps, as environment variables or as files.

They are only ever named. Their content is put into the pod by the cluster and never seen by anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.dsl.channel import Channel
from tradewind.dsl.task import PipelineTask
from tradewind.kubernetes.setting import Setting, present

__all__ = [
    "use_config_map_as_env",
    "use_config_map_as_volume",
    "use_secret_as_env",
    "use_secret_as_volume",
]


def use_secret_as_env(
    task: PipelineTask,
    secret_name: str | Channel,
    secret_key_to_env: Mapping[str, str],
    optional: bool = False,
) -> PipelineTask:
    """Set environment variables from keys of a secret.

    Args:
        secret_name: the secret; may be a value of the run.
        secret_key_to_env: variable by key.
        optional: the pod starts without the secret or the key, too.
    """
    setting = Setting(task, "use_secret_as_env")
    entry = setting.name("secret_name", secret_name, "secretNameParameter", "secretName")
    variables = setting.texts("secret_key_to_env", secret_key_to_env)
    pairs: Any = [present(secretKey=key, envVar=variable) for key, variable in variables.items()]
    entry |= present(keyToEnv=pairs) | {"optional": setting.flag("optional", optional)}
    return setting.add("secretAsEnv", entry)


def use_secret_as_volume(
    task: PipelineTask, secret_name: str | Channel, mount_path: str, optional: bool = False
) -> PipelineTask:
    """Mount a secret: a directory with a file for each key.

    Args:
        secret_name: the secret; may be a value of the run.
        mount_path: the directory in the container.
        optional: the pod starts without the secret, too; the directory is empty then.
    """
    setting = Setting(task, "use_secret_as_volume")
    entry = setting.name("secret_name", secret_name, "secretNameParameter", "secretName")
    entry |= present(mountPath=setting.path("mount_path", mount_path))
    return setting.add("secretAsVolume", entry | {"optional": setting.flag("optional", optional)})


def use_config_map_as_env(
    task: PipelineTask,
    config_map_name: str | Channel,
    config_map_key_to_env: Mapping[str, str],
    optional: bool = False,
) -> PipelineTask:
    """Set environment variables from keys of a config map.

    Args:
        config_map_name: the config map; may be a value of the run.
        config_map_key_to_env: variable by key.
        optional: the pod starts without the config map or the key, too.
    """
    setting = Setting(task, "use_config_map_as_env")
    entry = setting.name("config_map_name", config_map_name, "configMapNameParameter", "configMapName")
    variables = setting.texts("config_map_key_to_env", config_map_key_to_env)
    pairs: Any = [present(configMapKey=key, envVar=variable) for key, variable in variables.items()]
    entry |= present(keyToEnv=pairs) | {"optional": setting.flag("optional", optional)}
    return setting.add("configMapAsEnv", entry)


def use_config_map_as_volume(
    task: PipelineTask, config_map_name: str | Channel, mount_path: str, optional: bool = False
) -> PipelineTask:
    """Mount a config map: a directory with a file for each key.

    Args:
        config_map_name: the config map; may be a value of the run.
        mount_path: the directory in the container.
        optional: the pod starts without the config map, too; the directory is empty then.
    """
    setting = Setting(task, "use_config_map_as_volume")
    entry = setting.name("config_map_name", config_map_name, "configMapNameParameter", "configMapName")
    entry |= present(mountPath=setting.path("mount_path", mount_path))
    return setting.add("configMapAsVolume", entry | {"optional": setting.flag("optional", optional)})
