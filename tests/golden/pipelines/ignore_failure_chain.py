"""Tasks that run though something before them failed, in the middle of a pipeline and in its sub-pipelines."""

from kfp import dsl


@dsl.component
def fetch(url: str) -> str:
    if not url.startswith("http"):
        raise ValueError(f"cannot fetch {url!r}")
    return url


@dsl.component
def use_cached(text: str = "none") -> str:
    return text


@dsl.component
def summarise(status: dsl.PipelineTaskFinalStatus, title: str = "") -> str:
    return f"{title}: {status.state}"


@dsl.component
def show(text: str):
    print(text)


@dsl.pipeline
def guarded(url: str) -> str:
    fetched = fetch(url=url)
    return use_cached(text=fetched.output).ignore_upstream_failure().output


@dsl.pipeline
def ignore_failure_chain(url: str = "http://example.com"):
    got = guarded(url=url)
    told = summarise(title="first").after(got).ignore_upstream_failure()
    show(text=told.output)
    show(text=got.output)
