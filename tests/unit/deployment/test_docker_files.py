"""docker/ fits together and fits Airflow: options that exist, names that are defined, versions that agree."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.airflow import AirflowHome
from tradewind.airflow.provider import get_provider_info

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose" / "compose.yaml"
VALUES = DOCKER / "chart" / "values.yaml"


def environment_file() -> dict[str, str]:
    lines = (DOCKER / "compose" / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(text: str) -> str:
    """As Compose does it, with something in each variable that has to be filled in."""
    given = {name: value or "filled-in" for name, value in environment_file().items()}

    def value(match: re.Match[str]) -> str:
        name, kind, word = match["name"], match["kind"] or "", match["word"] or ""
        if kind == ":?":
            return given[name]
        return given.get(name) or word

    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<word>[^}]*))?\}", value, text).replace("$$", "$")


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load(interpolated(COMPOSE.read_text()))


@pytest.fixture
def values() -> dict[str, Any]:
    return yaml.safe_load(VALUES.read_text())


def known_options() -> dict[str, set[str]]:
    from airflow.configuration import retrieve_configuration_description

    described = retrieve_configuration_description(include_providers=True)
    return {section: set(content["options"]) for section, content in described.items()}


def fields_of(conn_type: str) -> set[str]:
    for each in get_provider_info()["connection-types"]:
        if each["connection-type"] == conn_type:
            return set(each["conn-fields"])
    from airflow.providers.cncf.kubernetes.get_provider_info import get_provider_info as kubernetes

    (each,) = kubernetes()["connection-types"]
    assert each["connection-type"] == conn_type
    return set(each["conn-fields"])


def manifests() -> list[dict[str, Any]]:
    files = sorted((DOCKER / "kubernetes").glob("*.yaml"))
    return [each for path in files for each in yaml.safe_load_all(path.read_text()) if each]


def named(kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in manifests() if each["kind"] == kind}


def test_compose_knows_all_its_variables_and_needs_no_others():
    text = COMPOSE.read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required <= environment_file().keys() <= used


def test_compose_refers_to_what_it_defines(compose: dict[str, Any]):
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", ())) <= compose["services"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            is_path = source.startswith((".", "/")) or source == "filled-in"
            assert is_path or source in compose["volumes"], volume
        context = service.get("build", {}).get("context")
        if context:
            file = service["build"].get("dockerfile", "Dockerfile")
            assert (COMPOSE.parent / context / file).is_file(), name
    assert (COMPOSE.parent / "databases.sql").read_text().split()[-1].strip(";") == "mlflow"


def test_composes_airflow_gets_options_that_exist(compose: dict[str, Any], airflow_home: AirflowHome):
    options = known_options()
    environment = compose["services"]["scheduler"]["environment"]
    settings = [name for name in environment if name.startswith("AIRFLOW__")]
    assert len(settings) > 10
    for name in settings:
        section, _, option = name.removeprefix("AIRFLOW__").lower().partition("__")
        assert option in options[section], name


def test_connections_have_fields_that_exist(compose: dict[str, Any], values: dict[str, Any]):
    environment = dict(compose["services"]["scheduler"]["environment"])
    environment |= {f"chart {each['name']}": each["value"] for each in values["env"]}
    connections = {name: json.loads(text) for name, text in environment.items() if "AIRFLOW_CONN_" in name}
    assert len(connections) == 3
    comment = re.search(r"--from-literal=mlflow='(.*?)'", VALUES.read_text(), re.DOTALL)
    assert comment
    connections["chart, secret"] = json.loads(comment[1].replace("\n#", "\n"))
    for name, connection in connections.items():
        assert connection["extra"].keys() <= fields_of(connection["conn_type"]), name


def test_the_charts_options_exist(values: dict[str, Any], airflow_home: AirflowHome):
    options = known_options()
    for section, given in values["config"].items():
        assert given.keys() <= options[section], section
    for each in values["secret"]:
        assert each["secretName"] in VALUES.read_text().split("kubectl create secret generic ")[1]


def test_pods_accounts_and_bindings_are_there(values: dict[str, Any], compose: dict[str, Any]):
    accounts, bindings = named("ServiceAccount"), named("RoleBinding")
    for defaults in (
        values["config"]["tradewind"]["pod_defaults"],
        compose["services"]["scheduler"]["environment"]["AIRFLOW__TRADEWIND__POD_DEFAULTS"],
    ):
        assert json.loads(defaults)["service_account_name"] in accounts
    overlay = yaml.safe_load((DOCKER / "chart" / "kustomization.yaml").read_text())
    bound: set[str] = set()
    subjects: set[str] = set()
    for patch in overlay["patches"]:
        bound |= {name for name in bindings if re.fullmatch(patch["target"]["name"], name)}
        (operation,) = yaml.safe_load(patch["patch"])
        subjects |= {each["name"] for each in operation["value"]}
    assert bound == bindings
    assert subjects == {
        values["workers"]["serviceAccount"]["name"],
        values["triggerer"]["serviceAccount"]["name"],
    }
    assert values["allowPodLaunching"] is False


def test_versions_agree(values: dict[str, Any], compose: dict[str, Any]):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints = (ROOT / "constraints.txt").read_text()
    airflow = re.search(r"^apache-airflow==(\S+)", constraints, re.MULTILINE)
    mlflow = re.search(r"^mlflow==(\S+)", constraints, re.MULTILINE)
    assert airflow
    assert mlflow
    tag = f"{airflow[1]}-{project['version']}"
    assert (values["airflowVersion"], values["defaultAirflowTag"]) == (airflow[1], tag)
    assert compose["services"]["scheduler"]["image"].endswith(f":{tag}")
    assert f"apache/airflow:{airflow[1]}-python" in (DOCKER / "airflow" / "Dockerfile").read_text()
    assert f"mlflow=={mlflow[1]}\n" in (DOCKER / "mlflow" / "requirements.txt").read_text()
    assert compose["services"]["mlflow"]["image"].endswith(f":{mlflow[1]}")
    assert values["config"]["tradewind"]["helper_image"].endswith(f":{project['version']}")


def test_dockerfiles_copy_what_is_there_and_the_helper_has_the_extras_drivers():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for folder, context in (("airflow", ROOT), ("helper", DOCKER / "helper"), ("mlflow", DOCKER / "mlflow")):
        text = (DOCKER / folder / "Dockerfile").read_text()
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
            for source in line.split():
                assert (context / source).exists(), (folder, source)
    lines = (DOCKER / "helper" / "requirements.txt").read_text().splitlines()
    drivers = {line.partition("#")[0].strip() for line in lines} - {""}
    extras = project["optional-dependencies"]
    assert drivers == {*extras["s3"], *extras["gs"], *extras["azure"]}
