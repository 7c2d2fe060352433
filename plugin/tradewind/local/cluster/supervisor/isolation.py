"""A container's view of the file system: the host, read-only, with the pod's own directories on top.

A container of the embedded cluster has no image: it sees the host's programs. It must still find its
volumes at the paths of its spec, have a `/tmp` of its own, and not write over the host. On Linux a private
mount namespace gives it that, entered as root or through a user namespace. Mount points that the host does
not have (`/data/in`) are made without touching the host: the nearest existing directory is replaced by one
of ours that holds a bind mount of each of its entries.

Runs between fork and exec, hence system calls through ctypes and no logging: an `OSError` that escapes is
reported by the caller as the container's failure to start.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["MODES", "Mount", "View", "enter_namespace", "probe"]

MODES = ("mounts", "user-mounts", "paths")
"""What can be done, best first: as root; in a user namespace; no namespace at all (paths are mapped in the
text).
"""

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY = 0x1
SYS_MOUNT_SETATTR = 442  # the same number on every architecture

# Of the host's devices: what programs expect, terminals, accelerators; disks and consoles are no step's.
DEVICES = frozenset(
    (
        *("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "mqueue"),
        *("fd", "stdin", "stdout", "stderr", "dri", "kfd", "fuse"),
    )
)
DEVICE_PREFIXES = ("nvidia", "accel", "dxg", "infiniband")


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _check(result, f"mount {target}")


def _set_attributes(target: str, attributes: _MountAttributes, flags: int) -> bool:
    result = _libc.syscall(
        ctypes.c_long(SYS_MOUNT_SETATTR),
        ctypes.c_int(AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(flags),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    return bool(result == 0)


def _make_read_only(target: str) -> None:
    attributes = _MountAttributes(MOUNT_ATTR_RDONLY, 0, 0, 0)
    if not _set_attributes(target, attributes, AT_RECURSIVE):
        # Linux before 5.12: the top mount only, with the flags that it has.
        flags = os.statvfs(target).f_flag & 0xF
        _mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def enter_namespace(mode: str) -> None:
    """Give the calling process a mount namespace of its own; changes are not seen by the host.

    Args:
        mode: `mounts` (needs root) or `user-mounts` (needs unprivileged user namespaces).

    Raises:
        OSError: the kernel refuses.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | (CLONE_NEWUSER if mode == "user-mounts" else 0)
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")
    if mode == "user-mounts":
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(content)
    _mount("none", "/", None, MS_REC | MS_PRIVATE)


@dataclass(frozen=True)
class Mount:
    """One directory or file of the host at a path of the container's.

    Attributes:
        source: absolute path on the host; exists.
        target: absolute path in the container; made when missing.
        read_only: nothing can be written below it.
    """

    source: str
    target: str
    read_only: bool = False


