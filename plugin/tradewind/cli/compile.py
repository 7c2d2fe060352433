"""`tradewind compile`: a pipeline in Python to the YAML that Kubeflow Pipelines reads as well."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from pathlib import Path

from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.source import read_source

__all__ = ["compile_pipeline"]


def compile_pipeline(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind compile`.

    Raises:
        UsageError, InvalidPipelineError: the file cannot be used; nothing is written.
    """
    from tradewind import ir

    text = ir.dump(read_source(options.file, pipeline=options.pipeline).pipeline)
    if options.output == "-":
        sys.stdout.write(text)
        return ExitCode.OK
    target = Path(options.output)
    try:
        _write(target, text)
    except OSError as error:
        remedy = "Give a file in a directory that is there and yours: -o FILE."
        raise UsageError(f"cannot write {options.output!r}: {error.strerror}", remedy=remedy) from error
    print(f"Wrote {target}")
    return ExitCode.OK


def _write(target: Path, text: str) -> None:
    """Write a file in one step: nobody finds half of it. Devices and pipes are written to as they are."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists() and not target.is_file():
        target.write_text(text, encoding="utf-8")
        return
    new = target.with_name(f".{target.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, target)
