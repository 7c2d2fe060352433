"""`tradewind compile`: a pipeline in Python to the YAML that Kubeflow Pipelines reads as well."""

from __future__ import annotations

import argparse
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
    new = target.with_name(f".{target.name}.new")
    try:
        new.write_text(text)
        os.replace(new, target)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    print(f"Wrote {target}")
    return ExitCode.OK
