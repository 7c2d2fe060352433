"""Kubernetes' protobuf encoding, as far as newer kubectls insist on it.

From 1.32 on, `kubectl create secret`, `create namespace` and `auth can-i` send protobuf whatever the server
offers. These few small kinds are decoded here by field number (generated.proto of Kubernetes); answers are
JSON, which all clients take.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["decode"]

MAGIC = b"k8s\x00"

Field = tuple[str, "Callable[[bytes | int], Any] | Mapping[int, Any]"]
Message = Mapping[int, Field]


def _text(value: bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _base64(value: bytes | int) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else b"").decode()


def _text_map(value: bytes | int) -> dict[str, str]:
    return _map(value, _text)


def _bytes_map(value: bytes | int) -> dict[str, str]:
    return _map(value, _base64)


def _map(value: bytes | int, convert: Callable[[bytes | int], str]) -> dict[str, str]:
    entry = dict(_fields(value if isinstance(value, bytes) else b""))
    return {_text(entry.get(1, b"")): convert(entry.get(2, b""))}


METADATA: Message = {
    1: ("name", _text),
    2: ("generateName", _text),
    3: ("namespace", _text),
    11: ("labels", _text_map),
    12: ("annotations", _text_map),
}
ATTRIBUTES: Message = {
    1: ("namespace", _text),
    2: ("verb", _text),
    3: ("group", _text),
    4: ("version", _text),
    5: ("resource", _text),
    6: ("subresource", _text),
    7: ("name", _text),
}
KINDS: Mapping[str, Message] = {
    "Namespace": {1: ("metadata", METADATA)},
    "ServiceAccount": {1: ("metadata", METADATA)},
    "Secret": {
        1: ("metadata", METADATA),
        2: ("data", _bytes_map),
        3: ("type", _text),
        4: ("stringData", _text_map),
        5: ("immutable", bool),
    },
    "ConfigMap": {
        1: ("metadata", METADATA),
        2: ("data", _text_map),
        3: ("binaryData", _bytes_map),
        4: ("immutable", bool),
    },
    "SelfSubjectAccessReview": {
        1: ("metadata", METADATA),
        2: ("spec", {1: ("resourceAttributes", ATTRIBUTES)}),
    },
}


def decode(data: bytes) -> dict[str, Any]:
    """An object from its protobuf encoding, as it would be in JSON.

    Raises:
        LookupError: of a kind that is not known here.
        ValueError: not an encoded object.
    """
    if not data.startswith(MAGIC):
        raise ValueError("not Kubernetes protobuf")
    envelope = dict(_fields(data[len(MAGIC) :]))
    kind_of = dict(_fields(_bytes(envelope.get(1, b""))))
    kind = _text(kind_of.get(2, b""))
    body = _message(_bytes(envelope.get(2, b"")), KINDS[kind])
    return {"apiVersion": _text(kind_of.get(1, b"")), "kind": kind, **body}


def _bytes(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a message was expected")
    return value


def _message(data: bytes, fields: Message) -> dict[str, Any]:
    """Fields that are not in the table are left out: what a client creates does not need them."""
    body: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in fields:
            continue
        name, kind = fields[number]
        decoded = _message(_bytes(value), kind) if isinstance(kind, Mapping) else kind(value)
        if isinstance(decoded, dict) and isinstance(body.get(name), dict):
            body[name] |= decoded
        elif decoded != "":
            body[name] = decoded
    return body


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position = 0
    while position < len(data):
        tag, position = _number(data, position)
        kind = tag & 7
        if kind == 0:
            value, position = _number(data, position)
            yield tag >> 3, value
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        elif kind == 2:
            size, position = _number(data, position)
            if position + size > len(data):
                raise ValueError("the message is cut short")
            yield tag >> 3, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {kind} is not used by Kubernetes")


def _number(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("the message is cut short")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
