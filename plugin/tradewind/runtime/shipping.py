"""Packs the runtime and a task into the command of a container. Runs on the operator's side.

The runtime travels as source inside the command: no image of ours, no volume, no config map to create and
to forget, and the version in the pod is by construction that of the operator. Comments and docstrings stay at
home; line numbers do not move, so a traceback from a pod reads against this repository.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import os
import tokenize
import zlib
from typing import Any, Callable

from tradewind.runtime.failures import MissingError, OutputError
from tradewind.runtime.result import LIMIT, PROTOCOL
from tradewind.runtime.stores import WITHOUT_DRIVER, scheme_of
from tradewind.runtime.values import parse_text
from tradewind.runtime.workspace import listed_artifacts

__all__ = [
    "MAX_BYTES",
    "ResultError",
    "TooLargeError",
    "check_argument",
    "container_command",
    "helper_command",
    "helper_init_command",
    "parse_result",
    "plain_command",
    "runtime_files",
    "sh_command",
]

CHUNK_BYTES = 96 * 1024
MAX_BYTES = 1024 * 1024
# MAX_ARG_STRLEN of Linux is 128 KiB, with the NUL behind the text.
MAX_ARGUMENT_BYTES = 128 * 1024 - 1
# These work on the operator's side only.
AT_HOME = ("shipping.py", "shell.py", "portable.py")
# Stands in the source of notebook components; only they need what runs notebooks.
NOTEBOOK = "__KFP_NOTEBOOK_REL_PATH"
# Only URIs of other schemes than our own need it.
DRIVER_STORE = "/fsspec_store.py"
HELPER = "/tmp/tradewind/.python"
BOOTSTRAP = """\
import binascii,json,os,sys,zlib
a=sys.argv[1:]
if "--" in a:a=a[:a.index("--")]
p=json.loads(zlib.decompress(binascii.a2b_base64("".join(a))))
r=os.path.join(os.environ.get("TRADEWIND_WORKDIR")or"/tmp/tradewind",".runtime")
for f,s in p["files"].items():
 f=os.path.join(r,f);os.makedirs(os.path.dirname(f),exist_ok=True)
 with open(f,"w",encoding="utf-8")as o:o.write(s)
sys.argv[1:]=[];sys.path.insert(0,r)
from tradewind.runtime.main import main
sys.exit(main(p["task"]))
"""


class TooLargeError(RuntimeError):
    """The task does not fit into a pod.

    Attributes:
        size: bytes that the container's command would have.
    """

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The step's source and parameter values make a container command of {size:,} bytes; "
            f"{MAX_BYTES:,} is the most that a pod takes. Pass large data as an artifact"
        )
        self.size = size


class ResultError(RuntimeError):
    """What a pod left as its result is not one."""


def container_command(task: dict[str, Any]) -> list[str]:
    """Return the container command that carries out a task; the image needs `python3`, 3.8 or later.

    Args:
        task: see docs/protocol.md.

    Raises:
        TooLargeError: more than 1 MiB.
        ValueError: an argument holds a NUL character or is too long, and no process can be given it.
    """
    command = ["python3", "-c", BOOTSTRAP, *payload(task)]
    check_size(command)
    return command


def sh_command(task: dict[str, Any]) -> list[str]:
    """Return the container command for a command whose image may lack Python; it needs `sh`.

    With `python3` in the image it is the same as `container_command`. Without, it runs the command and hands
    back parameter files, as long as they are small; no artifacts.

    Raises:
        TooLargeError, ValueError: as `container_command`.
    """
    from tradewind.runtime.shell import wrap

    command = wrap(task, BOOTSTRAP, payload(task))
    check_size(command)
    return command


def helper_command(task: dict[str, Any]) -> list[str]:
    """Return the container command for a command in any image, with the Python of `helper_init_command`.

    Raises:
        TooLargeError, ValueError: as `container_command`.
    """
    # No setting of the image's own Python may reach this one, hence -I.
    python = [f"{HELPER}/ld.so", "--library-path", f"{HELPER}/shared", f"{HELPER}/bin/python3", "-I"]
    command = [*python, *container_command(task)[1:]]
    check_size(command)
    return command


def helper_init_command() -> list[str]:
    """Return the command of an init container that brings Python along, see `tradewind.runtime.portable`.

    Its image needs `python3`, and both containers mount the same directory at `/tmp/tradewind`.
    """
    from tradewind.runtime.shell import escape

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "portable.py")
    with open(path, encoding="utf-8") as file:
        source = _slim(file.read())
    return ["python3", "-W", "ignore", "-c", escape(source), HELPER]


def plain_command(task: dict[str, Any]) -> list[str]:
    """Return the container command for a command that needs nothing of ours: no outputs, no artifacts.

    It leaves no result; its exit code says all.

    Raises:
        TooLargeError, ValueError: as `container_command`.
    """
    from tradewind.runtime.shell import escape

    _check_arguments(task)
    command = [escape(argument) for argument in task.get("command") or ()]
    check_size(command)
    return command


def payload(task: dict[str, Any]) -> list[str]:
    """Return the runtime and the task as chunks of base64; the same task gives the same chunks."""
    _check_arguments(task)
    files = runtime_files()
    if NOTEBOOK not in (task.get("source") or ""):
        files = {path: text for path, text in files.items() if "/notebook" not in path}
    if not _may_need_drivers(task):
        files = {path: text for path, text in files.items() if not path.endswith(DRIVER_STORE)}
    content = json.dumps({"files": files, "task": task}, separators=(",", ":"), sort_keys=True)
    text = base64.b64encode(zlib.compress(content.encode("ascii"), 9)).decode("ascii")
    return [text[start : start + CHUNK_BYTES] for start in range(0, len(text), CHUNK_BYTES)]


def _may_need_drivers(task: dict[str, Any]) -> bool:
    """Tell whether the pod may meet a URI that only a driver can handle.

    What a step makes it may keep anywhere; all it reads is in the task.
    """
    executor_input = task.get("executor_input") or {}
    if (executor_input.get("outputs") or {}).get("artifacts"):
        return True
    uris = [artifact.get("uri") for _, artifact in listed_artifacts(executor_input.get("inputs") or {})]
    return any(_needs_driver(uri) for uri in (*uris, task.get("result_uri")) if uri)


def _needs_driver(uri: str) -> bool:
    try:
        return scheme_of(uri) not in WITHOUT_DRIVER
    except MissingError:
        return False  # no URI at all, which the pod says best


def _check_arguments(task: dict[str, Any]) -> None:
    for index, argument in enumerate(task.get("command") or ()):
        if "\0" in argument:
            raise ValueError(f"An argument of the command holds a NUL character: {argument[:80]!r}")
        check_argument(f"Argument {index} of the command", argument)


def check_argument(what: str, text: str) -> None:
    """Raise `ValueError` for an argument or a variable (`NAME=value`) that Linux starts no program with."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_ARGUMENT_BYTES:
        raise ValueError(
            f"{what} has {size:,} bytes, and Linux takes at most {MAX_ARGUMENT_BYTES:,}: "
            "pass the value as an artifact"
        )


