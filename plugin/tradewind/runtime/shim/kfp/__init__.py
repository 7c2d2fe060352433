"""The name `kfp` in the pod, so that code compiled by KFP's SDK runs without it.

Only what a running component needs is here. When the environment has the real package, its other modules
(`kfp.compiler`, `kfp.client`, ...) are found behind this one.
"""

import os
import sys
from typing import Any

__path__ += [path for entry in sys.path if os.path.isdir(path := os.path.join(entry, __name__))]
__version__ = "2.17.3"

TYPE_CHECK = True

from kfp import dsl  # noqa: E402,F401 - `import kfp; kfp.dsl` works with the real one


class _FirstThingsFirst:
    """Imports the module with which the real package gets around its own import cycles, before any other."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.startswith("kfp.") and not name.startswith("kfp.dsl"):
            import importlib

            sys.meta_path.remove(self)
            importlib.import_module("kfp.dsl.component_decorator")


if len(__path__) > 1:
    sys.meta_path.insert(0, _FirstThingsFirst())


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    import importlib

    module, attribute = (".client", name) if name == "Client" else ("." + name, None)
    try:
        found = importlib.import_module(module, __name__)
    except ModuleNotFoundError as error:
        raise AttributeError(
            f"kfp.{name} is not there while a component runs; add 'kfp' to packages_to_install"
        ) from error
    return getattr(found, attribute) if attribute else found
