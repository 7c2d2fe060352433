"""A container's Python: a bare virtual environment of its own, so that a `pip install` in it stays there.

Made of links to the host's interpreter, not by the `venv` module, which takes a second; pip itself is the one
of the cluster's template.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["make_packages", "make_python", "packages_path"]

PIP = '#!/bin/sh\nexec "$(dirname "$0")/python3" -m pip "$@"\n'


def packages_path(base: Mapping[str, str]) -> str:
    """Where packages are, below the environment's root."""
    return os.path.join("lib", base["version"], "site-packages")


def make_packages(base: Mapping[str, str], packages: str) -> None:
    """Make the directory that packages are installed into, with nothing but a pointer to pip."""
    os.mkdir(packages)
    with open(os.path.join(packages, "_cluster_pip.pth"), "w") as file:
        file.write(os.path.join(base["template"], packages_path(base)) + "\n")


def make_python(base: Mapping[str, str], target: str) -> None:
    """Make the environment around it.

    Args:
        base: `executable` and `version` of the host's Python, the cluster's `template`, `uv` if there is one.
        target: directory to be made; its `packages_path` is left empty.
    """
    commands = os.path.join(target, "bin")
    os.makedirs(commands)
    os.makedirs(os.path.join(target, packages_path(base)))
    for name in ("python", "python3", base["version"]):
        os.symlink(base["executable"], os.path.join(commands, name))
    os.symlink(os.path.join(base["template"], "pyvenv.cfg"), os.path.join(target, "pyvenv.cfg"))
    for name in ("pip", "pip3"):
        path = os.path.join(commands, name)
        with open(path, "w") as file:
            file.write(PIP)
        os.chmod(path, 0o755)
    if base.get("uv"):
        os.symlink(base["uv"], os.path.join(commands, "uv"))
