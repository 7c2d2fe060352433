"""What runs in the pod.

Standard library only, Python 3.8 or later, and nothing of ours from outside this package: it travels with
each pod as source and must start in whatever image the user has chosen. See docs/protocol.md. The artifact
classes, the stores and the typing of values are shared with the operator's side, so that both agree.
"""
