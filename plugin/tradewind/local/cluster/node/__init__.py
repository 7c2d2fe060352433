"""The one node of the cluster: scheduler and kubelet, up to where a supervisor takes over."""
