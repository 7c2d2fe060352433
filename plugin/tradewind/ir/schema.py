"""Does a plain document fit a protobuf message? Every misfit at once, each with its path.

`json_format.ParseDict` knows the answer too, but stops at the first misfit and does not say where it is. This
is the same set of rules (proto3's JSON mapping) walked over the official descriptors, so a field that KFP
adds is known as soon as its schema is installed. What passes here, `ParseDict` takes.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig

from tradewind.errors import Problem

__all__ = ["check", "is_unknown_field", "kind_of", "step_into"]

Check = Callable[[Any, str], Iterator[Problem]]

_DURATION = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?s\Z")
_UNKNOWN = "unknown field of"
_NUL = "holds a NUL character, which neither command lines nor databases can carry"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
_INTEGER_BITS = {
    FieldDescriptor.CPPTYPE_INT32: 31,
    FieldDescriptor.CPPTYPE_INT64: 63,
}


def check(descriptor: Descriptor, value: Any, place: str = "$") -> Iterator[Problem]:
    """Yield what keeps a plain value from being read as a message.

    Args:
        descriptor: the message wanted.
        value: dicts with string keys, lists and scalars.
        place: path of the value in its document.
    """
    return _message(descriptor)(value, place)


def is_unknown_field(problem: Problem) -> bool:
    """Whether a problem leaves all that is known of a document readable."""
    return problem.message.startswith(_UNKNOWN)


def step_into(place: str, key: str) -> str:
    """The path of a member: `$.a` and `b-c` make `$.a.b-c`; keys with other characters are quoted."""
    return f"{place}.{key}" if _PLAIN_KEY.match(key) else f"{place}[{key!r}]"


def kind_of(value: Any) -> str:
    """What a value is, for a person: `the text 'abc'`, `the number 5`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {_short(value)}"
    if isinstance(value, str):
        return f"the text {_short(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + "...'"


# --- one check for every kind of message and field, made once ---


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    check: Check
    oneof: str | None
    takes_null: bool


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, _Field]:
    """By either spelling, as proto3's JSON mapping allows: `pipelineInfo` and `pipeline_info`."""
    fields: dict[str, _Field] = {}
    for raw in descriptor.fields:
        oneof = raw.containing_oneof
        known = _Field(raw.json_name, _field(raw), oneof.name if oneof else None, _is(raw, "Value"))
        fields[raw.json_name] = fields[raw.name] = known
    return fields


@cache
def _message(descriptor: Descriptor) -> Check:
    if descriptor.file.package == "google.protobuf":
        return _WELL_KNOWN[descriptor.name]

    def check_message(value: Any, place: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(place, f"must be a mapping ({descriptor.name}), but is {kind_of(value)}")
            return
        fields = _fields(descriptor)
        seen: dict[str, str] = {}
        for key, member in value.items():
            known = fields.get(key)
            if known is None:
                yield _unknown(descriptor, key, place)
                continue
            if member is None and not known.takes_null:
                continue
            group = known.oneof or known.name
            if group in seen:
                yield Problem(
                    step_into(place, key),
                    f"cannot be given together with {seen[group]!r}",
                    "keep one of them",
                )
            seen[group] = key
            yield from known.check(member, step_into(place, key))

    return check_message


def _unknown(descriptor: Descriptor, key: str, place: str) -> Problem:
    names = [field.json_name for field in descriptor.fields]
    close = difflib.get_close_matches(key[:100], names, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(names)) or 'none'}"
    return Problem(step_into(place, key), f"{_UNKNOWN} {descriptor.name}", remedy)


def _is(field: FieldDescriptor, name: str) -> bool:
    message = field.message_type
    return message is not None and message.full_name == f"google.protobuf.{name}" and not _is_repeated(field)


def _is_repeated(field: FieldDescriptor) -> bool:
    repeated = getattr(field, "is_repeated", None)  # newer protobufs; `label` is on its way out
    return bool(
        getattr(field, "label", None) == FieldDescriptor.LABEL_REPEATED if repeated is None else repeated
    )


def _field(field: FieldDescriptor) -> Check:
    message = field.message_type
    if field.full_name == "ml_pipelines.PipelineSpec.deployment_spec":
        # Declared as free-form, for platforms to come; KFP reads it as this message.
        return _message(PipelineDeploymentConfig.DESCRIPTOR)
    if message is not None and message.GetOptions().map_entry:
        return _map(message.fields_by_name["value"])
    single = _single(field)
    return _list(single) if _is_repeated(field) else single


