"""`python -m tradewind.local.cluster --home DIR`: serve in the foreground until Ctrl-C."""

from __future__ import annotations

import sys

from tradewind.errors import ConfigurationError
from tradewind.local.cluster.options import parse
from tradewind.local.cluster.service import serve

if __name__ == "__main__":
    try:
        sys.exit(serve(*parse()))
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
