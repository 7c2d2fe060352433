"""Caching on, off, and with keys; of steps, sub-pipelines and importers."""

from kfp import dsl


@dsl.component
def slow(x: int = 1) -> int:
    return x


@dsl.pipeline
def both(x: int = 1) -> int:
    kept = slow(x=x).set_caching_options(True)
    return slow(x=kept.output).set_caching_options(False).output


@dsl.pipeline
def caching():
    slow()
    slow(x=2).set_caching_options(enable_caching=False)
    slow(x=3).set_caching_options(enable_caching=True, cache_key="release-7")
    both(x=4).set_caching_options(False)
    both(x=5)
    dsl.importer(artifact_uri="s3://bucket/data", artifact_class=dsl.Dataset).set_caching_options(False)
