"""What will run, as immutable data: the plan, and the pure functions that bring its values to a step."""

from tradewind.plan import model
from tradewind.plan.binding import evaluate, steps_of
from tradewind.plan.build import build
from tradewind.plan.executor_input import executor_input
from tradewind.plan.model import *  # noqa: F403 - the model's names are this package's names
from tradewind.plan.placeholders import render, resolve, resolve_value
from tradewind.plan.values import coerce

__all__ = ["build", "coerce", "evaluate", "executor_input", "render", "resolve", "resolve_value", "steps_of"]
__all__ += model.__all__
