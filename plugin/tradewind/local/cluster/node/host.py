"""What a container gets from this machine: a Python without packages, a search path, and the way to package
indexes.

Nothing else of the environment of whoever started the cluster reaches a container: no tokens, no cloud
credentials.
"""

from __future__ import annotations

import ensurepip
import functools
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradewind.errors import ConfigurationError
from tradewind.local.cluster.home import Home

__all__ = ["Host", "compile_packages", "prepare_host"]

# How installers and TLS clients reach the outside: without these, `packages_to_install` fails behind a proxy.
PASSED = (
    *(
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    ),
    *(
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
    ),
)
PASSED_PREFIXES = ("PIP_", "UV_")
# These would send an installation somewhere else than into the container.
WITHHELD = frozenset(
    [
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_PYTHON",
        "PIP_LOG",
        "PIP_CACHE_DIR",
        "UV_CACHE_DIR",
        "UV_PYTHON",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
        "UV_SYSTEM_PYTHON",
        "UV_WORKING_DIRECTORY",
        "UV_CONSTRAINT",
        "UV_OVERRIDE",
        "PIP_CONSTRAINT",
        "UV_PUBLISH_TOKEN",
        "UV_PUBLISH_PASSWORD",
        "UV_PUBLISH_USERNAME",
        "UV_PUBLISH_URL",
    ]
)
CONFIGURATION = {
    "PIP_CONFIG_FILE": (".config/pip/pip.conf", ".pip/pip.conf", "Library/Application Support/pip/pip.conf"),
    "UV_CONFIG_FILE": (".config/uv/uv.toml",),
}
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True, slots=True)
class Host:
    """What every container gets.

    Attributes:
        environment: variables.
        python: where the bare Python is, for the supervisor; `executable`, `version`, `template`, `uv`.
        home: the home directory of the user, which containers see as an empty one of their own.
        visible: paths that must stay visible although they are below a directory that is hidden.
    """

    environment: Mapping[str, str]
    python: Mapping[str, str]
    home: str
    visible: tuple[str, ...]


def prepare_host(home: Home) -> Host:
    """Make the bare Python (once) and find out the rest.

    Raises:
        ConfigurationError: a virtual environment cannot be made.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    if not (home.template / "pyvenv.cfg").exists() or _base_of(home.template) != base:
        _make_python(home.template, base)
    environment = _environment(home)
    user_home = os.path.expanduser("~")
    python = {"executable": base, "version": version, "template": str(home.template)}
    if uv := _install_uv(home):
        python["uv"] = uv
    visible = [sys.base_prefix, os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)]
    visible += [
        value for value in environment.values() if value.startswith(user_home + "/") and os.path.exists(value)
    ]
    return Host(environment, python, user_home, tuple(dict.fromkeys(visible)))


def _base_of(template: Path) -> str:
    return os.path.realpath(template / "bin" / "python3")


def _make_python(template: Path, base: str) -> None:
    """A virtual environment with nothing but pip in it.

    pip is unpacked from the wheel that comes with Python: the installer would take most of a cluster's first
    start. Where Python comes without that wheel, the installer decides.
    """
    shutil.rmtree(template, ignore_errors=True)
    made = template.with_name("template.new")
    shutil.rmtree(made, ignore_errors=True)
    wheel = _bundled_pip()
    options = ["--without-pip"] if wheel else []
    command = [base, "-m", "venv", *options, str(made)]
    finished = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise ConfigurationError(
            f"{' '.join(command)} failed: {(finished.stderr or finished.stdout).strip()[-500:]}",
            remedy="Containers need a bare Python: install this Python's venv module (Debian: python3-venv).",
        )
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(next(made.glob("lib/python*/site-packages")))
    made.rename(template)


def _bundled_pip() -> Path | None:
    folder = sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).parent / "_bundled"
    return next(iter(sorted(Path(folder).glob("pip-*.whl"))), None)


def compile_packages(home: Home) -> subprocess.Popen[bytes] | None:
    """Compile the bare Python's pip in the background, once; containers cannot write there themselves."""
    if any(home.template.glob("lib/python*/site-packages/pip/__pycache__")):
        return None
    command = [str(home.template / "bin" / "python3"), "-m", "compileall", "-q", str(home.template / "lib")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, env=environment, preexec_fn=functools.partial(os.nice, 19)
    )


def _install_uv(home: Home) -> str:
    """uv at a path that containers see, even when it was found in a hidden directory; "" when there is
    none.
    """
    found = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
    if not found:
        return ""
    target = home.shared / "bin" / "uv"
    source = os.path.realpath(found)
    if not target.exists() or target.stat().st_size != os.stat(source).st_size:
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name("uv.new")
        shutil.copy2(source, new)
        new.rename(target)
    return str(target)


def _environment(home: Home) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED or (name.startswith(PASSED_PREFIXES) and name not in WITHHELD)
    }
    for name, places in CONFIGURATION.items():
        for place in places:
            path = os.path.join(os.path.expanduser("~"), place)
            if name not in environment and os.path.exists(path):
                environment[name] = path
    environment.setdefault("LANG", "C.UTF-8")
    environment |= {
        "PATH": _search_path(),
        "TRADEWIND_ENVIRONMENT_CACHE": str(home.environments),
        "PIP_CACHE_DIR": str(home.shared / "pip-cache"),
        "UV_CACHE_DIR": str(home.shared / "uv-cache"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    if platform.system() == "Darwin":
        environment.setdefault("OBJC_DISABLE_INITIALIZE_FORK_SAFETY", "YES")
    return environment


def _search_path() -> str:
    """The host's PATH without the virtual environment that this process runs in."""
    own = {os.path.dirname(sys.executable), os.path.join(sys.prefix, "bin")}
    if os.environ.get("VIRTUAL_ENV"):
        own.add(os.path.join(os.environ["VIRTUAL_ENV"], "bin"))
    user_home = os.path.expanduser("~") + "/"
    default = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    entries = [
        entry
        for entry in os.environ.get("PATH", default).split(":")
        if entry and os.path.abspath(entry) not in own and not entry.startswith(user_home)
    ]
    return ":".join(dict.fromkeys(entries)) or default
