"""Descriptions from docstrings in Sphinx's style."""

from kfp import dsl


@dsl.component
def show(text: str, count: int = 1):
    """Show a text.

    :param text: what to show
    :param count: how often
    """
    print(text)


@dsl.pipeline
def sphinx(text: str = "hi"):
    """Shows things.

    :param text: the text
    """
    show(text=text)
