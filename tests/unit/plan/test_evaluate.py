"""What bindings stand for in a run, in one iteration or outside of all, and what may run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fixtures.plan_runs import OUTSIDE, Iteration, PlanRun
from tradewind.errors import FatalError
from tradewind.plan import (
    Collected,
    Constant,
    FinalStatus,
    Guard,
    Loop,
    LoopItem,
    OneOf,
    Option,
    PipelineInput,
    Plan,
    Precondition,
    Selected,
    Step,
    StepArtifact,
    StepParameter,
    Template,
    evaluate,
    steps_of,
)
from tradewind.plan.evaluation import iteration_items
from tradewind.plan.model import Command
from tradewind.plan.readiness import broken, judged, skip_reason, unmet
from tradewind.plan.view import NoValueError

OUTER, INNER = "outer", "outer.inner"


def step(name: str, loop: str = "", **more: Any) -> Step:
    return Step(name, name, "any", loop, Command(("true",)), None, loop=loop, **more)


def nested_run(steps: Sequence[Step] = ()) -> PlanRun:
    """Two outer iterations; the first has two inner ones, the second one."""
    loops = {OUTER: Loop(OUTER, "", Constant([])), INNER: Loop(INNER, OUTER, Constant([]))}
    known = [step("top"), step("out", OUTER), step("in", INNER), *steps]
    plan = Plan("p", "p", "", {}, {}, {each.id: each for each in known}, loops=loops)
    run = PlanRun(plan, {"n": 3})
    run.loops[OUTER] = [Iteration(OUTSIDE, "x"), Iteration(OUTSIDE, {"a": [5, 6]})]
    run.loops[INNER] = [Iteration(0, 1), Iteration(0, 2), Iteration(1, 3)]
    for index in range(3):
        run.outputs["in", index] = {"Output": 10 + index, "data": [{"uri": f"u{index}"}]}
        run.task_states["in", index] = "success"
    for index in range(2):
        run.outputs["out", index] = {"Output": [index, index]}
        run.task_states["out", index] = "success"
    run.outputs["top", OUTSIDE] = {"Output": '{"a": {"b": [7.0, "8"]}}'}
    run.task_states["top", OUTSIDE] = "success"
    return run


IN, OUT, TOP = (StepParameter(name, "Output") for name in ("in", "out", "top"))
FIRST = {OUTER: 0, INNER: 1}
SECOND = {OUTER: 1, INNER: 2}


@pytest.mark.parametrize(
    ("binding", "at", "expected"),
    [
        (Constant([1]), {}, [1]),
        (PipelineInput("n"), FIRST, 3),
        (TOP, FIRST, '{"a": {"b": [7.0, "8"]}}'),
        (OUT, SECOND, [1, 1]),
        (IN, FIRST, 11),
        (StepArtifact("in", "data"), SECOND, [{"uri": "u2"}]),
        (LoopItem(OUTER), FIRST, "x"),
        (LoopItem(INNER), SECOND, 3),
        (Selected(LoopItem(OUTER), ("a", "1")), SECOND, 6),
        (Selected(TOP, ("a", "b", "0")), {}, 7),  # a text is read as JSON
        (Template("<{{$.inputs.parameters['i']}}>", {"i": LoopItem(INNER)}), FIRST, "<2>"),
        (Collected(INNER, IN), {OUTER: 0}, [10, 11]),
        (Collected(INNER, IN), {OUTER: 1}, [12]),
        (Collected(OUTER, OUT), {}, [[0, 0], [1, 1]]),  # lists of steps stay lists
        (Collected(OUTER, Collected(INNER, IN)), {}, [10, 11, 12]),  # lists of loops come flat
        (
            Collected(OUTER, Collected(INNER, StepArtifact("in", "data"))),
            {},
            [{"uri": f"u{i}"} for i in range(3)],
        ),
        (Collected(OUTER, Collected(INNER, LoopItem(OUTER))), {}, ["x", "x", {"a": [5, 6]}]),
        (Collected(OUTER, OneOf((Option(Precondition(), Collected(INNER, IN)),))), {}, [10, 11, 12]),
    ],
)
def test_values(binding: Any, at: dict[str, int], expected: Any) -> None:
    assert evaluate(binding, nested_run(), at) == expected


def test_iterations_in_which_nothing_was_made_are_left_out() -> None:
    run = nested_run()
    del run.outputs["in", 0]
    assert evaluate(Collected(OUTER, Collected(INNER, IN)), run, {}) == [11, 12]


@pytest.mark.parametrize("path", [("c",), ("a", "c"), ("a", "b", "5"), ("a", "b", "x"), ("a", "b", "1", "z")])
def test_a_part_that_is_not_there(path: tuple[str, ...]) -> None:
    with pytest.raises(FatalError, match=r"there is no|is no JSON"):
        evaluate(Selected(TOP, path), nested_run(), {})


def guard(expression: str, **inputs: Any) -> Guard:
    return Guard(expression, inputs, "branch")


IS_TWO = guard("inputs.parameter_values['i'] == 2", i=LoopItem(INNER))


def test_one_of_several_is_the_first_that_happened_in_the_reader_s_iteration() -> None:
    chosen = OneOf((Option(Precondition(guards=(IS_TWO,)), IN), Option(Precondition(), Constant("else"))))
    assert evaluate(chosen, nested_run(), FIRST) == 11
    assert evaluate(chosen, nested_run(), SECOND) == "else"
    ran = OneOf((Option(Precondition(succeeded=("in",)), IN), Option(Precondition(), Constant("else"))))
    run = nested_run()
    run.task_states["in", 1] = "skipped"
    assert evaluate(ran, run, FIRST) == "else"
    assert evaluate(ran, run, SECOND) == 12


def test_one_of_several_of_which_none_happened() -> None:
    with pytest.raises(NoValueError, match="none of the branches"):
        evaluate(OneOf((Option(Precondition(guards=(IS_TWO,)), IN),)), nested_run(), SECOND)


def test_what_was_never_made_gives_way_to_the_next_of_several() -> None:
    run = nested_run()
    del run.outputs["top", OUTSIDE]
    assert evaluate(OneOf((Option(Precondition(), TOP), Option(Precondition(), Constant(5)))), run, {}) == 5


# --- items ---


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (Constant([1, {"a": 2}]), [1, {"a": 2}]),
        (Constant('[1.0, "b"]'), [1, "b"]),
        (OUT, [1, 1]),
        (Selected(LoopItem(OUTER), ("a",)), [5, 6]),
    ],
)
def test_items_of_a_loop(items: Any, expected: list[Any]) -> None:
    assert iteration_items(Loop(INNER, OUTER, items), nested_run(), {OUTER: 1}) == expected


def test_items_that_are_artifacts_are_lists_of_one_reference() -> None:
    loop = Loop(OUTER, "", Collected(INNER, StepArtifact("in", "data")), artifacts=True)
    assert iteration_items(loop, nested_run(), {OUTER: 0}) == [[{"uri": "u0"}], [{"uri": "u1"}]]


@pytest.mark.parametrize(
    "items", [Constant("heads"), Constant('{"a": 1}'), Constant(None), PipelineInput("n")]
)
def test_items_that_are_no_list(items: Any) -> None:
    with pytest.raises(FatalError, match=r"the items of outer.inner (are no list but|is no JSON)"):
        iteration_items(Loop(INNER, OUTER, items), nested_run(), {OUTER: 1})


# --- final status ---

STATUS = FinalStatus("exit-handler-1", ("top", "out", "in"))


def test_the_status_of_what_went_well() -> None:
    run = nested_run()
    run.context = {"pipeline_job_resource_name": "job"}
    run.task_states["in", 0] = "skipped"
    expected = {
        "state": "SUCCEEDED",
        "pipelineTaskName": "exit-handler-1",
        "pipelineJobResourceName": "job",
        "error": {},
    }
    assert evaluate(STATUS, run, {}) == expected
    run.internal_state_words = True
    assert evaluate(STATUS, run, {})["state"] == "COMPLETE"


def test_the_status_of_what_failed_says_why() -> None:
    run = nested_run()
    run.task_states["in", 1] = "failed"
    run.errors["in", 1] = "no rows"
    run.task_states["out", 0] = "upstream_failed"
    status = evaluate(STATUS, run, {})
    assert status["state"] == "FAILED"
    assert status["error"] == {"code": 9, "message": "in: no rows"}
    assert evaluate(FinalStatus("t", ("in",)), run, SECOND)["state"] == "SUCCEEDED"  # in another iteration
    run.errors.clear()
    assert evaluate(STATUS, run, {})["error"]["message"] == "failed: out, in"


def test_the_status_of_what_did_not_run() -> None:
    run = nested_run()
    run.task_states["top", OUTSIDE] = "skipped"
    assert evaluate(FinalStatus("top", ("top",)), run, {})["state"] == "SUCCEEDED"
    run.loops[OUTER] = []
    assert evaluate(FinalStatus("loop", ("out",)), run, {})["state"] == "SUCCEEDED"  # it had nothing to do


# --- what may run ---


def test_a_step_that_was_skipped_before_it() -> None:
    run = nested_run()
    assert unmet(Precondition(succeeded=("in",)), run, FIRST) is None
    run.task_states["in", 1] = "skipped"
    assert unmet(Precondition(succeeded=("in",)), run, FIRST) == "in was skipped"
    assert unmet(Precondition(succeeded=("in",)), run, SECOND) is None


def test_a_condition_is_about_the_iteration() -> None:
    assert unmet(Precondition(guards=(IS_TWO,)), nested_run(), FIRST) is None
    assert unmet(Precondition(guards=(IS_TWO,)), nested_run(), SECOND) == "the condition of branch is false"


def test_a_condition_that_cannot_be_worked_out_names_its_place() -> None:
    impossible = guard("int(inputs.parameter_values['i']) == 1", i=Constant("x"))
    with pytest.raises(FatalError, match="the condition of branch: str 'x' cannot be converted"):
        unmet(Precondition(guards=(impossible,)), nested_run(), {})


def test_a_failure_in_the_own_iteration_breaks_what_comes_after() -> None:
    after = step("after", OUTER, upstream=("in",), barrier=True, precondition=Precondition(unfailed=("in",)))
    run = nested_run([after])
    run.task_states["in", 1] = "failed"
    assert broken(after, run, {OUTER: 0}) == "in failed in this iteration"
    assert skip_reason(after, run, {OUTER: 0}) == "in failed in this iteration"
    assert skip_reason(after, run, {OUTER: 1}) is None
    assert judged(after) == ("in",)


def test_a_loop_that_a_failure_kept_from_running_is_broken() -> None:
    after = step("after", precondition=Precondition(unfailed=("in",)))
    run = nested_run([after])
    run.loops[INNER] = []
    assert broken(after, run, {}) is None
    run.broken_around.add((INNER, 1))
    assert broken(after, run, {}) == "in failed"


def test_steps_that_a_binding_needs() -> None:
    option = Option(Precondition(succeeded=("a",), guards=(guard("true", x=StepParameter("b", "o")),)), IN)
    template = Template("{{$.inputs.parameters['x']}}", {"x": Collected(OUTER, OUT)})
    assert steps_of(OneOf((option, Option(Precondition(), template)))) == {"a", "b", "in", "out"}
    assert steps_of(FinalStatus("t", ("c", "d"))) == {"c", "d"}
    assert steps_of(Selected(TOP, ("a",))) == {"top"}
    assert steps_of(None) == steps_of(LoopItem(OUTER)) == set()
