"""The embedded cluster: the part of the Kubernetes API that pods need, with containers as processes of this
machine.

For a laptop, for tests and for the first five minutes. The operators don't know it from a real cluster:
same client, same requests, a kubeconfig. It is no security boundary; what it does not isolate it says on
start and in docs/embedded-cluster.md.

`api` speaks HTTP, `store` holds the objects, `node` is scheduler and kubelet, `supervisor` the process per
pod.
"""

from __future__ import annotations

from tradewind.local.cluster.handle import Cluster, running, start
from tradewind.local.cluster.options import Options

__all__ = ["Cluster", "Options", "running", "start"]
