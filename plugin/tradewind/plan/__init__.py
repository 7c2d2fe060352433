"""What will run, as immutable data: the plan, and the pure functions that bring its values to a step."""

from tradewind.plan import bindings, model
from tradewind.plan.bindings import *  # noqa: F403 - the names of both are this package's names
from tradewind.plan.build import build
from tradewind.plan.evaluation import evaluate, steps_of
from tradewind.plan.executor_input import executor_input
from tradewind.plan.model import *  # noqa: F403
from tradewind.plan.placeholders import render, resolve, resolve_value
from tradewind.plan.values import coerce

__all__ = ["build", "coerce", "evaluate", "executor_input", "render", "resolve", "resolve_value", "steps_of"]
__all__ += [*bindings.__all__, *model.__all__]
