"""A volume claim that is made, used by two steps and deleted when they are done."""

from kfp import dsl, kubernetes


@dsl.component
def write(path: str):
    with open(path, "w") as file:
        file.write("hello")


@dsl.component
def read(path: str) -> str:
    with open(path) as file:
        return file.read()


@dsl.pipeline
def shared_volume(claim: str = "archive"):
    made = kubernetes.CreatePVC(
        pvc_name_suffix="-shared",
        access_modes=["ReadWriteMany"],
        size="1Gi",
        storage_class_name="standard",
        annotations={"purpose": "test"},
    )
    kubernetes.CreatePVC(
        pvc_name="copy",
        access_modes=["ReadWriteOnce"],
        size="2Gi",
        data_source={"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "old"},
        volume_name="volume-1",
    )
    writing = write(path="/data/text")
    kubernetes.mount_pvc(writing, pvc_name=made.outputs["name"], mount_path="/data")
    reading = read(path="/data/text").after(writing)
    kubernetes.mount_pvc(reading, pvc_name=made.outputs["name"], mount_path="/data", sub_path="")
    kubernetes.mount_pvc(reading, pvc_name=claim, mount_path="/archive", sub_path="old/texts")
    kubernetes.mount_pvc(reading, pvc_name="fixed", mount_path="/fixed")
    kubernetes.DeletePVC(pvc_name=made.outputs["name"]).after(reading)
