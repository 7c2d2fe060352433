"""Secrets and config maps as variables and as files."""

from kfp import dsl, kubernetes


@dsl.component
def connect() -> str:
    import os

    return os.environ["USER_NAME"]


@dsl.pipeline
def secrets_and_config_maps(secret: str = "database"):
    task = connect()
    kubernetes.use_secret_as_env(
        task, secret_name="database", secret_key_to_env={"user": "USER_NAME", "password": "PASSWORD"}
    )
    kubernetes.use_secret_as_env(task, "maybe", {"token": "TOKEN"}, optional=True)
    kubernetes.use_secret_as_volume(task, secret_name=secret, mount_path="/mnt/database")
    kubernetes.use_secret_as_volume(task, "maybe", "/mnt/maybe", optional=True)
    kubernetes.use_config_map_as_env(task, "settings", {"region": "REGION"})
    kubernetes.use_config_map_as_env(task, secret, {"level": "LEVEL"}, optional=True)
    kubernetes.use_config_map_as_volume(task, config_map_name="settings", mount_path="/mnt/settings")
    kubernetes.use_config_map_as_volume(task, secret, "/mnt/more", optional=True)
