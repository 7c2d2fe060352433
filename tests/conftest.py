"""Fixtures that start the real thing; each lives in a module of its own under tests/fixtures."""

from __future__ import annotations

import signal

# A shell has its background jobs ignore Ctrl-C, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "fixtures.airflow",
    "fixtures.cluster",
    "fixtures.kfp_sdk",
    "fixtures.mlflow",
    "fixtures.s3",
    "fixtures.workers",
]
