"""Command lines of Python components.

Tradewind itself reads the function and its requirements out of them and needs none of this shell code. It is
there so that a file compiled with Tradewind runs on Kubeflow as well, and it has the outline that KFP's own
has, because tools (ours among them) recognise components by it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

__all__ = [
    "EXECUTOR_INPUT",
    "containerized_command",
    "function_arguments",
    "install_command",
    "run_source_command",
]

KFP_VERSION = "2.17.3"
EXECUTOR_INPUT = "{{$}}"

_ENSURE_PIP = """
if ! command -v pip >/dev/null 2>&1; then
    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip
fi
"""
_VIRTUAL_ENVIRONMENT = """
environment=$(mktemp -d)/venv
python3 -m venv --system-site-packages "$environment"
. "$environment/bin/activate"
"""
_RUN_SOURCE = """
directory=$(mktemp -d)
printf "%s" "$0" > "$directory/ephemeral_component.py"
export _KFP_RUNTIME=true
python3 -m kfp.dsl.executor_main --component_module_path "$directory/ephemeral_component.py" "$@"
"""


def install_command(
    packages: Sequence[str],
    index_urls: Sequence[str] = (),
    trusted_hosts: Sequence[str] | None = None,
    *,
    install_kfp: bool = True,
    kfp_package_path: str | None = None,
    use_venv: bool = False,
) -> list[str]:
    """Install what the function needs, then go on with the rest of the command line.

    Args:
        packages: requirements of the user's.
        index_urls: the first one replaces PyPI, others are asked as well.
        trusted_hosts: None: the index URLs are trusted; empty: none is.
        install_kfp: KFP's executor is needed (on Kubeflow) and not in the image yet.
        kfp_package_path: a requirement or path instead of the pinned release.
        use_venv: install into a virtual environment, for read-only systems.

    Returns:
        The beginning of a command; empty when there is nothing to install.
    """
    install_kfp = install_kfp and not any(package.startswith("kfp") for package in packages)
    installs = [list(packages)] if packages else []
    if install_kfp:
        installs.append(_kfp_requirement(kfp_package_path))
    if not installs:
        return []
    pip = ["python3", "-m", "pip", "install", "--quiet", "--no-warn-script-location"]
    options = _index_options(index_urls, trusted_hosts)
    lines = [f"{shlex.join([*pip, *options])} {_quoted(requirements)}" for requirements in installs]
    script = "export PIP_DISABLE_PIP_VERSION_CHECK=1\n" + " && ".join([*lines, '"$0" "$@"']) + "\n"
    return ["sh", "-c", _ENSURE_PIP + (_VIRTUAL_ENVIRONMENT if use_venv else "") + script]


def run_source_command(source: str) -> list[str]:
    """Write the source to a file and have KFP's executor load it."""
    return ["sh", "-ec", _RUN_SOURCE, source]


def containerized_command() -> list[str]:
    """For functions that lie in the image already."""
    return ["python3", "-m", "kfp.dsl.executor_main"]


def function_arguments(name: str) -> list[str]:
    return ["--executor_input", EXECUTOR_INPUT, "--function_to_execute", name]


def _kfp_requirement(path: str | None) -> list[str]:
    if path is None:
        return [f"kfp=={KFP_VERSION}", "--no-deps", 'typing-extensions>=3.7.4,<5; python_version<"3.9"']
    return [path, "--no-deps"] if os.path.exists(path) or "@refs/pull/" in path else [path]


def _index_options(index_urls: Sequence[str], trusted_hosts: Sequence[str] | None) -> list[str]:
    if not index_urls:
        return []
    first, *others = index_urls
    options = ["--index-url", first]
    for url in others:
        options += ["--extra-index-url", url]
    for host in index_urls if trusted_hosts is None else trusted_hosts:
        options += ["--trusted-host", host]
    return options


def _quoted(requirements: Sequence[str]) -> str:
    """Always in quotes, as KFP has them: a plain `shlex.join` leaves simple ones bare."""
    return " ".join("'" + requirement.replace("'", "'\"'\"'") + "'" for requirement in requirements)
