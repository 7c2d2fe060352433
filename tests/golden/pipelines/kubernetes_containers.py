"""Labels, image, time, user, facts about the pod."""

from kfp import dsl, kubernetes


@dsl.component
def work() -> str:
    return "done"


@dsl.container_component
def shell():
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", "echo $POD"])


@dsl.pipeline
def containers():
    task = work()
    kubernetes.add_pod_label(task, label_key="team", label_value="growth")
    kubernetes.add_pod_label(task, "app.example/part", "")
    kubernetes.add_pod_annotation(task, annotation_key="note", annotation_value="two words")
    kubernetes.set_image_pull_policy(task, "Always")
    kubernetes.set_image_pull_secrets(task, ["registry", "mirror"])
    kubernetes.set_image_pull_secrets(task, secret_names=["third"])
    kubernetes.set_timeout(task, 3600)
    kubernetes.set_security_context(task, run_as_user=1000, run_as_group=0)
    kubernetes.set_security_context(task, run_as_non_root=True)
    again = shell()
    kubernetes.set_timeout(again, 20)
    kubernetes.set_timeout(again, 0)
    kubernetes.set_image_pull_policy(again, "IfNotPresent")
    kubernetes.use_field_path_as_env(again, env_name="POD", field_path="metadata.name")
    kubernetes.use_field_path_as_env(again, "TEAM", "metadata.labels['team']")
