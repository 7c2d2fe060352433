"""The name `tradewind` in the pod. A package of that name in the image, ours or another, stands behind it."""

import os
import sys

# What pkgutil.extend_path would do, without the milliseconds that importing it costs every step.
__path__ += [path for entry in sys.path if os.path.isdir(path := os.path.join(entry, __name__))]
