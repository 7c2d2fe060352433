"""How many requests were made, by verb, resource and client: what a step costs the API server is a number
to keep low.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["Audit"]


class Audit:
    """Counts requests."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, verb: str, resource: str, user_agent: str) -> None:
        """Take in one request; `resource` with its subresource, such as `pods/log`."""
        self._counts[verb, resource, user_agent] += 1

    def report(self) -> dict[str, Any]:
        """Counts so far, most first."""
        requests = [
            {"verb": verb, "resource": resource, "userAgent": agent, "count": count}
            for (verb, resource, agent), count in self._counts.most_common()
        ]
        return {"total": self._counts.total(), "requests": requests}

    def reset(self) -> dict[str, Any]:
        """Report and start anew."""
        report = self.report()
        self._counts.clear()
        return report
