"""Text, files and addresses become components. Nothing is guessed: what a file holds is told by its keys."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from pathlib import Path

from tradewind import ir
from tradewind.components import version1
from tradewind.components.yaml_component import YamlComponent, from_pipeline
from tradewind.errors import ConfigurationError, InvalidPipelineError, Problem, UnreachableError
from tradewind.ir import document

__all__ = ["load_component_from_file", "load_component_from_text", "load_component_from_url"]

_TIMEOUT_SECONDS = 60
_UNREADABLE = (FileNotFoundError, IsADirectoryError, PermissionError, OSError)


def load_component_from_text(text: str, *, source: str = "<text>") -> YamlComponent:
    """Load a component from YAML.

    Args:
        text: a compiled component or pipeline, or a component of version 1.
        source: where it came from, for messages.

    Raises:
        InvalidPipelineError: with everything that is wrong.
    """
    if not isinstance(text, str):
        raise ConfigurationError(
            f"A component is read from text, not from a {type(text).__name__}.",
            remedy="Give the YAML as text.",
            also=AttributeError,
        )
    try:
        documents, problems = document.read(text)
    except document.Unreadable as error:
        raise InvalidPipelineError(source, error.problems) from error
    first = documents[0] if documents else None
    if isinstance(first, dict) and "implementation" in first and "root" not in first:
        if problems:
            raise InvalidPipelineError(source, problems)
        return version1.component(first, text, source)
    return from_pipeline(ir.loads(text, source=source), text)


def load_component_from_file(file_path: str) -> YamlComponent:
    """Load a component from a file; `~` is the home directory. Raises like `load_component_from_text`."""
    path = Path(file_path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        also = next((kind for kind in _UNREADABLE if isinstance(error, kind)), ValueError)
        problem = Problem("$", f"cannot be read: {reason}", "give the path of a readable YAML file", also)
        raise InvalidPipelineError(str(file_path), [problem]) from error
    return load_component_from_text(text, source=str(file_path))


def load_component_from_url(url: str, auth: tuple[str, str] | None = None) -> YamlComponent:
    """Load a component from the web.

    Args:
        url: `https://`, `http://`, or `gs://` for what Google Cloud Storage shows to everybody.
        auth: user and password.

    Raises:
        ConfigurationError: no such address, or not allowed.
        UnreachableError: the server did not answer.
        InvalidPipelineError: as `load_component_from_text`.
    """
    address = str(url)
    if address.startswith("gs://"):
        address = address.replace("gs://", "https://storage.googleapis.com/", 1)
    if not address.startswith(("https://", "http://")):
        raise ConfigurationError(
            f"'{url}' is no address.", remedy="Give a URL with https://, http:// or gs://.", also=OSError
        )
    request = urllib.request.Request(address)
    if auth is not None:
        token = base64.b64encode(":".join(auth).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            text = response.read(document.MAX_BYTES + 1).decode("utf-8-sig")
    except urllib.error.HTTPError as error:
        remedy = "Check the address, and `auth` if it asks for a password."
        message = f"{url} answered {error.code} {error.reason}."
        kind = UnreachableError if error.code >= 500 else ConfigurationError
        raise kind(message, remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise InvalidPipelineError(url, [Problem("$", "is not UTF-8 text")]) from error
    except OSError as error:
        raise UnreachableError(f"{url} cannot be reached: {error}") from error
    return load_component_from_text(text, source=url)
