"""The name `tradewind.dsl` in the pod: the same module as `kfp.dsl`, so that classes are the same."""

import sys

import kfp.dsl

sys.modules[__name__] = kfp.dsl
