"""packages_to_install: cached environments, the container itself, and failures."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tradewind.runtime.requirements import environment_cache

SOURCE = """
def step() -> str:
    import sys
    import idna
    return sys.prefix + "|" + idna.__file__
"""


@pytest.fixture
def installing(pod):
    """A pod that may use this machine's package index, with the settings that pip and uv read."""
    for name, value in os.environ.items():
        if name.startswith(("PIP_", "UV_", "SSL_")) or name.lower().endswith("_proxy"):
            pod.environ[name] = value
    pod.environ["HOME"] = os.environ.get("HOME", "/")
    return pod


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> str:
    """A Python with pip and nothing else."""
    home = tmp_path_factory.mktemp("image")
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", str(home)], check=True)
    # Borrowed from the base: to install it anew takes most of this module's time.
    (site,) = home.glob("lib/python*/site-packages")
    found = subprocess.run([base, "-c", "import pip; print(pip.__path__[0])"], capture_output=True, text=True)
    if found.returncode == 0:
        (site / "pip").symlink_to(found.stdout.strip())
    else:
        subprocess.run([str(home / "bin" / "python3"), "-m", "ensurepip"], check=True)
    return str(home / "bin" / "python3")


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_environment_is_made_once_and_shared(installing, image, python_task, tmp_path, tool):
    pod = installing
    pod.python = image
    if tool == "uv":
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        if uv is None:
            pytest.skip("no uv here")
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools" / "uv").symlink_to(uv)
        pod.environ["PATH"] = f"{Path(image).parent}:{tmp_path / 'tools'}:/usr/bin:/bin"
    pod.environ["TRADEWIND_ENVIRONMENT_CACHE"] = str(tmp_path / "cache")
    task = python_task(SOURCE, packages=["idna>=3"], outputs={"Output": "STRING"})
    ended = []
    threads = [threading.Thread(target=lambda: ended.append(pod.run(task, timeout=120))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended.append(pod.run(task))
    for one in ended:
        prefix, file = one.parameters["Output"].split("|")
        assert prefix.startswith(str(tmp_path / "cache"))
        assert file.startswith(prefix)
    assert sorted(f"installing idna>=3 with {tool}" in one.log for one in ended) == [False, False, True]
    assert not any("trying again" in one.log for one in ended)
    assert "tradewind" not in ended[-1].log


@pytest.mark.parametrize("cached", [True, False])
def test_what_cannot_be_installed_is_a_failure_of_its_own_kind(
    installing, image, python_task, tmp_path, cached
):
    installing.python = image
    if cached:
        installing.environ["TRADEWIND_ENVIRONMENT_CACHE"] = str(tmp_path / "cache")
    task = python_task(SOURCE, packages=[str(tmp_path / "no-such-package.whl")])
    ended = installing.run(task, timeout=120)
    assert (ended.code, ended.error["kind"]) == (1, "package")
    assert "no-such-package" in ended.error["message"]
    if cached:
        assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("variable", "user_site", "writable", "place"),
    [
        ("/cache", False, False, "/cache"),
        (None, False, True, ""),
        (None, True, False, ""),  # into the user's home
        (None, False, False, "/workdir/.environments"),  # a virtual environment in a read-only image
    ],
)
def test_where_packages_go(monkeypatch, variable, user_site, writable, place):
    monkeypatch.setenv("TRADEWIND_WORKDIR", "/workdir")
    monkeypatch.delenv("TRADEWIND_ENVIRONMENT_CACHE", raising=False)
    if variable:
        monkeypatch.setenv("TRADEWIND_ENVIRONMENT_CACHE", variable)
    monkeypatch.setattr(site, "ENABLE_USER_SITE", user_site)
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    assert environment_cache() == place


def test_without_a_cache_it_goes_into_the_container(installing, image, python_task):
    """Last of this module: it changes the image."""
    installing.python = image
    task = python_task(SOURCE, packages=["idna>=3"], outputs={"Output": "STRING"})
    prefix, file = installing.run(task, timeout=120).parameters["Output"].split("|")
    assert file.startswith(prefix)
    assert image.startswith(prefix)
    again = installing.run(task | {"packages": ["idna"]})
    assert again.code == 0
    assert "installing" not in again.log