def check_size(command: list[str]) -> None:
    """Raise `TooLargeError` for a command that no pod takes."""
    size = sum(len(argument.encode("utf-8", "surrogatepass")) for argument in command)
    if size > MAX_BYTES:
        raise TooLargeError(size)


@functools.lru_cache(maxsize=1)
def runtime_files() -> dict[str, str]:
    """Return the runtime's files as they lie in the pod: source by path."""
    home = os.path.dirname(os.path.abspath(__file__))
    files = {}
    for folder, names, leaves in os.walk(home):
        names[:] = sorted(name for name in names if name != "__pycache__")
        for leaf in sorted(leaves):
            path = os.path.relpath(os.path.join(folder, leaf), home).replace(os.sep, "/")
            if not leaf.endswith(".py") or path in AT_HOME:
                continue
            with open(os.path.join(folder, leaf), encoding="utf-8") as file:
                source = file.read()
            shim = path.startswith("shim/")
            files[path[len("shim/") :] if shim else "tradewind/runtime/" + path] = _slim(source)
    return files


def _slim(source: str) -> str:
    """Return the source without comments and docstrings, every line where it was."""
    lines = source.splitlines()
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, start), (last, end) = token.start, token.end
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:start].rstrip()
        elif token.type == tokenize.STRING and previous in (
            tokenize.INDENT,
            tokenize.NEWLINE,
            tokenize.DEDENT,
        ):
            # A statement that is a string. It may be all that a body has, so something stays.
            lines[row - 1] = lines[row - 1][:start] + '""' + lines[last - 1][end:]
            lines[row:last] = [""] * (last - row)
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            previous = token.type
    return "\n".join(lines) + "\n"


def parse_result(
    message: str,
    read: Callable[[str], bytes] | None = None,
    output_types: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the result in a termination message, in its first or second form.

    Args:
        message: the termination message.
        read: returns the bytes at a URI; needed when the result was too large for the message. Its errors
            pass through.
        output_types: types of the output parameters; needed for results of images without Python.

    Raises:
        OutputError: a file of an image without Python does not hold what the output's type says.
        ResultError: the message is empty, cut off, of another protocol, or its reference is not right.
    """
    if not message.strip():
        raise ResultError("The container ended without a result")
    result = _parse(message)
    reference = result.get("ref")
    if reference is None:
        return _checked(result, output_types or {})
    if read is None:
        raise ResultError(f"The result lies at {reference.get('uri')}, and nothing here can read it")
    content = read(reference["uri"])
    if "sha256:" + hashlib.sha256(content).hexdigest() != reference.get("digest"):
        raise ResultError(f"The result at {reference['uri']} is not the one that the step has written")
    return _checked(_parse(content.decode("utf-8", "replace")), output_types or {})


def _parse(message: str) -> dict[str, Any]:
    try:
        result = json.loads(message)
    except ValueError as error:
        cut = " (it was cut off)" if len(message) >= LIMIT else ""
        raise ResultError(f"The result is not JSON{cut}: {message[:200]!r}") from error
    if not isinstance(result, dict) or not isinstance(result.get("ok"), bool):
        raise ResultError(f"This is not a result: {message[:200]!r}")
    if result.get("protocol") != PROTOCOL:
        raise ResultError(f"The result speaks protocol {result.get('protocol')!r}, want {PROTOCOL}")
    return result


def _checked(result: dict[str, Any], output_types: dict[str, str]) -> dict[str, Any]:
    if not result["ok"]:
        error = result.get("error")
        if not isinstance(error, dict) or not isinstance(error.get("kind"), str):
            raise ResultError("The result says that the step failed, but not why")
        return result
    if "files" in result:
        result["parameters"] = _from_files(result.pop("files"), output_types)
    for key in ("parameters", "artifacts"):
        if not isinstance(result.setdefault(key, {}), dict):
            raise ResultError(f"The result's {key!r} are no JSON object")
    return result


def _from_files(files: dict[str, str], output_types: dict[str, str]) -> dict[str, Any]:
    parameters = {}
    for name, content in files.items():
        try:
            text = base64.b64decode(content).decode("utf-8")
            parameters[name] = parse_text(output_types.get(name, ""), text)
        except ValueError as error:
            raise OutputError(f"Output parameter {name!r}: {error}") from error
    return parameters
