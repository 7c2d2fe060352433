"""Volumes: claims that outlive a pod, and places that go with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tradewind.dsl.channel import Channel
from tradewind.dsl.container import ContainerComponent
from tradewind.dsl.interface import read_interface
from tradewind.dsl.task import PipelineTask
from tradewind.ir.kubernetes import CREATE_CLAIM_IMAGE, DELETE_CLAIM_IMAGE
from tradewind.kubernetes.setting import Setting, present
from tradewind.runtime.annotations import OutputPath

__all__ = [
    "CreatePVC",
    "DeletePVC",
    "add_ephemeral_volume",
    "empty_dir_mount",
    "mount_pvc",
    "use_shared_memory",
]

ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def _create(
    name: OutputPath(str),  # type: ignore[valid-type]
    access_modes: list[str],
    size: str,
    pvc_name: str | None = None,
    pvc_name_suffix: str | None = None,
    storage_class_name: str | None = "",
    volume_name: str | None = None,
    annotations: dict[str, str] | None = None,
    data_source: dict[str, str] | None = None,
) -> None:
    """Make a persistent volume claim for later steps. Starts no pod.

    Args:
        access_modes: such as ReadWriteOnce or ReadWriteMany.
        size: storage, "5Gi".
        pvc_name: the claim's name. Give this or a suffix.
        pvc_name_suffix: end of a name that is made up for the run.
        storage_class_name: what provides the storage; "" is for a volume that exists already.
        volume_name: that volume.
        annotations: of the claim.
        data_source: a snapshot or claim to copy: apiGroup, kind and name.

    Returns:
        name: the claim's name.
    """


def _delete(pvc_name: str) -> None:
    """Delete a persistent volume claim. Starts no pod; a claim that is not there is no error.

    Args:
        pvc_name: the claim's name.
    """


def _component(func: Callable[..., Any], name: str, image: str) -> ContainerComponent:
    """A component of which the backend does the work: an image without a command."""
    func.__name__ = func.__qualname__ = name
    return ContainerComponent(read_interface(func, "container component"), image, (), (), func)


CreatePVC = _component(_create, "CreatePVC", CREATE_CLAIM_IMAGE)
DeletePVC = _component(_delete, "DeletePVC", DELETE_CLAIM_IMAGE)


def mount_pvc(
    task: PipelineTask, pvc_name: str | Channel, mount_path: str, sub_path: str = ""
) -> PipelineTask:
    """Mount a persistent volume claim.

    Args:
        pvc_name: the claim; may be a value of the run, such as the output `name` of `CreatePVC`.
        mount_path: the directory in the container.
        sub_path: directory of the volume to mount instead of all of it.
    """
    setting = Setting(task, "mount_pvc")
    entry = setting.name("pvc_name", pvc_name, "pvcNameParameter")
    sub_path = setting.text("sub_path", sub_path, empty=True)
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        setting.complain(f"sub_path {sub_path!r} is not a relative path inside the volume")
    return setting.add(
        "pvcMount", entry | present(mountPath=setting.path("mount_path", mount_path), subPath=sub_path)
    )


def add_ephemeral_volume(
    task: PipelineTask,
    volume_name: str,
    mount_path: str,
    access_modes: Sequence[str],
    size: str,
    storage_class_name: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> PipelineTask:
    """Mount a volume of the pod's own, made from a claim that goes with the pod.

    Args:
        volume_name: the volume in the pod.
        mount_path: the directory in the container.
        access_modes: such as ReadWriteOnce.
        size: storage, "5Gi".
        storage_class_name: what provides the storage; None: the cluster's default.
        labels, annotations: of the claim.
    """
    setting = Setting(task, "add_ephemeral_volume")
    if isinstance(access_modes, str) or not access_modes:
        message = f"access_modes expects a list of {', '.join(ACCESS_MODES)}; got {access_modes!r}"
        setting.complain(message, also=ValueError if isinstance(access_modes, list) else TypeError)
        access_modes = ()
    metadata = present(
        labels=setting.texts("labels", labels or {}),
        annotations=setting.texts("annotations", annotations or {}),
    )
    entry = present(
        volumeName=setting.text("volume_name", volume_name),
        mountPath=setting.path("mount_path", mount_path),
        accessModes=[setting.choice("access_modes", mode, ACCESS_MODES) for mode in access_modes],
        size=setting.text("size", size),
        defaultStorageClass=storage_class_name is None,
        storageClassName=setting.text("storage_class_name", storage_class_name or "", empty=True),
        metadata=metadata,
    )
    return setting.add("genericEphemeralVolume", entry)


def empty_dir_mount(
    task: PipelineTask,
    volume_name: str,
    mount_path: str,
    medium: str | None = None,
    size_limit: str | None = None,
) -> PipelineTask:
    """Mount an empty directory that goes with the pod.

    Args:
        volume_name: the volume in the pod.
        mount_path: the directory in the container.
        medium: "Memory" or "HugePages"; None: the node's disk.
        size_limit: "5Gi"; None: no limit.
    """
    setting = Setting(task, "empty_dir_mount")
    entry = present(
        volumeName=setting.text("volume_name", volume_name), mountPath=setting.path("mount_path", mount_path)
    )
    for field, argument, value in (("medium", "medium", medium), ("sizeLimit", "size_limit", size_limit)):
        if value is not None:
            entry[field] = setting.text(argument, value, empty=True)
    return setting.add("emptyDirMounts", entry)


def use_shared_memory(task: PipelineTask, size: str = "", volume_name: str = "shm") -> PipelineTask:
    """Make `/dev/shm` as large as needed; containers have 64 MiB of it otherwise. Not in KFP's SDK.

    Args:
        size: "8Gi"; empty: as much as the pod may have memory.
        volume_name: the volume in the pod.
    """
    setting = Setting(task, "use_shared_memory")
    setting.config["enabledSharedMemory"] = present(
        volumeName=setting.text("volume_name", volume_name), size=setting.text("size", size, empty=True)
    )
    return task
