"""Pods on a Kubernetes cluster: names, requests, watching, logs, and why they ended."""

from __future__ import annotations

from tradewind.cluster.names import StepIdentity, run_selector

__all__ = ["StepIdentity", "run_selector"]
