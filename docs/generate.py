"""Writes docs/configuration.md from what the provider tells Airflow about itself: `make docs`.

With `--check` nothing is written; the exit code says whether the file is current.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradewind.airflow.provider import get_provider_info

PAGE = Path(__file__).with_name("configuration.md")

# ruff: noqa: E501
HEAD = """\
# Configuration reference

<!-- Written by `make docs` from the provider's description (plugin/tradewind/airflow). Do not edit. -->

Section `[tradewind]` of `airflow.cfg`, or the environment variable of each option. `airflow config list --section tradewind --include-descriptions`
shows what is in force, `tradewind check` tests it, `airflow providers get airflow-provider-tradewind --full` shows this page's source. Tasks read the configuration when they
run: a change needs no new DAG, only restarted workers. What a pipeline says (`pipeline_dag(...)`, [pipelines.md](pipelines.md)) goes before all of it.

How the pieces are put together is told in [installation.md](installation.md) and, for several teams and clusters, [teams.md](teams.md).
"""

CONNECTIONS = """\
## Connection types

*Admin → Connections → Add* shows them as forms. **Test** needs `[core] test_connection = Enabled`; it runs in Airflow's API server, so it says whether *that* reaches the
server, with the credentials of workers. `tradewind check` tests the same from a shell. In Airflow 3.3 the button answers "The host or port to test differs" for every connection
without a port: save a port of 0, which counts as none. The cluster's own connection is of the type `kubernetes`, of Airflow's Kubernetes provider.

Credentials in a connection are for Airflow's workers. They never travel to a pod: for pods a connection names Kubernetes secrets in the pods' namespace.
Fields marked *extra* lie in the connection's `extra`. As an environment variable, a connection is JSON:
"""

EXAMPLES = {
    "tradewind_mlflow": """\
AIRFLOW_CONN_MLFLOW_DEFAULT='{"conn_type": "tradewind_mlflow", "host": "https://mlflow.example.com", "password": "<token>",
  "extra": {"pod_tracking_uri": "http://mlflow.mlflow.svc:5000", "pod_credentials": "mlflow/token"}}'""",
    "tradewind_artifact_store": """\
AIRFLOW_CONN_ARTIFACT_STORE_DEFAULT='{"conn_type": "tradewind_artifact_store", "host": "s3://bucket/pipelines", "login": "<key>", "password": "<secret>",
  "extra": {"pod_credentials": "artifact-store", "endpoint_url": "https://minio.example.com"}}'""",
}
STANDARD = ("host", "login", "password", "port")


def page() -> str:
    """Return the whole page."""
    info = get_provider_info()
    options = info["config"]["tradewind"]["options"]
    parts = [HEAD, "## Options\n", *_overview(options), ""]
    for name, option in options.items():
        parts.extend([*_option(name, option), ""])
    parts.append(CONNECTIONS)
    for each in info["connection-types"]:
        parts.extend(_connection_type(each))
    return "\n".join(parts).rstrip() + "\n"


def _overview(options: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "| option | default |"
    yield "|---|---|"
    for name, option in options.items():
        default = f"`{option['default']}`" if option["default"] is not None else ""
        yield f"| [`{name}`](#{name}) | {default} |"


def _option(name: str, option: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield _markdown(option["description"])
    yield ""
    facts = [f"`AIRFLOW__TRADEWIND__{name.upper()}`", str(option["type"])]
    if option["default"] is not None:
        facts.append(f"default `{option['default']}`")
    if option["example"] is not None:
        facts.append(f"example `{option['example']}`")
    yield " · ".join(facts)


def _connection_type(each: dict[str, Any]) -> Iterator[str]:
    name = each["connection-type"]
    yield f"### {name}"
    yield ""
    yield f"{each['hook-name']}, hook `{each['hook-class-name']}`."
    yield ""
    yield "| field | label | meaning |"
    yield "|---|---|---|"
    behaviour = each["ui-field-behaviour"]
    for field in STANDARD:
        example = behaviour["placeholders"].get(field, "")
        yield f"| `{field}` | {behaviour['relabeling'][field]} | {example} |"
    for field, form in each["conn-fields"].items():
        yield f"| *extra* `{field}` | {form['label']} | {form['description']} |"
    yield ""
    yield f"```sh\n{EXAMPLES[name]}\n```"
    yield ""


def _markdown(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is current")
    new = page()
    if not parser.parse_args().check:
        PAGE.write_text(new)
        return 0
    if PAGE.exists() and PAGE.read_text() == new:
        return 0
    print(f"{PAGE.name} is not what the provider says: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
