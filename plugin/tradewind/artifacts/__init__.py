"""Artifacts, seen from the operator's side: small objects by URI, and the index of the step cache.

The same code as in the pod does the work (`tradewind.runtime.stores`), so both sides understand a URI in the
same way. Nothing of Kubernetes or MLflow's client is imported.
"""

from tradewind.artifacts.cache import CacheEntry, CacheIndex
from tradewind.artifacts.store import ArtifactStore

__all__ = ["ArtifactStore", "CacheEntry", "CacheIndex"]
