"""What only Kubernetes knows about a task: `from tradewind import kubernetes`, as from `kfp`.

The names, what they mean and what is compiled are those of kfp-kubernetes 2.17; the code is ours. Names of
secrets, config maps and volume claims, and everything that ends in `_json`, may be values of the run.
`add_pod_affinity` and `use_shared_memory` are additions: KFP's schema has them, its SDK does not.
"""

from __future__ import annotations

from tradewind.kubernetes.containers import (
    set_image_pull_policy,
    set_image_pull_secrets,
    set_security_context,
    set_timeout,
    use_field_path_as_env,
)
from tradewind.kubernetes.placement import (
    add_node_affinity,
    add_node_affinity_json,
    add_node_selector,
    add_node_selector_json,
    add_pod_affinity,
    add_pod_annotation,
    add_pod_label,
    add_toleration,
    add_toleration_json,
)
from tradewind.kubernetes.stored import (
    use_config_map_as_env,
    use_config_map_as_volume,
    use_secret_as_env,
    use_secret_as_volume,
)
from tradewind.kubernetes.volumes import (
    CreatePVC,
    DeletePVC,
    add_ephemeral_volume,
    empty_dir_mount,
    mount_pvc,
    use_shared_memory,
)

__all__ = [
    "CreatePVC",
    "DeletePVC",
    "add_ephemeral_volume",
    "add_node_affinity",
    "add_node_affinity_json",
    "add_node_selector",
    "add_node_selector_json",
    "add_pod_affinity",
    "add_pod_annotation",
    "add_pod_label",
    "add_toleration",
    "add_toleration_json",
    "empty_dir_mount",
    "mount_pvc",
    "set_image_pull_policy",
    "set_image_pull_secrets",
    "set_security_context",
    "set_timeout",
    "use_config_map_as_env",
    "use_config_map_as_volume",
    "use_field_path_as_env",
    "use_secret_as_env",
    "use_secret_as_volume",
    "use_shared_memory",
]
