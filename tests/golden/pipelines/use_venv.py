"""Components in virtual environments, with indexes of their own, and with a file that travels along."""

from kfp import dsl


@dsl.component(packages_to_install=["six==1.17.0"], use_venv=True)
def isolated() -> str:
    import six

    return six.__version__


@dsl.component(
    packages_to_install=["six"],
    pip_index_urls=["https://pypi.example/simple"],
    pip_trusted_hosts=["pypi.example"],
    use_venv=True,
)
def own_index(word: str = "x") -> str:
    return word


@dsl.pipeline
def use_venv():
    own_index(word=isolated().output)
