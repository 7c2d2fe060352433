"""What a container sees of the machine, with mount namespaces and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.cluster import core_api_of
from fixtures.pods import log, python_pod, run_pod, sh_pod
from tradewind.local.cluster import Cluster, running
from tradewind.local.cluster.supervisor.isolation import probe

Factory = Callable[..., Cluster]


def available(mode: str, directory: Path) -> bool:
    """Whether the kernel lets this process do it: asked of the kernel, not of the cluster."""
    options = {"mounts": ["-m"], "user-mounts": ["-U", "-r", "-m"]}[mode]
    command = ["unshare", *options, "sh", "-c", f"mount --bind {directory} {directory}"]
    return (
        sys.platform == "linux" and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


@pytest.fixture(scope="module", params=["mounts", "user-mounts", "paths"])
def isolated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster
) -> Any:
    """A cluster of each kind, with a fake secret in the environment of whoever starts it."""
    mode = request.param
    if mode != "paths" and not available(mode, tmp_path_factory.mktemp("probe")):
        pytest.skip(f"{mode}: this kernel or user cannot")
    home = tmp_path_factory.mktemp(f"cluster-{mode}")
    (home / "template").symlink_to(cluster.home / "template")
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "leaked", "VIRTUAL_ENV": sys.prefix}
    command = [sys.executable, "-c", START, str(home), mode]
    subprocess.run(command, env=environment, check=True)
    found = running(home)
    assert found is not None
    yield found
    found.stop(wipe=True)


START = "import sys; from pathlib import Path; from tradewind.local.cluster import start;"
START += "start(Path(sys.argv[1]), isolation=sys.argv[2])"


def run(cluster: Cluster, body: dict[str, Any]) -> str:
    api = core_api_of(cluster)
    ended = run_pod(api, "default", body)
    text = log(api, "default", body["metadata"]["name"])
    assert ended.status.phase == "Succeeded", text or ended.status
    return text


def test_references_are_to_the_containers_own_variables(isolated: Cluster) -> None:
    """HOME, PATH and HOSTNAME come from the image and the runtime, of which Kubernetes knows nothing."""
    body = sh_pod("references", 'printf "%s|" "$HERE" "$LATER" "$1"')
    container = body["spec"]["containers"][0]
    container["command"] += ["sh", "$(HOME) $(A) $(HOSTNAME)"]
    container["env"] = [
        {"name": "HERE", "value": "$(HOME):$(PATH):$(A)"},
        {"name": "A", "value": "1"},
        {"name": "LATER", "value": "$(A)"},
    ]
    assert run(isolated, body) == "$(HOME):$(PATH):$(A)|1|$(HOME) 1 $(HOSTNAME)|"


def test_the_python_is_bare(isolated: Cluster) -> None:
    script = (
        "import importlib.util, json, sys; "
        "print(json.dumps([sys.prefix != sys.base_prefix, sys.version_info[:2], "
        "[bool(importlib.util.find_spec(n)) for n in ('pip', 'airflow', 'mlflow', 'tradewind', 'yaml')]]))"
    )
    venv, version, found = json.loads(run(isolated, python_pod("bare", script)))
    assert venv is True
    assert version == list(sys.version_info[:2])
    assert found == [True, False, False, False, False]


def test_pip_installs_into_the_container_alone(isolated: Cluster, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "tinytestpackage.py").write_text("x = 1\n")
    volumes = [{"name": "package", "hostPath": {"path": str(package)}}]
    mounts = {"volumeMounts": [{"name": "package", "mountPath": "/packages"}]}
    # A wheel made by hand: no index is asked.
    wheel = package / "tinytestpackage-1.0-py3-none-any.whl"
    make_wheel(wheel)
    script = (
        "pip install --quiet --no-index /packages/tinytestpackage-1.0-py3-none-any.whl"
        " && python3 -c 'import tinytestpackage; print(tinytestpackage.x)'"
    )
    assert run(isolated, sh_pod("installs", script, main=mounts, volumes=volumes)).strip() == "1"
    check = "import importlib.util; print(importlib.util.find_spec('tinytestpackage'))"
    assert run(isolated, python_pod("later", check)).strip() == "None"


def make_wheel(path: Path) -> None:
    info = "tinytestpackage-1.0.dist-info"
    files = {
        "tinytestpackage.py": "x = 1\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tinytestpackage\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"tinytestpackage.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_no_variable_of_the_host_leaks(isolated: Cluster) -> None:
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(run(isolated, python_pod("clean", script)))
    assert "leaked" not in seen.values()
    assert not [name for name in seen if name.startswith(("KUBERNETES", "AIRFLOW", "MLFLOW", "PYTEST"))]
    assert str(Path(sys.prefix) / "bin") not in seen["PATH"].split(":")
    assert Path(seen["TRADEWIND_ENVIRONMENT_CACHE"]).parent == isolated.home / "shared"


def test_the_environment_cache_is_shared(isolated: Cluster) -> None:
    run(isolated, sh_pod("writes", 'echo kept > "$TRADEWIND_ENVIRONMENT_CACHE/file"'))
    assert run(isolated, sh_pod("reads", 'cat "$TRADEWIND_ENVIRONMENT_CACHE/file"')) == "kept\n"


def test_each_container_has_its_own_files(isolated: Cluster) -> None:
    script = 'pwd; cd; ls -A | grep -v -e "^[.]" ; echo x > left; echo x > ${TMPDIR:-/tmp}/left'
    first = run(isolated, sh_pod("first-own", script))
    assert run(isolated, sh_pod("second-own", script)).splitlines()[1:] == first.splitlines()[1:] == []


def test_work_directory_and_message(isolated: Cluster) -> None:
    """The paths of the protocol, as a pod of an operator has them: real ones, or in the two variables."""
    script = (
        'dir="${TRADEWIND_WORKDIR:-/tmp/tradewind}"; echo data > "$dir/file"; cat "$1/file";'
        ' printf result > "${TRADEWIND_TERMINATION_LOG:-/dev/termination-log}"; cat "$CONFIG"'
    )
    api = core_api_of(isolated)
    api.create_namespaced_config_map(
        "default", {"metadata": {"name": "conf"}, "data": {"c.txt": "configured"}}
    )
    main = {
        "args": ["sh", "/tmp/tradewind"],
        "env": [
            {"name": "CONFIG", "value": "/etc/conf/c.txt"},
            {"name": "TRADEWIND_WORKDIR", "value": "/tmp/tradewind"},
        ],
        "volumeMounts": [
            {"name": "work", "mountPath": "/tmp/tradewind"},
            {"name": "conf", "mountPath": "/etc/conf"},
        ],
    }
    volumes = [{"name": "work", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "conf"}}]
    ended = run_pod(api, "default", sh_pod("paths", script, main=main, volumes=volumes))
    assert log(api, "default", "paths") == "data\nconfigured"
    assert ended.status.container_statuses[0].state.terminated.message == "result"
    assert not Path("/etc/conf").exists()


def test_claims_outlive_pods(isolated: Cluster) -> None:
    api = core_api_of(isolated)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = api.create_namespaced_persistent_volume_claim(
        "default", {"metadata": {"name": "data"}, "spec": spec}
    )
    assert claim.status.phase == "Bound"
    main = {"volumeMounts": [{"name": "data", "mountPath": "/mnt/data"}]}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    run(isolated, sh_pod("claim-writes", "echo kept > /mnt/data/file", main=main, volumes=volumes))
    assert run(isolated, sh_pod("claim-reads", "cat /mnt/data/file", main=main, volumes=volumes)) == "kept\n"


def test_nothing_is_left_of_an_ended_pod_but_its_log(isolated: Cluster) -> None:
    run(isolated, sh_pod("tidy", "echo x > ~/file; (setsid sleep 297 &) ; echo started"))
    uid = core_api_of(isolated).read_namespaced_pod("tidy", "default").metadata.uid
    directory = isolated.home / "pods" / uid
    deadline = 200
    while (directory / "containers").exists() and deadline:
        deadline -= 1
        subprocess.run(["sleep", "0.02"], check=True)
    assert sorted(path.name for path in directory.iterdir()) == ["main.0.log", "pod.json", "status.json"]
    if sys.platform == "linux":
        processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert "sleep 297" not in processes, "nobody else sleeps that long"


class TestMountNamespaces:
    """What only namespaces can give."""

    @pytest.fixture(autouse=True)
    def _only_with_namespaces(self, isolated: Cluster) -> None:
        if "mounts" not in isolated.home.name:
            pytest.skip("paths: nothing is hidden or read-only without mount namespaces")

    def test_the_host_is_read_only(self, isolated: Cluster) -> None:
        script = (
            "for d in /etc /usr /var; do touch $d/tradewind-test 2>/dev/null && echo wrote $d; done; true"
        )
        assert run(isolated, sh_pod("writes-host", script)) == ""
        assert not Path("/etc/tradewind-test").exists()

    def test_the_home_directory_is_hidden(self, isolated: Cluster) -> None:
        script = "import os; print(sorted(os.listdir(os.path.expanduser('~'))), os.path.expanduser('~'))"
        listed = run(isolated, python_pod("home", script))
        assert str(Path.home()) in listed
        assert not {".ssh", ".aws", ".kube", ".netrc", ".bashrc"} & set(listed.split("'"))

    def test_the_cluster_itself_is_hidden(self, isolated: Cluster) -> None:
        script = f"import os; print(sorted(os.listdir({str(isolated.home)!r})))"
        assert run(isolated, python_pod("inside", script)).strip() == "['python', 'shared', 'template']"

    def test_mount_points_are_made_without_touching_the_host(self, isolated: Cluster) -> None:
        mounts = [
            {"name": "v", "mountPath": path} for path in ("/usr/share/tw-a/b", "/tw-top/x", "/tmp/deep/y")
        ]
        body = sh_pod(
            "mount-points",
            "echo 1 > /usr/share/tw-a/b/f; cat /tw-top/x/f /tmp/deep/y/f;"
            " ls /usr/share | wc -l; mkdir /new && echo ok",
            main={"volumeMounts": mounts},
            volumes=[{"name": "v", "emptyDir": {}}],
        )
        lines = run(isolated, body).split()
        assert lines == ["1", "1", str(len([n for n in os.listdir("/usr/share") if n[0] != "."]) + 1), "ok"]
        assert not Path("/usr/share/tw-a").exists()
        assert not Path("/tw-top").exists()
        assert not Path("/new").exists()

    def test_shared_memory_and_devices_work(self, isolated: Cluster) -> None:
        script = (
            "from multiprocessing.shared_memory import SharedMemory as S; S(create=True, size=100).unlink();"
            "open('/dev/null', 'w').write('x'); print(len(open('/dev/urandom', 'rb').read(4)))"
        )
        assert run(isolated, python_pod("devices", script)).strip() == "4"


def test_probing_leaves_nothing(tmp_path: Path) -> None:
    assert probe(str(tmp_path)) in ("mounts", "user-mounts", "paths")
    assert list(tmp_path.iterdir()) == []
