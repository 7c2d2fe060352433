"""Where pods may run."""

from kfp import dsl, kubernetes


@dsl.component
def work() -> str:
    return "done"


@dsl.pipeline
def placement():
    task = work()
    kubernetes.add_node_selector(task, label_key="gpu", label_value="a100")
    kubernetes.add_node_selector(task, "zone", "b")
    kubernetes.add_toleration(task, key="gpu", operator="Equal", value="true", effect="NoSchedule")
    kubernetes.add_toleration(task, key="spot", operator="Exists", effect="NoExecute", toleration_seconds=0)
    kubernetes.add_toleration_json(task, [{"key": "a", "operator": "Exists"}, {"key": "b", "value": "c"}])
    kubernetes.add_toleration_json(task, {"key": "d", "operator": "Exists", "toleration_seconds": 30})
    kubernetes.add_node_affinity(
        task, match_expressions=[{"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}]
    )
    kubernetes.add_node_affinity(
        task,
        match_expressions=[{"key": "spot", "operator": "DoesNotExist"}],
        match_fields=[{"key": "metadata.name", "operator": "NotIn", "values": ["bad-node"]}],
        weight=50,
    )
    constant = work()
    kubernetes.add_node_selector(constant, "gpu", "a100")
    kubernetes.add_node_selector_json(constant, {"disk": "ssd"})
    kubernetes.add_node_affinity_json(constant, {"preferredDuringSchedulingIgnoredDuringExecution": []})
    kubernetes.add_node_affinity_json(
        constant,
        {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}]
            }
        },
    )
