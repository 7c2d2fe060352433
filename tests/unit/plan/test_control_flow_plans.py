"""What the blocks of control flow become: guards, waits, regions, loops and bindings."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind import dsl, plan
from tradewind.plan import (
    Collected,
    Constant,
    FinalStatus,
    Guard,
    LoopItem,
    OneOf,
    PipelineInput,
    Plan,
    Precondition,
    Selected,
    Step,
    StepArtifact,
    StepParameter,
)


@dsl.component
def number(x: int = 0) -> int:
    return x


@dsl.component
def text(x: int = 0) -> str:
    return str(x)


@dsl.component
def numbers(x: int = 0) -> list[int]:
    return [x]


@dsl.component
def total(xs: list[int]) -> int:
    return sum(xs)


@dsl.component
def table() -> dict:
    return {}


@dsl.component
def make(data: dsl.Output[dsl.Dataset], x: int = 0) -> None:
    pass


@dsl.component
def join(data: dsl.Input[list[dsl.Dataset]]) -> None:
    pass


@dsl.component
def use(data: dsl.Input[dsl.Dataset]) -> None:
    pass


@dsl.component
def report(status: dsl.PipelineTaskFinalStatus) -> None:
    pass


def planned(function: Any) -> Plan:
    return plan.build(dsl.compile(dsl.pipeline(function)))


def guards(step: Step) -> list[str]:
    return [guard.scope for guard in step.precondition.guards]


def binding(step: Step, name: str) -> Any:
    return {**step.parameters, **step.artifacts}[name].binding


# --- conditions ---


def test_the_first_steps_of_a_branch_hold_its_condition() -> None:
    def conditional(n: int = 1) -> None:
        first = number(x=n)
        with dsl.If(first.output > n):
            inside = number(x=1)
            number(x=inside.output)

    made = planned(conditional)
    inside, after = made.steps["condition-1.number-2"], made.steps["condition-1.number-3"]
    assert inside.precondition == Precondition(
        guards=(
            Guard(
                "int(inputs.parameter_values['pipelinechannel--number-Output'])"
                " > int(inputs.parameter_values['pipelinechannel--n'])",
                {
                    "pipelinechannel--n": PipelineInput("n"),
                    "pipelinechannel--number-Output": StepParameter("number", "Output"),
                },
                "condition-1",
            ),
        )
    )
    assert (inside.wait, inside.upstream) == ("success", ("number",))
    # Airflow skips it when the first one was skipped: nothing to look up.
    assert (after.precondition, after.upstream) == (Precondition(), ("condition-1.number-2",))
    assert made.scopes["condition-1"].kind == "condition"


def test_conditions_around_one_another_are_all_held_the_outermost_first() -> None:
    def conditional(n: int = 1) -> None:
        with dsl.If(n > 1), dsl.If(n > 2), dsl.If(n > 3):
            number(x=n)

    (step,) = planned(conditional).steps.values()
    assert guards(step) == ["condition-1", "condition-1.condition-2", "condition-1.condition-2.condition-3"]


def test_a_value_of_one_of_several_branches() -> None:
    def branches(n: int = 1) -> int:
        with dsl.If(n > 1):
            one = number(x=1)
        with dsl.Elif(n > 0):
            two = number(x=2)
        with dsl.Else():
            three = number(x=3)
        return number(x=dsl.OneOf(one.output, two.output, three.output)).output

    made = planned(branches)
    chosen = binding(made.steps["number-4"], "x")
    assert isinstance(chosen, OneOf)
    assert [option.binding for option in chosen.options] == [
        StepParameter(f"condition-branches-1.condition-{index + 2}.{name}", "Output")
        for index, name in enumerate(("number", "number-2", "number-3"))
    ]
    assert [[guard.scope for guard in option.precondition.guards] for option in chosen.options] == [
        [f"condition-branches-1.condition-{index}"] for index in (2, 3, 4)
    ]
    # Two of the three are skipped, and that must not skip who waits for the value.
    assert made.steps["number-4"].wait == "no_failure"
    assert len(made.steps["number-4"].upstream) == 3
    assert [scope.kind for scope in made.scopes.values()] == [
        "branches",
        "condition",
        "condition",
        "condition",
    ]


def test_a_condition_inside_a_sub_pipeline_does_not_skip_what_waits_for_the_whole() -> None:
    @dsl.pipeline
    def sub(n: int) -> None:
        with dsl.If(n > 1):
            number(x=n)

    def whole(n: int = 1) -> None:
        with dsl.If(n > 0):
            inner = sub(n=n)
            number().after(inner)

    step = planned(whole).steps["condition-1.number"]
    assert (step.wait, step.upstream) == ("no_failure", ("condition-1.sub.condition-1.number",))
    assert guards(step) == ["condition-1"]  # but what lies around both does


def test_without_conditions_a_sub_pipeline_is_waited_for_as_a_step_is() -> None:
    @dsl.pipeline
    def sub() -> None:
        number()
        number()

    def whole() -> None:
        number().after(sub())

    step = planned(whole).steps["number"]
    assert (step.wait, step.precondition) == ("success", Precondition())
    assert step.upstream == ("sub.number", "sub.number-2")


# --- loops ---


def test_a_loop_has_items_and_its_body_waits_for_nothing_outside() -> None:
    def looping(n: int = 1) -> None:
        source = numbers(x=n)
        with dsl.ParallelFor(source.output, parallelism=3) as item:
            first = number(x=item)
            number(x=first.output)
            number(x=n)

    made = planned(looping)
    loop = made.loops["for-loop-1"]
    assert (loop.items, loop.parallelism, loop.upstream) == (
        StepParameter("numbers", "Output"),
        3,
        ("numbers",),
    )
    first, second = made.steps["for-loop-1.number"], made.steps["for-loop-1.number-2"]
    assert (first.loop, first.region, first.upstream) == ("for-loop-1", 0, ())
    assert binding(first, "x") == LoopItem("for-loop-1")
    assert (second.upstream, second.barrier, second.region) == (("for-loop-1.number",), False, 0)
    assert made.scopes["for-loop-1"].kind == "loop"


@pytest.mark.parametrize(
    ("items", "expected"),
    [([1, 2], Constant([1, 2])), ([{"a": 1.5}], Constant([{"a": 1.5}])), (["x"], Constant(["x"]))],
)
def test_constant_items(items: list[Any], expected: Constant) -> None:
    def looping() -> None:
        with dsl.ParallelFor(items):
            number()

    assert planned(looping).loops["for-loop-2"].items == expected


def test_parts_of_items() -> None:
    def looping() -> None:
        with dsl.ParallelFor([{"a": 1, "b": [1, 2]}]) as item:
            number(x=item.a)
            with dsl.ParallelFor(item.b) as inner:
                number(x=inner)

    made = planned(looping)
    assert binding(made.steps["for-loop-2.number"], "x") == Selected(LoopItem("for-loop-2"), ("a",))
    (inner,) = [loop for loop in made.loops.values() if loop.loop]
    assert inner.items == Selected(LoopItem("for-loop-2"), ("b",))


def test_loops_over_artifacts_and_lists_of_them() -> None:
    @dsl.pipeline
    def gather() -> list[dsl.Dataset]:
        with dsl.ParallelFor([1, 2]) as item:
            made = make(x=item)
        return dsl.Collected(made.outputs["data"])

    def looping() -> None:
        gathered = gather()
        join(data=gathered.output)
        with dsl.ParallelFor(gathered.output) as each:
            use(data=each)

    made = planned(looping)
    everything = Collected("gather.for-loop-2", StepArtifact("gather.for-loop-2.make", "data"))
    assert binding(made.steps["join"], "data") == everything
    (loop,) = [loop for loop in made.loops.values() if loop.artifacts]
    assert loop.items == everything
    assert binding(made.steps[f"{loop.id}.use"], "data") == LoopItem(loop.id)


def test_an_inner_loop_parts_its_surroundings_into_regions() -> None:
    def nested() -> int:
        with dsl.ParallelFor([1, 2]) as outer:
            before = number(x=outer)
            aside = number(x=7)
            with dsl.ParallelFor([3, 4]) as inner:
                number(x=inner).after(before)
                inside = number(x=inner)
            after = total(xs=dsl.Collected(inside.output))
            last = number(x=after.output).after(aside)
        return total(xs=dsl.Collected(last.output)).output

    made = planned(nested)
    outer, inner = made.loops
    regions = {step.id.rpartition(".")[2]: (step.loop, step.region) for step in made.steps.values()}
    assert regions == {
        "number": (outer, 0),
        "number-2": (outer, 0),
        "number-3": (inner, 0),
        "number-4": (inner, 0),
        "total": (outer, 1),
        "number-5": (outer, 1),
        "total-2": ("", 0),
    }
    loop = made.loops[inner]
    assert (loop.loop, loop.region, loop.barrier, loop.upstream) == (outer, 0, True, (f"{outer}.number",))
    assert loop.precondition == Precondition(succeeded=(f"{outer}.number",), unfailed=(f"{outer}.number",))
    joined = made.steps[f"{outer}.total"]
    assert joined.barrier
    # The step before the inner loop is among what is waited for: a loop fails with nobody.
    assert joined.upstream == (f"{inner}.number-3", f"{inner}.number-4")
    assert joined.precondition == Precondition(succeeded=(f"{outer}.number",), unfailed=joined.upstream)
    follower = made.steps[f"{outer}.number-5"]  # waits for one of its own region and one of the region before
    assert follower.barrier
    assert set(follower.precondition.succeeded) == {f"{outer}.total", f"{outer}.number-2"}
    end = made.steps["total-2"]
    assert (end.wait, end.barrier) == ("no_failure", False)
    # What judges failures by itself does not fail with what is before it, so all of that is waited for, too.
    assert end.upstream == tuple(sorted(name for name in made.steps if name.startswith(outer)))
    assert binding(end, "xs") == Collected(outer, StepParameter(f"{outer}.number-5", "Output"))


def test_nested_loops_are_collected_in_nests() -> None:
    def nested() -> int:
        with dsl.ParallelFor([1, 2]), dsl.ParallelFor([3, 4]) as inner:
            inside = number(x=inner)
        return total(xs=dsl.Collected(inside.output)).output

    made = planned(nested)
    outer, inner = made.loops
    expected = Collected(outer, Collected(inner, StepParameter(f"{inner}.number", "Output")))
    assert binding(made.steps["total"], "xs") == expected
    # That an inner loop may not come to have items is seen by looking.
    assert made.steps["total"].precondition.unfailed == (f"{inner}.number",)


def test_a_condition_around_a_loop_is_the_loop_s() -> None:
    def conditional(n: int = 1) -> None:
        with dsl.If(n > 0), dsl.ParallelFor([1, 2]) as item, dsl.If(item > 1):
            number(x=item)

    made = planned(conditional)
    (loop,) = made.loops.values()
    assert [guard.scope for guard in loop.precondition.guards] == ["condition-1"]
    (step,) = made.steps.values()
    assert guards(step) == [f"{loop.id}.condition-4"]
    (guard,) = step.precondition.guards
    assert list(guard.inputs.values()) == [LoopItem(loop.id)]


# --- ends ---


def test_an_exit_task_waits_for_the_end_of_every_step() -> None:
    def guarded(n: int = 1) -> None:
        last = report()
        with dsl.ExitHandler(last):
            first = number(x=n)
            number(x=first.output)
            with dsl.ParallelFor([1, 2]) as item:
                number(x=item)

    made = planned(guarded)
    step = made.steps["report"]
    body = [name for name in made.steps if name.startswith("exit-handler-1.")]
    assert step.wait == "end"
    assert step.upstream == tuple(sorted(body))
    assert step.precondition == Precondition()
    assert binding(step, "status") == FinalStatus("exit-handler-1", tuple(body))
    assert made.scopes["exit-handler-1"].kind == "exit_handler"


def test_an_exit_task_in_a_sub_pipeline_runs_only_if_the_sub_pipeline_does() -> None:
    @dsl.pipeline
    def sub() -> None:
        last = report()
        with dsl.ExitHandler(last):
            number()

    def whole(n: int = 1) -> None:
        before = number(x=n)
        with dsl.If(n > 0):
            sub().after(before)

    made = planned(whole)
    step = made.steps["condition-1.sub.report"]
    assert (step.wait, step.upstream) == ("end", ("condition-1.sub.exit-handler-1.number",))
    # When `number` failed, the body is "upstream_failed", which is an end, too.
    assert step.precondition.succeeded == ("number",)
    assert step.precondition.unfailed == ("number",)
    assert guards(step) == ["condition-1"]


def test_ignoring_failures_ends_with_the_next_step() -> None:
    def ignoring() -> None:
        first = number()
        second = number(x=first.output).ignore_upstream_failure()
        number(x=second.output)

    made = planned(ignoring)
    assert made.steps["number-2"].wait == "end"
    assert (made.steps["number-3"].wait, made.steps["number-3"].upstream) == ("success", ("number-2",))


def test_a_sub_pipeline_that_ignores_failures_has_its_default_for_a_value_that_was_never_made() -> None:
    @dsl.pipeline
    def sub(n: int = 5) -> None:
        number(x=number(x=n).output)

    def ignoring() -> None:
        first = number()
        sub(n=first.output).ignore_upstream_failure()

    made = planned(ignoring)
    chosen = binding(made.steps["sub.number"], "x")
    assert [option.binding for option in chosen.options] == [StepParameter("number", "Output"), Constant(5)]


def test_what_nobody_follows_up_to_a_failure_is_waited_for() -> None:
    @dsl.pipeline
    def sub() -> None:
        first = number()
        number().after(first)  # fails with the first
        second = number()
        number(x=second.output).ignore_upstream_failure()  # does not

    def whole() -> None:
        number().after(sub())

    assert planned(whole).steps["number"].upstream == ("sub.number-2", "sub.number-3", "sub.number-4")


def test_outputs_of_a_pipeline() -> None:
    def returning(n: int = 1) -> dict:
        return table().output

    assert planned(returning).outputs == {"Output": StepParameter("table", "Output")}
