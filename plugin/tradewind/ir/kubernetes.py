"""The schema of kfp-kubernetes' settings: what the second document says about one executor.

The document keeps them as free-form data, and the package that brings their schema needs a Kubernetes client
that Airflow's provider cannot live with. So the messages (kfp-kubernetes 2.17) are declared here and made
into protobuf descriptors. Then one set of rules reads both documents: unknown fields, wrong types and both
spellings of names are found by `tradewind.ir.schema`, as in the first one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from kfp.pipeline_spec import pipeline_spec_pb2

__all__ = ["CREATE_CLAIM_IMAGE", "DELETE_CLAIM_IMAGE", "descriptor", "message"]

CREATE_CLAIM_IMAGE = "argostub/createpvc"
DELETE_CLAIM_IMAGE = "argostub/deletepvc"
"""Images that nobody has: what kfp-kubernetes writes for what a backend does by itself. No command goes with
them."""

_PACKAGE = "tradewind.kfp_kubernetes"

# Type and name of each field. `*` after a type: a list, `?`: absent and empty are two things.
_MESSAGES: Mapping[str, str] = {
    "KubernetesExecutorConfig": """
        SecretAsVolume* secret_as_volume, SecretAsEnv* secret_as_env, PvcMount* pvc_mount,
        NodeSelector node_selector, PodMetadata pod_metadata, ImagePullSecret* image_pull_secret,
        string image_pull_policy, ConfigMapAsVolume* config_map_as_volume,
        ConfigMapAsEnv* config_map_as_env, int64 active_deadline_seconds,
        FieldPathAsEnv* field_path_as_env, Toleration* tolerations,
        GenericEphemeralVolume* generic_ephemeral_volume, NodeAffinityTerm* node_affinity,
        PodAffinityTerm* pod_affinity, EnabledSharedMemory enabled_shared_memory,
        EmptyDirMount* empty_dir_mounts, SecurityContext security_context""",
    "EnabledSharedMemory": "string volume_name, string size",
    "SecretAsVolume": "string secret_name, string mount_path, bool? optional, Input secret_name_parameter",
    "SecretAsEnv": """
        string secret_name, SecretKeyToEnvMap* key_to_env, bool? optional, Input secret_name_parameter""",
    "SecretKeyToEnvMap": "string secret_key, string env_var",
    "PvcMount": """
        TaskOutput task_output_parameter, string? constant, string? component_input_parameter,
        string mount_path, Input pvc_name_parameter, string sub_path""",
    "NodeSelector": "map labels, Input node_selector_json",
    "PodMetadata": "map labels, map annotations",
    "ConfigMapAsVolume": """
        string config_map_name, string mount_path, bool? optional, Input config_map_name_parameter""",
    "ConfigMapAsEnv": """
        string config_map_name, ConfigMapKeyToEnvMap* key_to_env, Input config_map_name_parameter,
        bool? optional""",
    "ConfigMapKeyToEnvMap": "string config_map_key, string env_var",
    "GenericEphemeralVolume": """
        string volume_name, string mount_path, string* access_modes, string size,
        bool default_storage_class, string storage_class_name, PodMetadata metadata""",
    "ImagePullSecret": "string secret_name, Input secret_name_parameter",
    "FieldPathAsEnv": "string name, string field_path",
    "Toleration": """
        string key, string operator, string value, string effect, int64? toleration_seconds,
        Input toleration_json""",
    "SelectorRequirement": "string key, string operator, string* values",
    "NodeAffinityTerm": """
        SelectorRequirement* match_expressions, SelectorRequirement* match_fields, int32? weight,
        Input node_affinity_json""",
    "PodAffinityTerm": """
        SelectorRequirement* match_pod_expressions, map match_pod_labels, string topology_key,
        string* namespaces, SelectorRequirement* match_namespace_expressions, map match_namespace_labels,
        int32? weight, bool? anti""",
    "SecurityContext": "int64? run_as_user, int64? run_as_group, bool? run_as_non_root",
    "EmptyDirMount": "string volume_name, string mount_path, string? medium, string? size_limit",
}
_INPUT = pipeline_spec_pb2.TaskInputsSpec.InputParameterSpec.DESCRIPTOR
_FOREIGN = {
    "Input": _INPUT.full_name,
    "TaskOutput": _INPUT.nested_types_by_name["TaskOutputParameterSpec"].full_name,
}
_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
}


@functools.cache
def descriptor() -> Descriptor:
    """The message for one executor's settings."""
    file = FileDescriptorProto(
        name="tradewind/kfp_kubernetes.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[pipeline_spec_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        made = file.message_type.add(name=name)
        for number, field in enumerate(fields.split(","), start=1):
            kind, field_name = field.split()
            _add_field(made, field_name, kind, number)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return pool.FindMessageTypeByName(f"{_PACKAGE}.KubernetesExecutorConfig")


def message() -> Any:
    """A new, empty message for one executor's settings."""
    return message_factory.GetMessageClass(descriptor())()


def _add_field(target: DescriptorProto, name: str, kind: str, number: int) -> None:
    field = target.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    bare = kind.rstrip("*?")
    if kind.endswith("*") or bare == "map":
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if kind.endswith("?"):  # how protobuf spells `optional`: a oneof of its own
        field.proto3_optional = True
        field.oneof_index = len(target.oneof_decl)
        target.oneof_decl.add(name=f"_{name}")
    if bare in _SCALARS:
        field.type = _SCALARS[bare]
        return
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    if bare == "map":
        entry = target.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        for part, key in enumerate(("key", "value"), start=1):
            _add_field(entry, key, "string", part)
        field.type_name = f".{_PACKAGE}.{target.name}.{entry.name}"
    else:
        field.type_name = f".{_FOREIGN.get(bare, f'{_PACKAGE}.{bare}')}"
