"""The name `tradewind` in the pod. A package of that name in the image, ours or another, stands behind it."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