def _single(field: FieldDescriptor) -> Check:
    if field.message_type is not None:
        message = field.message_type
        # Looked up when used: messages contain one another.
        return lambda value, place: _message(message)(value, place)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean
    bits = _INTEGER_BITS.get(field.cpp_type)
    return _integer(bits) if bits is not None else _number


def _map(values: FieldDescriptor) -> Check:
    single = _single(values)

    def check_map(value: Any, place: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(place, f"must be a mapping, but is {kind_of(value)}")
            return
        for key, member in value.items():
            if member is None and not _is(values, "Value"):
                yield Problem(step_into(place, key), "has no value")
                continue
            yield from single(member, step_into(place, key))

    return check_map


def _list(single: Check) -> Check:
    def check_list(value: Any, place: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield Problem(place, f"must be a list, but is {kind_of(value)}")
            return
        for index, member in enumerate(value):
            yield from single(member, f"{place}[{index}]")

    return check_list


# --- scalars ---


def _text(value: Any, place: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        remedy = "put it in quotes" if isinstance(value, int | float) else ""
        yield Problem(place, f"must be text, but is {kind_of(value)}", remedy)
    elif "\0" in value:
        yield Problem(place, _NUL)


def _boolean(value: Any, place: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield Problem(place, f"must be true or false, but is {kind_of(value)}")


def _integer(bits: int) -> Check:
    def check_integer(value: Any, place: str) -> Iterator[Problem]:
        number = value
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            number = int(value)  # proto3 writes 64-bit integers as text
        if isinstance(value, float) and value.is_integer():
            number = int(value)
        if isinstance(number, bool) or not isinstance(number, int):
            yield Problem(place, f"must be a whole number, but is {kind_of(value)}")
        elif not -(2**bits) <= number < 2**bits:
            yield Problem(place, f"must fit into {bits + 1} bits, but is {kind_of(value)}")

    return check_integer


def _number(value: Any, place: str) -> Iterator[Problem]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Problem(place, f"must be a number, but is {kind_of(value)}")
    elif not _finite(value):
        yield Problem(place, f"must be a finite number, but is {kind_of(value)}")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _enum(enum: EnumDescriptor) -> Check:
    names = set(enum.values_by_name)
    numbers = set(enum.values_by_number)

    def check_enum(value: Any, place: str) -> Iterator[Problem]:
        if isinstance(value, str) and value in names:
            return
        if isinstance(value, int) and not isinstance(value, bool) and value in numbers:
            return
        yield Problem(place, f"is {kind_of(value)}", f"must be one of {', '.join(sorted(names))}")

    return check_enum


# --- protobuf's own messages that JSON writes in their own way ---


def _any_value(value: Any, place: str) -> Iterator[Problem]:
    if isinstance(value, dict):
        for key, member in value.items():
            if "\0" in key:
                yield Problem(step_into(place, key), _NUL)
            yield from _any_value(member, step_into(place, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _any_value(member, f"{place}[{index}]")
    elif isinstance(value, str):
        if "\0" in value:
            yield Problem(place, _NUL)
    elif isinstance(value, int | float):
        if not _finite(value):
            yield Problem(place, f"must be a finite number, but is {kind_of(value)}")
        elif isinstance(value, int) and int(float(value)) != value:
            message = f"would be rounded, since the IR keeps numbers as doubles, but is {kind_of(value)}"
            yield Problem(place, message, "write it as text")


def _struct(value: Any, place: str) -> Iterator[Problem]:
    if isinstance(value, dict):
        yield from _any_value(value, place)
    else:
        yield Problem(place, f"must be a mapping, but is {kind_of(value)}")


def _duration(value: Any, place: str) -> Iterator[Problem]:
    # Protobuf's own limit is 315,576,000,000 seconds, some 10,000 years.
    if not isinstance(value, str) or not _DURATION.match(value) or abs(float(value[:-1])) > 315_576_000_000:
        yield Problem(place, f"must be seconds like '30s', but is {kind_of(value)}")


_WELL_KNOWN: Mapping[str, Check] = {
    "Value": _any_value,
    "Struct": _struct,
    "Duration": _duration,
    "ListValue": _list(_any_value),
}
