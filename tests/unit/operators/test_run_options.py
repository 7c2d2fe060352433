"""What a run's configuration may say about Tradewind itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tradewind.errors import FatalError
from tradewind.operators.run_options import RunOptions, settings_of_run
from tradewind.operators.settings import RunSettings


def test_a_run_has_an_experiment_of_its_own() -> None:
    run = SimpleNamespace(conf={"tradewind.experiment": "trials"})
    assert settings_of_run(RunSettings("p", experiment="daily"), run).experiment_name == "trials"
    assert settings_of_run(RunSettings("p"), SimpleNamespace(conf={})).experiment_name == "p"


@pytest.mark.parametrize("value", ["", " ", 5, "a\0b", "\ud800"])
def test_what_is_no_experiment_fails_the_run(value: object) -> None:
    with pytest.raises(FatalError, match=r"tradewind\.experiment"):
        RunOptions.of(SimpleNamespace(conf={"tradewind.experiment": value}))


@pytest.mark.parametrize("value", ["data", "s3://bucket/a\0b", "s3://bucket/\ud800"])
def test_what_is_no_pipeline_root_fails_the_run(value: str) -> None:
    with pytest.raises(FatalError, match=r"tradewind\.pipeline_root"):
        RunOptions.of(SimpleNamespace(conf={"tradewind.pipeline_root": value}))
