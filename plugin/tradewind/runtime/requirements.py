"""Installs a component's requirements, once per set where that is possible.

With `TRADEWIND_ENVIRONMENT_CACHE` each set of requirements becomes an environment of its own below that
directory, which later pods use again; it sees the image's packages behind its own. Without, packages go into
the container, as KFP does it, or into the user's home where the image may not be written to. `uv` is used
where there is one (seconds instead of minutes), else pip. Nothing is installed when the image has it all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from typing import Any, Callable, Mapping

from tradewind.runtime.failures import PackageError
from tradewind.runtime.workspace import workdir

__all__ = ["environment_cache", "environment_python", "install", "missing_packages", "provide"]

READY = ".tradewind-ready"
SIMPLE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:==\s*([A-Za-z0-9.!+_-]+))?")


def missing_packages(packages: list[str]) -> list[str]:
    """Return the requirements that this environment does not visibly satisfy.

    Only plain names and exact versions can be judged without pip; anything else counts as missing.
    """
    from importlib import metadata

    missing = []
    for package in packages:
        match = SIMPLE.fullmatch(package.strip())
        try:
            version = metadata.version(match.group(1)) if match else None
        except metadata.PackageNotFoundError:
            version = None
        if version is None or (match and match.group(2) not in (None, version)):
            missing.append(package)
    return missing


def environment_cache() -> str:
    """Return the directory for environments; empty when packages go into the container itself.

    A virtual environment that may not be written to, and knows no user's packages either, leaves nothing but
    an environment beside it: then it is one in the step's work directory.
    """
    import site

    cache = os.environ.get("TRADEWIND_ENVIRONMENT_CACHE")
    if cache or site.ENABLE_USER_SITE or _writable(sysconfig.get_path("purelib")):
        return cache or ""
    return os.path.join(workdir(), ".environments")


def install(packages: list[str], pip: Mapping[str, Any], log: Callable[[str], object]) -> None:
    """Install into this very environment.

    Args:
        packages: requirements as pip takes them.
        pip: `index_urls` and `trusted_hosts`.
        log: gets what is done.

    Raises:
        PackageError: that did not work.
    """
    import importlib
    import site

    _install(sys.executable, packages, pip, log)
    # What pip put into a user directory that did not exist when Python started.
    user = site.getusersitepackages()
    if site.ENABLE_USER_SITE and os.path.isdir(user):
        if user not in sys.path:
            site.addsitedir(user)
        programs = os.path.join(site.getuserbase(), "bin")
        if programs not in os.environ.get("PATH", "").split(os.pathsep):
            os.environ["PATH"] = os.environ.get("PATH", os.defpath) + os.pathsep + programs
    importlib.invalidate_caches()


def provide(packages: list[str], pip: Mapping[str, Any], log: Callable[[str], object]) -> None:
    """Make packages importable in this process, when it turns out late that they are needed.

    Raises:
        PackageError: that did not work.
    """
    cache = environment_cache()
    if not cache:
        install(packages, pip, log)
        return
    import importlib
    import site

    # Behind what is there: the component's own packages stay those that it asked for.
    folder = os.path.dirname(os.path.dirname(environment_python(packages, pip, cache, log)))
    site.addsitedir(sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder}))
    importlib.invalidate_caches()


def environment_python(
    packages: list[str], pip: Mapping[str, Any], cache: str, log: Callable[[str], object]
) -> str:
    """Return the Python of the environment that holds the requirements, made if need be.

    Args:
        packages: requirements as pip takes them.
        pip: `index_urls` and `trusted_hosts`.
        cache: directory that pods share.
        log: gets what is done.

    Raises:
        PackageError: it could not be made.
    """
    import fcntl

    folder = os.path.join(cache, _key(packages, pip))
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, READY)):
        return python
    os.makedirs(cache, exist_ok=True)
    with open(folder + ".lock", "w", encoding="ascii") as lock:
        started = time.monotonic()
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(os.path.join(folder, READY)):
            log(f"waited {time.monotonic() - started:.1f} s for another step to install {_names(packages)}")
            return python
        # What is there without its mark was left behind by a process that died.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _make_environment(folder)
            _install(python, packages, pip, log)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with open(os.path.join(folder, READY), "w", encoding="utf-8") as mark:
            mark.write("\n".join(packages) + "\n")
    return python


def _writable(folder: str) -> bool:
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK)


def _key(packages: list[str], pip: Mapping[str, Any]) -> str:
    about = [sys.version, sys.prefix, sysconfig.get_platform(), sorted(packages), sorted(pip.items())]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _make_environment(folder: str) -> None:
    command = [sys.executable, "-m", "venv"]
    if shutil.which("uv") or _has_pip():
        command.append("--without-pip")
    _run([*command, folder], "make an environment", {})
    # What this Python sees comes along, behind the environment's own packages. `--system-site-packages` would
    # bring those of the base Python instead, which are others when this Python is a virtual environment.
    inherited = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    site = sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder})
    with open(os.path.join(site, "_tradewind_inherited.pth"), "w", encoding="utf-8") as file:
        file.writelines(f"import site; site.addsitedir({path!r})\n" for path in inherited)


def _install(python: str, packages: list[str], pip: Mapping[str, Any], log: Callable[[str], object]) -> None:
    environ = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_NO_INPUT": "1",
    }
    tools = _tools(python, environ)
    options = _options(pip)
    for number, (name, command) in enumerate(tools):
        started = time.monotonic()
        log(f"installing {_names(packages)} with {name}")
        try:
            _run([*command, *options, *packages], f"install {_names(packages)}", environ)
        except PackageError as error:
            # uv knows nothing of pip's configuration files, and is stricter about some indexes.
            if number + 1 == len(tools):
                raise
            log(f"{error.message}\ntrying again with {tools[number + 1][0]}")
        else:
            log(f"installed in {time.monotonic() - started:.1f} s")
            return


def _tools(python: str, environ: dict[str, str]) -> list[tuple[str, list[str]]]:
    tools = []
    in_place = python == sys.executable
    uv = shutil.which("uv")
    if uv and (not in_place or os.access(sysconfig.get_path("purelib"), os.W_OK)):
        command = [uv, "pip", "install", "--quiet", "--python", python, *_uv_options()]
        if in_place and sys.prefix == sys.base_prefix:
            command.append("--break-system-packages")
        if not in_place and sys.dont_write_bytecode:
            # The environment is used many times, and nobody else would compile it.
            command.append("--compile-bytecode")
        tools.append(("uv", command))
    if in_place:
        environ["PIP_BREAK_SYSTEM_PACKAGES"] = "1"
        if not _has_pip() and not tools:
            _run([python, "-m", "ensurepip"], "install pip", {})
    if _has_pip() or not tools:
        tools.append(("pip", [python, "-m", "pip", "install", "--quiet"]))
    return tools


def _options(pip: Mapping[str, Any]) -> list[str]:
    options = []
    for number, url in enumerate(pip.get("index_urls") or ()):
        options += ["--extra-index-url" if number else "--index-url", url]
    for host in pip.get("trusted_hosts") or ():
        options += ["--trusted-host", host]
    return options


def _uv_options() -> list[str]:
    """Return for uv what the environment tells pip."""
    options = []
    for variable, option in (
        ("PIP_INDEX_URL", "--index-url"),
        ("PIP_EXTRA_INDEX_URL", "--extra-index-url"),
        ("PIP_FIND_LINKS", "--find-links"),
        ("PIP_TRUSTED_HOST", "--trusted-host"),
    ):
        for value in os.environ.get(variable, "").split():
            options += [option, value]
    return options


def _has_pip() -> bool:
    import importlib.util

    return importlib.util.find_spec("pip") is not None


def _run(command: list[str], purpose: str, environ: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, **environ},
        )
    except OSError as error:
        raise PackageError(f"Could not {purpose}: {error}") from error
    text = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        raise PackageError(f"Could not {purpose}:\n{text[-2000:]}")
    if text:
        print(text, flush=True)


def _names(packages: list[str]) -> str:
    return ", ".join(packages)
