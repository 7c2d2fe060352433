"""Compiling as KFP spells it: `from tradewind import compiler` in place of `from kfp import compiler`."""

from __future__ import annotations

from tradewind.compiler.compiler import Compiler
from tradewind.compiler.manifest import KubernetesManifestOptions

__all__ = ["Compiler", "KubernetesManifestOptions"]
