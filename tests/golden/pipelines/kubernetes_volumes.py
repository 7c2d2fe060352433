"""Volumes that go with the pod."""

from kfp import dsl, kubernetes


@dsl.component
def work() -> str:
    return "done"


@dsl.pipeline
def volumes_of_the_pod():
    task = work()
    kubernetes.empty_dir_mount(task, volume_name="scratch", mount_path="/scratch")
    kubernetes.empty_dir_mount(task, "memory", "/memory", medium="Memory", size_limit="1Gi")
    kubernetes.add_ephemeral_volume(task, "big", "/big", ["ReadWriteOnce"], "50Gi")
    kubernetes.add_ephemeral_volume(
        task,
        volume_name="fast",
        mount_path="/fast",
        access_modes=["ReadWriteOnce", "ReadOnlyMany"],
        size="10Gi",
        storage_class_name="ssd",
        labels={"team": "growth"},
        annotations={"note": "for sorting"},
    )
    kubernetes.add_ephemeral_volume(
        task, "static", "/static", ["ReadWriteOnce"], "1Gi", storage_class_name=""
    )
