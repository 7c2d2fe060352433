"""Directories as artifacts: file by file while they are small and plain, else one tar.

File by file reads well in MLflow's UI, but costs a request each; a tar is one request and keeps what object
stores have no place for (empty directories, executable files, names that the server refuses). Tars are
deterministic: the same content gives the same digest, whoever packs it and whenever.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
from typing import NamedTuple

from tradewind.runtime.failures import InputError

__all__ = ["Tree", "pack", "scan", "tree_digest", "unpack"]

# MLflow's server refuses or decodes some characters; backslashes and control characters fare no better.
PLAIN_NAME = re.compile(r"[^%#\\\x00-\x1f\x7f]+")


class Tree(NamedTuple):
    """What lies below a directory.

    Attributes:
        files: relative paths with "/", sorted. Links to files count as the file they lead to.
        folders: relative paths of the directories that hold nothing.
        plain: nothing would be lost when only the files were kept.
    """

    files: list[str]
    folders: list[str]
    plain: bool


def scan(root: str) -> Tree:
    """List a directory. Links to directories are followed once; links that lead nowhere are left out."""
    files: list[str] = []
    folders: list[str] = []
    seen = {os.path.realpath(root)}
    plain = True
    for folder, names, leaves in os.walk(root, followlinks=True):
        for name in list(names):
            real = os.path.realpath(os.path.join(folder, name))
            if os.path.islink(os.path.join(folder, name)) and real in seen:
                names.remove(name)
            seen.add(real)
        relative = os.path.relpath(folder, root)
        prefix = "" if relative == "." else relative + "/"
        kept = [prefix + leaf for leaf in leaves if os.path.isfile(os.path.join(folder, leaf))]
        if not kept and not names and prefix:
            folders.append(relative)
        files += kept
    for path in files:
        executable = os.stat(os.path.join(root, path)).st_mode & stat.S_IXUSR
        plain = plain and not executable and PLAIN_NAME.fullmatch(path) is not None
    return Tree(sorted(files), sorted(folders), plain and not folders and bool(files))


def tree_digest(entries: list[tuple[str, str]]) -> str:
    """Return the digest of a directory kept file by file.

    Args:
        entries: relative path and digest of each file.
    """
    text = "".join(f"{digest}  {path}\n" for path, digest in sorted(entries))
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def pack(root: str, tree: Tree, target: str) -> None:
    """Write the directory as a tar, without times and owners; of permissions only "executable" is kept."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in tree.folders:
            member = tarfile.TarInfo(path)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for path in tree.files:
            full = os.path.join(root, path)
            member = tarfile.TarInfo(path)
            status = os.stat(full)
            member.size, member.mode = status.st_size, 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            with open(full, "rb") as file:
                tar.addfile(member, file)


def unpack(source: str, root: str) -> None:
    """Unpack a tar of `pack`.

    Raises:
        InputError: it holds something that `pack` never writes: links, devices, paths that lead outside.
    """
    try:
        with tarfile.open(source, "r:") as tar:
            for member in tar:
                inside = not os.path.isabs(member.name) and ".." not in member.name.split("/")
                if not inside or not (member.isfile() or member.isdir()):
                    raise InputError(f"The artifact's tar holds {member.name!r}, which is not allowed")
                path = os.path.join(root, member.name)
                if member.isdir():
                    os.makedirs(path, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _write(tar, member, path)
    except tarfile.TarError as error:
        raise InputError(f"The artifact is not a readable tar: {error}") from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    import shutil

    content = tar.extractfile(member)
    if content is None:
        raise InputError(f"The artifact's tar has no content for {member.name!r}")
    with content, open(path, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    if member.mode & stat.S_IXUSR:
        os.chmod(path, 0o755)
