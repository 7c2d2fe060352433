"""The connection: budgets, refusals in plain words, credentials that stay hidden."""

from __future__ import annotations

import base64
import json
import socket
import time

import pytest

from fixtures.http_doubles import Answer, Request, scripted
from tradewind.errors import ConfigurationError, FatalError, UnreachableError
from tradewind.tracking import MlflowRest, RejectedError


@pytest.fixture
def silent_port():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_there_is_noticed_within_the_budget() -> None:
    rest = MlflowRest(f"http://127.0.0.1:{closed_port()}", budget_seconds=0.6)
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="cannot be reached") as caught:
        rest.get("experiments/get")
    assert 0.2 < time.monotonic() - started < 10
    assert "Remedy" in str(caught.value)


def test_a_server_that_hangs_is_given_up_within_the_budget(silent_port: int) -> None:
    rest = MlflowRest(f"http://127.0.0.1:{silent_port}", timeout_seconds=0.3, budget_seconds=0.8)
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="did not answer in time"):
        rest.get("experiments/get")
    assert time.monotonic() - started < 10


def test_one_budget_for_all_calls_of_an_operation(silent_port: int) -> None:
    rest = MlflowRest(f"http://127.0.0.1:{silent_port}", timeout_seconds=0.3, budget_seconds=1.5)
    started = time.monotonic()
    with rest.operation():
        for _ in range(5):
            with pytest.raises(UnreachableError):
                rest.get("experiments/get")
    assert time.monotonic() - started < 5 * 1.5


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_overloaded_server_is_asked_again(status: int) -> None:
    answers = [Answer(status), Answer(status), Answer(200, b'{"run": 1}')]
    with scripted(lambda _: answers.pop(0)) as uri:
        assert MlflowRest(uri).get("runs/get") == {"run": 1}


def test_a_lasting_500_does_not_use_up_the_budget() -> None:
    body = json.dumps({"error_code": "INTERNAL_ERROR", "message": "disk full"}).encode()
    with scripted(lambda _: Answer(500, body)) as uri:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="answered 500: disk full"):
            MlflowRest(uri).get("runs/get")
        assert time.monotonic() - started < 3


def test_a_call_that_may_not_be_repeated_is_sent_once() -> None:
    seen: list[str] = []

    def script(request: Request) -> Answer | None:
        seen.append(request.path)
        return None

    with scripted(script) as uri:
        with pytest.raises(UnreachableError, match="1 try"):
            MlflowRest(uri).post("runs/create", {}, again=False)
        assert seen == ["/api/2.0/mlflow/runs/create"]


def test_a_refusal_has_mlflows_own_words() -> None:
    body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "Bad name."}).encode()
    with scripted(lambda _: Answer(400, body)) as uri:
        with pytest.raises(RejectedError, match="Bad name") as caught:
            MlflowRest(uri).post("runs/create", {})
        assert isinstance(caught.value, FatalError)
        assert (caught.value.status, caught.value.code) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    ("answer", "words", "remedy"),
    [
        (Answer(401, b"You are not authenticated."), "401", "token"),
        (Answer(403, b'{"message": "no permission"}'), "no permission", "token"),
        (Answer(403, b"Invalid Host header - possible DNS rebinding"), "refuses the host", "--allowed-hosts"),
        (Answer(302, b"", (("Location", "https://u:pw@sso.example/login"),)), "sso.example/login", "token"),
        (Answer(200, b"<html>Sign in</html>"), "does not answer like an MLflow server", "login page"),
    ],
)
def test_what_only_a_person_can_put_right_comes_with_a_remedy(
    answer: Answer, words: str, remedy: str
) -> None:
    with scripted(lambda _: answer) as uri:
        with pytest.raises(ConfigurationError, match=words) as caught:
            MlflowRest(uri, token="t0ken").get("runs/get")
        assert remedy in caught.value.remedy
        assert "t0ken" not in str(caught.value)
        assert "pw@" not in str(caught.value)


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "", "databricks", "http://", "/tmp/mlruns"])
def test_what_is_no_server_is_refused_at_once(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="tracking URI"):
        MlflowRest(uri)


def test_credentials_are_sent_and_never_shown() -> None:
    seen: list[Request] = []

    def script(request: Request) -> Answer:
        seen.append(request)
        return Answer(200)

    with scripted(script) as uri:
        within = uri.replace("http://", "http://ana:p%40ss@") + "/prefix/"
        clients = [
            MlflowRest(uri, token="t0ken", username="x", password="y"),
            MlflowRest(uri, username="ana", password="p@ss"),
            MlflowRest(within),
        ]
        for client in clients:
            client.get("runs/get")
            assert "p@ss" not in repr(client)
            assert "t0ken" not in repr(client)
            assert "ana" not in client.uri
    basic = "Basic " + base64.b64encode(b"ana:p@ss").decode()
    assert [request.headers["Authorization"] for request in seen] == ["Bearer t0ken", basic, basic]
    assert seen[2].path == "/prefix/api/2.0/mlflow/runs/get"


def test_the_connection_is_kept_and_a_dead_one_is_noticed() -> None:
    announced = Answer(200, headers=(("Connection", "close"),))
    answers = [Answer(200), announced, Answer(200, hang_up=True), Answer(200)]
    with scripted(lambda _: answers.pop(0)) as uri:
        rest = MlflowRest(uri)
        for _ in range(4):
            # A request sent into a dead connection would fail: it may not be repeated.
            rest.post("runs/create", {}, again=False)
            time.sleep(0.05)
    assert not answers
