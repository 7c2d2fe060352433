"""Loads a component's module and calls its function as the user's own code.

Errors that come out of it are the user's: their traceback is printed from the first frame that is theirs, and
its last lines travel with the result.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Callable

from tradewind.runtime.failures import (
    InputError,
    OutputError,
    ProtocolError,
    StoppedError,
    StoreError,
    UserCodeError,
)

__all__ = ["Terminated", "load_function", "user_code"]

# KFP's name for it: code that pickles its own classes sees the same module name here and there.
MODULE = "ephemeral_component"
OURS = os.path.dirname(os.path.abspath(__file__))


class Terminated(KeyboardInterrupt):
    """SIGTERM, as an exception that `except Exception` does not swallow, so that `finally` blocks run."""


def load_function(task: dict[str, Any], folder: str) -> Callable[..., Any]:
    """Return the component's function.

    Args:
        task: `source`, or for a function that lives in the image `module` (a dotted name or a path), or
            neither: then KFP's `kfp_config.ini` in the working directory names the file.
        folder: where the source is written.

    Raises:
        UserCodeError: the module's own code raised.
        ProtocolError: there is no such module or function.
    """
    name = task.get("function") or ""
    if task.get("source") is not None:
        path = os.path.join(folder, MODULE + ".py")
        os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(task["source"])
        module = user_code(lambda: _load_file(path))
    else:
        given = task.get("module") or _configured_module(name)
        if given.endswith(".py"):
            module = user_code(lambda: _load_file(given))
        else:
            module = user_code(lambda: importlib.import_module(given))
    function = getattr(module, name, None)
    if function is None:
        raise ProtocolError(f"The component's module has no function {name!r}")
    found: Callable[..., Any] = function
    return found


def user_code(action: Callable[[], Any]) -> Any:
    """Run the user's code and return what it returns; None when it ends with `sys.exit(0)`.

    Raises:
        UserCodeError: it raised, or called `sys.exit` with another code than 0.
        OutputError, StoppedError: the same.
        InputError: it asked for the path of an artifact that could not be brought.
    """
    try:
        return action()
    except SystemExit as error:
        if not error.code:
            return None
        code = error.code if isinstance(error.code, int) else 1
        if not isinstance(error.code, int):
            print(error.code, file=sys.stderr, flush=True)
        raise UserCodeError(f"sys.exit({error.code!r})", type="SystemExit", exit_code=code & 255) from None
    except Terminated:
        raise StoppedError("Stopped by SIGTERM", exit_code=143) from None
    except (ProtocolError, InputError, OutputError, StoreError):
        raise
    except BaseException as error:
        text = _traceback(error)
        print(text, file=sys.stderr, flush=True)
        raise UserCodeError(str(error), type=type(error).__name__, traceback=text) from error


def _load_file(path: str) -> Any:
    import importlib.util

    folder, file = os.path.split(os.path.abspath(path))
    name = file[: -len(".py")]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    # As KFP does it: siblings of the file and child processes find the module by its name.
    sys.modules[name] = module
    sys.path.insert(0, folder)
    spec.loader.exec_module(module)
    return module


def _configured_module(function: str) -> str:
    import configparser

    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read("kfp_config.ini")
    path = parser.get("Components", function, fallback="")
    if not path:
        raise ProtocolError(
            f"The task brings no source, and no kfp_config.ini in {os.getcwd()} says where {function!r} is"
        )
    return path if path.endswith(".py") else path + ".py"


def _traceback(error: BaseException) -> str:
    import traceback

    frames = error.__traceback__
    while frames is not None and _is_plumbing(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    # When all frames are plumbing (a syntax error in the source), there is nothing to show but the error.
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def _is_plumbing(filename: str) -> bool:
    return filename.startswith((OURS, "<frozen importlib")) or filename == importlib.__file__