@dataclass
class View:
    """Builds the root directory of one container, inside a namespace of its own.

    Attributes:
        scratch: an empty directory of the container's own. What is written outside of all mounts stays in
            memory and is gone with the container.
    """

    scratch: str
    _owned: list[tuple[str, bool]] = field(default_factory=list)
    _copies: int = 0

    @property
    def root(self) -> str:
        return os.path.join(self.scratch, "root")

    def prepare(self) -> None:
        """Make `scratch` a file system in memory: making and removing the tree's skeleton on disk would cost
        more than all mounts.
        """
        _mount("tmpfs", self.scratch, "tmpfs", 0, "mode=0755")

    def build(self, mounts: Iterable[Mount]) -> None:
        """Assemble the host's view and put `mounts` on top, in order.

        Raises:
            OSError: a mount failed; says which.
        """
        wanted = list(mounts)
        covered = {mount.target for mount in wanted}
        os.makedirs(self.root)
        _mount(self.root, self.root, None, MS_BIND)
        self._owned.append(("/", True))
        for name in os.listdir("/"):
            place = f"/{name}"
            if os.path.islink(place):
                os.symlink(os.readlink(place), self.root + place)
            elif place in covered or name == "dev":
                os.mkdir(self.root + place)  # nothing of the host's is wanted there
            elif os.path.isdir(place):
                _copy_entry(place, self.root + place)
                if name != "proc":
                    _make_read_only(self.root + place)
                self._owned.append((place, False))
        self._add_devices()
        for mount in wanted:
            self._add(mount)

    def enter(self, working_directory: str) -> None:
        """Make the assembled tree the root directory of the process and go to a directory in it, making it
        when missing.
        """
        self._require(self._resolve(working_directory), is_file=False)
        os.chroot(self.root)
        os.chdir(working_directory)

    def _add_devices(self) -> None:
        os.mkdir(f"{self.root}/dev/shm")  # in memory, as the skeleton is
        os.chmod(f"{self.root}/dev/shm", 0o1777)
        for name in os.listdir("/dev"):
            if name in DEVICES or name.startswith(DEVICE_PREFIXES):
                _copy_entry(f"/dev/{name}", f"{self.root}/dev/{name}")

    def _add(self, mount: Mount) -> None:
        target = self._resolve(mount.target)
        is_file = not os.path.isdir(mount.source)
        self._require(target, is_file=is_file)
        _mount(mount.source, self.root + target, None, MS_BIND | MS_REC)
        if mount.read_only:
            _make_read_only(self.root + target)
        self._owned.append((target, True))

    def _resolve(self, path: str) -> str:
        """Follow symbolic links as they are in the new tree (the host's below /tmp no longer count)."""
        resolved, rest, links = "/", path.split("/"), 0
        while rest:
            name = rest.pop(0)
            candidate = os.path.normpath(os.path.join(resolved, name))
            if os.path.islink(self.root + candidate):
                links += 1
                if links > 40:
                    raise OSError(errno.ELOOP, f"too many symbolic links: {path}")
                rest = os.readlink(self.root + candidate).split("/") + rest
                resolved = "/" if rest[0] == "" else resolved
            else:
                resolved = candidate
        return resolved

    def _require(self, path: str, *, is_file: bool) -> None:
        """Make a mount point without writing to the host."""
        if os.path.lexists(self.root + path):
            return
        ancestor = os.path.dirname(path)
        while not os.path.isdir(self.root + ancestor):
            ancestor = os.path.dirname(ancestor)
        if not self._is_owned(ancestor):
            self._replace(ancestor)
        if is_file:
            os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
            with open(self.root + path, "xb"):
                pass
        else:
            os.makedirs(self.root + path)

    def _is_owned(self, path: str) -> bool:
        best, owned = "", False
        for prefix, mine in self._owned:
            if (path == prefix or path.startswith(prefix.rstrip("/") + "/")) and len(prefix) >= len(best):
                best, owned = prefix, mine
        return owned

    def _replace(self, directory: str) -> None:
        """Put a directory of our own, with the same entries, in the place of one of the host's."""
        self._copies += 1
        copy = os.path.join(self.scratch, f"copy-{self._copies}")
        os.makedirs(copy)
        for name in os.listdir(self.root + directory):
            _copy_entry(f"{self.root}{directory}/{name}", f"{copy}/{name}")
            self._owned.append((f"{directory.rstrip('/')}/{name}", False))
        _mount(copy, self.root + directory, None, MS_BIND | MS_REC)
        self._owned.append((directory, True))


def _copy_entry(source: str, target: str) -> bool:
    """Bind one directory entry; symbolic links are made anew. Says whether there is a mount now."""
    mode = os.lstat(source).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), target)
        return False
    if stat.S_ISDIR(mode):
        os.mkdir(target)
    else:
        with open(target, "xb"):
            pass
    _mount(source, target, None, MS_BIND | MS_REC)
    return True


def probe(directory: str) -> str:
    """Find out by doing it which of `MODES` works here.

    Args:
        directory: an existing directory that can be written; nothing is left in it.
    """
    if sys.platform != "linux":
        return "paths"
    modes = ("mounts", "user-mounts") if os.geteuid() == 0 else ("user-mounts",)
    for mode in modes:
        scratch = os.path.join(directory, f"probe-{mode}-{os.getpid()}")
        os.makedirs(scratch)
        child = os.fork()
        if child == 0:
            _probe_child(mode, scratch)
        _, status = os.waitpid(child, 0)
        _remove_tree(scratch)
        if status == 0:
            return mode
    return "paths"


def _probe_child(mode: str, scratch: str) -> None:
    code = 1
    try:
        enter_namespace(mode)
        view = View(scratch)
        view.prepare()
        view.build([Mount(scratch, "/tmp"), Mount(scratch, "/tradewind-probe/deep", read_only=True)])
        view.enter("/tmp")
        code = 0
    finally:
        os._exit(code)  # a forked child never returns into its parent's code


def _remove_tree(directory: str) -> None:
    for parent, directories, files in os.walk(directory, topdown=False):
        for name in files:
            os.unlink(os.path.join(parent, name))
        for name in directories:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                os.unlink(path)
            else:
                os.rmdir(path)
    os.rmdir(directory)
