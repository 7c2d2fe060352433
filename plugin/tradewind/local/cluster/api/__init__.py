"""Kubernetes' REST API over HTTP: paths, verbs, errors, watches and tables as its clients expect them."""
