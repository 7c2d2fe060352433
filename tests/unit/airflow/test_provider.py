"""Airflow accepts what we tell it about ourselves, and knows the `[tradewind]` section from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from fixtures.airflow import AirflowHome
from tradewind.airflow.provider import get_provider_info


def test_provider_info_passes_airflows_schema():
    import airflow

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_finds_the_provider_and_its_plugin(airflow_home: AirflowHome):
    from airflow.plugins_manager import get_plugin_info
    from airflow.providers_manager import ProvidersManager

    assert "airflow-provider-tradewind" in ProvidersManager().providers
    assert "tradewind" in {plugin["name"] for plugin in get_plugin_info()}


def test_options_have_their_defaults_in_airflows_configuration(
    airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
):
    from airflow.configuration import conf

    assert conf.get("tradewind", "kubernetes_conn_id") == "kubernetes_default"
    assert conf.getboolean("tradewind", "caching") is True
    assert conf.getint("tradewind", "store_timeout_seconds") == 300
    assert conf.get("tradewind", "mlflow_tracking_uri", fallback=None) is None
    monkeypatch.setenv("AIRFLOW__TRADEWIND__NAMESPACE", "training")
    assert conf.get("tradewind", "namespace") == "training"


def test_every_option_says_what_it_is_for():
    for name, option in get_provider_info()["config"]["tradewind"]["options"].items():
        assert len(option["description"].split()) > 5, name
        assert option["version_added"], name


def test_provider_and_plugin_load_next_to_nothing():
    code = (
        "import sys; import tradewind.airflow.provider; before = set(sys.modules)\n"
        "assert not any(name.startswith('airflow') for name in before), 'provider.py imports airflow'\n"
        "import airflow.sdk.plugins_manager; base = set(sys.modules)\n"
        "import tradewind.airflow.plugin\n"
        "print(sorted(set(sys.modules) - base))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tradewind.airflow.plugin']"
