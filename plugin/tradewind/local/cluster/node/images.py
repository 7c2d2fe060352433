"""Names of images: never pulled, but checked, and some of them cannot be "pulled" so that this can be
tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["ImageProblem", "find_problem"]

_NAME = re.compile(
    r"(?:(?:[a-zA-Z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)


@dataclass(frozen=True, slots=True)
class ImageProblem:
    """Why a container cannot have its image; `reason` as in a waiting container's status."""

    reason: str
    message: str


def find_problem(image: str, missing: Iterable[str]) -> ImageProblem | None:
    """Check one image name.

    Args:
        missing: shell patterns of names that cannot be pulled.
    """
    if not _NAME.fullmatch(image):
        text = f'couldn\'t parse image name "{image}": invalid reference format'
        return ImageProblem("InvalidImageName", f'Failed to apply default image tag "{image}": {text}')
    if any(fnmatchcase(image, pattern) for pattern in missing):
        text = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": not found'
        return ImageProblem("ErrImagePull", f"rpc error: code = NotFound desc = {text}")
    return None
