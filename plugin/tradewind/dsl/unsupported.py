"""Names of KFP's that are not there yet. Importing them works, using them says so."""

from __future__ import annotations

from typing import Any, NoReturn

from tradewind.errors import FatalError

__all__ = ["unsupported"]


class UnsupportedName:
    """Stands for a name of KFP's; any use is an error."""

    def __init__(self, name: str, remedy: str) -> None:
        self._name, self._remedy = name, remedy

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FatalError(f"dsl.{self._name} is not supported yet.", remedy=self._remedy)


def unsupported(name: str, remedy: str = "") -> Any:
    return UnsupportedName(name, remedy)
