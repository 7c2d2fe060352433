"""Tell a Python component from any other command.

KFP's SDK compiles a Python function to a shell line that installs packages (KFP's own SDK among them) and a
second one that writes the function's source to a file and runs it. Taken literally, every step would need a
network and a `kfp` wheel. Taken apart again, a step is a function, its source and the requirements that the
author named. Whatever does not have exactly a shape that some SDK from 2.0 on writes is left alone: it is a
command, and runs as one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from tradewind.plan.model import PythonFunction

__all__ = ["recognise"]

_SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash"})
_EXECUTOR = re.compile(r"python3? -m kfp\.(?:v2\.)?(?:dsl|components)\.executor_main\s")
_EXECUTOR_COMMAND = re.compile(r"kfp\.(?:v2\.)?(?:dsl|components)\.executor_main\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KFP_NAMES = frozenset({"kfp", "kfp-pipeline-spec", "kfp-server-api"})
_KFP_SOURCE = re.compile(r"kubeflow/pipelines(?:\.git)?@|(?:^|/)kfp-[0-9][^/]*\.(?:whl|tar\.gz)\Z")
_KFP_TYPING = re.compile(r"typing-extensions\s*>=\s*3\.7\.4\s*,\s*<\s*5\s*;")
_END_OF_COMMAND = frozenset({"&&", "||", ";", "|", "&"})


def recognise(command: Sequence[str], args: Sequence[str]) -> PythonFunction | None:
    """The Python function that a container runs, or None if it runs something else.

    Args:
        command, args: of the container spec; KFP runs one after the other, as one line.
    """
    line = [*command, *args]
    options = _executor_options(line)
    if options is None:
        return None
    head, given = options
    if {"executor_input", "function_to_execute"} - given.keys() or given["executor_input"] != "{{$}}":
        return None
    function = given["function_to_execute"]
    if not function.isidentifier():
        return None
    if len(head) >= 4 and head[-4] in _SHELLS and head[-3] == "-ec" and _EXECUTOR.search(head[-2] + " "):
        if "component_module_path" in given or '"$0" > ' not in head[-2]:
            return None
        source, rest, module = head[-1], head[:-4], None
    elif (
        len(head) >= 3
        and head[-3] in ("python3", "python")
        and head[-2] == "-m"
        and _EXECUTOR_COMMAND.match(head[-1])
    ):
        source, rest, module = None, head[:-3], given.get("component_module_path")
    else:
        return None
    requirements = _requirements(rest)
    if requirements is None:
        return None
    return PythonFunction(
        function=function,
        source=source,
        packages=tuple(requirements.packages),
        pip_index_urls=tuple(requirements.index_urls),
        pip_trusted_hosts=tuple(requirements.trusted_hosts),
        module=module,
    )


def _executor_options(line: list[str]) -> tuple[list[str], dict[str, str]] | None:
    """Split a line into what comes before the executor's options, and those."""
    names = ("executor_input", "function_to_execute", "component_module_path")
    first = next(
        (i for i, word in enumerate(line) if word.lstrip("-") in names and word.startswith("--")), None
    )
    if first is None or (len(line) - first) % 2:
        return None
    options: dict[str, str] = {}
    for option, value in zip(line[first::2], line[first + 1 :: 2], strict=True):
        name = option.removeprefix("--")
        if name not in names or name in options or not option.startswith("--"):
            return None
        options[name] = value
    return line[:first], options


# --- what the line before installs ---


@dataclass(slots=True)
class _Requirements:
    packages: list[str] = field(default_factory=list)
    index_urls: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)


def _requirements(head: list[str]) -> _Requirements | None:
    if not head:
        return _Requirements()
    is_install = len(head) == 3 and head[0] in _SHELLS and head[1] == "-c"
    return _read_script(head[2]) if is_install and head[2].rstrip().endswith('"$0" "$@"') else None


@lru_cache(maxsize=1024)
def _read_script(script: str) -> _Requirements | None:
    """What a script installs. Most steps of a pipeline share one, and reading a shell line takes its time."""
    try:
        installs = _pip_installs(script)
    except ValueError:  # a quote that does not end: as a command it fails in its own words
        return None
    requirements = _Requirements()
    user, own = _without_kfp([_parse_install(install, requirements) for install in installs])
    requirements.packages.extend(user)
    return requirements if own or user or installs else None


def _pip_installs(script: str) -> list[list[str]]:
    """The words after each `pip install` of a shell script."""
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list(lexer)
    starts = [i + 2 for i, pair in enumerate(pairwise(words)) if pair == ("pip", "install")]
    installs = []
    for start in starts:
        end = next((i for i in range(start, len(words)) if words[i] in _END_OF_COMMAND), len(words))
        installs.append(words[start:end])
    return installs


def _parse_install(words: list[str], requirements: _Requirements) -> list[str]:
    """Requirements and other options of one command; where packages come from goes into `requirements`."""
    targets = {
        "--index-url": requirements.index_urls,
        "--extra-index-url": requirements.index_urls,
        "--trusted-host": requirements.trusted_hosts,
    }
    rest: list[str] = []
    pending = iter(words)
    for word in pending:
        target = targets.get(word)
        if target is not None:
            value = next(pending, "")
            if value and value not in target:
                target.append(value)
        elif word not in ("--quiet", "--no-warn-script-location"):
            rest.append(word)
    return rest


def _without_kfp(commands: list[list[str]]) -> tuple[list[str], bool]:
    """The user's packages, and whether KFP's own were among all.

    KFP installs its own SDK in a command of its own, before the user's packages (to 2.13) or after them. The
    very first releases, and authors who name `kfp` themselves, have all in one.
    """
    own = _own_command(commands)
    user: list[str] = []
    for words in commands:
        if words is own:
            continue
        names_kfp = any(_is_kfp(word) for word in words)
        user.extend(word for word in words if not (names_kfp and (_is_kfp(word) or _KFP_TYPING.match(word))))
    return user, own is not None


def _own_command(commands: list[list[str]]) -> list[str] | None:
    """The command that installs nothing but KFP, if there is one."""
    for words in commands:
        rest = [word for word in words if word != "--no-deps" and not _KFP_TYPING.match(word)]
        if len(rest) == 1 and _is_kfp(rest[0]):
            return words
    if len(commands) != 2 or any(_is_kfp(word) for words in commands for word in words):
        return None
    # With `kfp_package_path` KFP may have any name. It stands alone, and mostly is a path.
    alone = [words for words in commands if len([word for word in words if word != "--no-deps"]) == 1]
    paths = [words for words in alone if "--no-deps" in words or any("/" in word for word in words)]
    candidates = paths or alone
    return candidates[-1] if candidates else None


def _is_kfp(requirement: str) -> bool:
    name = _NAME.match(requirement)
    plain = name is not None and re.sub(r"[-_.]+", "-", name[0]).lower() in _KFP_NAMES
    return plain or _KFP_SOURCE.search(requirement) is not None
