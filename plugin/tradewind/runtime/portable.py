"""Makes a copy of the Python that runs it which works in any image: run by an init container, alone.

Images such as busybox have no Python, and distroless ones not even a shell, but a step's artifacts have to be
fetched and kept all the same. A Python is a program, its library and some shared objects; where the loader
and the shared objects come along and are named on the command line, nothing of the image is needed:

    <target>/ld.so --library-path <target>/shared <target>/bin/python3 -I -c ...

What is in memory after all of the library's extension modules were imported is what it takes. Where
containers share one host (`TRADEWIND_SHARED_HOST`, the embedded cluster), `ld.so` is a script that starts the
host's Python.
"""

import glob
import os
import shutil
import site
import ssl
import sys
import sysconfig

# Where the library's largest parts are of no use to a program without a screen.
UNUSED = ("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "config-*")
# Parts of the C library that it loads by itself, and those that compiled packages may ask for.
LOADED_LATE = ("libnss_dns*", "libnss_files*", "libresolv*.so*", "libgcc_s.so*")
FOR_PACKAGES = ("libpthread.so*", "libdl.so*", "librt.so*", "libutil.so*", "libm.so*", "libstdc++.so*")
# What pip installs (drivers of object stores) goes into the copy: no environments can be made from it.
CUSTOM = """\
import os, sys
home = {home!r}
sys.path.append(os.path.join(home, "packages"))
sys.executable = os.path.join(home, "bin", "run")
os.environ.pop("TRADEWIND_ENVIRONMENT_CACHE", None)
import ssl
paths = ssl.get_default_verify_paths()
if not paths.cafile and not (paths.capath and os.listdir(paths.capath)) and "SSL_CERT_FILE" not in os.environ:
    os.environ["SSL_CERT_FILE"] = os.environ["TRADEWIND_HELPER_CERTIFICATES"] = os.path.join(home, "cert.pem")
"""
SHARED_HOST = """\
#!/bin/sh
shift 3
exec python3 "$@"
"""
RUN = """\
#!/bin/sh
exec {home}/ld.so --library-path {home}/shared {home}/bin/python3 "$@"
"""


def main(home: str) -> None:
    """Make the copy below `home`, or what stands for it."""
    os.makedirs(os.path.join(home, "bin"), exist_ok=True)
    shared_host = os.environ.get("TRADEWIND_SHARED_HOST") or not os.path.exists("/proc/self/maps")
    if shared_host:
        script(os.path.join(home, "ld.so"), SHARED_HOST)
        return
    shutil.copy2(os.path.realpath(sys.executable), os.path.join(home, "bin", "python3"))
    library = copy_library(home)
    copy_shared_objects(home)
    paths = ssl.get_default_verify_paths()
    for authorities in (paths.cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"):
        if authorities and os.path.exists(authorities):
            shutil.copy2(authorities, os.path.join(home, "cert.pem"))
            break
    with open(os.path.join(library, "sitecustomize.py"), "w", encoding="utf-8") as file:
        file.write(CUSTOM.format(home=home))
    script(os.path.join(home, "bin", "run"), RUN.format(home=home))


def copy_library(home: str) -> str:
    """Copy the standard library; packages only from an image that was made for it, others have too many."""
    source = sysconfig.get_path("stdlib")
    library = os.path.join(home, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    ignored = shutil.ignore_patterns("site-packages", "dist-packages", "sitecustomize.py", *UNUSED)
    shutil.copytree(source, library, ignore=ignored)
    # Where pip puts what is missing: Python looks there only if it is there when it starts.
    os.makedirs(os.path.join(library, "site-packages"))
    if os.environ.get("TRADEWIND_HELPER_PACKAGES"):
        for packages in filter(os.path.isdir, site.getsitepackages()):
            shutil.copytree(packages, os.path.join(home, "packages"), dirs_exist_ok=True)
    return library


def copy_shared_objects(home: str) -> None:
    """Copy the loader and all shared objects, except those of the library itself."""
    folder = os.path.join(home, "shared")
    os.makedirs(folder)
    dynamic = os.path.join(sysconfig.get_path("stdlib"), "lib-dynload")
    for module in os.listdir(dynamic) if os.path.isdir(dynamic) else ():
        try:
            __import__(module.partition(".")[0])
        except ImportError:
            # Such as _tkinter in an image without a screen: what it lacks, nobody here needs.
            continue
    with open("/proc/self/maps", encoding="utf-8") as file:
        loaded = {line.split(None, 5)[5].strip() for line in file if ".so" in line}
    loaded = {path for path in loaded if os.path.isfile(path) and not path.startswith(dynamic)}
    libc = next(path for path in loaded if os.path.basename(path).startswith(("libc.", "libc-", "ld-musl")))
    for pattern in (*LOADED_LATE, *FOR_PACKAGES):
        loaded.update(glob.glob(os.path.join(os.path.dirname(libc), pattern)))
    for path in sorted(loaded):
        name = os.path.basename(path)
        shutil.copy2(path, os.path.join(folder, name))
        if name.startswith("ld-") or "/ld-" in path:
            shutil.copy2(path, os.path.join(home, "ld.so"))
    # A shared object is asked for by its short name, while memory shows the long one: libssl.so.3.0.11.
    for path in sorted(loaded):
        for alias in glob.glob(path.partition(".so")[0] + ".so.*"):
            if os.path.realpath(alias) == os.path.realpath(path):
                shutil.copy2(path, os.path.join(folder, os.path.basename(alias)))


def script(path: str, text: str) -> None:
    """Write an executable script."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


if __name__ == "__main__":
    main(sys.argv[1])
