"""Control flow: what is wrong is said at compile time, and what KFP stumbles over is right."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tradewind import dsl, ir, plan
from tradewind.errors import FatalError, InvalidPipelineError
from tradewind.plan.bindings import Binding, LoopItem, Selected, Template
from tradewind.plan.conditions import holds
from tradewind.plan.model import Plan, Step


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.component
def name() -> str:
    return "name"


@dsl.component
def make() -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def total(numbers: list[int]) -> int:
    return sum(numbers)


@dsl.component
def report(status: dsl.PipelineTaskFinalStatus):
    print(status.state)


def problems(function: Any) -> dict[str, str]:
    with pytest.raises(InvalidPipelineError) as raised:
        dsl.pipeline(function, name="churn")  # type: ignore[call-overload]
    return {problem.place: problem.message for problem in raised.value.problems}


def root_of(function: Any) -> Any:
    return dsl.compile(dsl.pipeline(function)).spec.root.dag.tasks


def plan_of(pipeline: Any) -> Plan:
    compiled = dsl.compile(pipeline)
    ir.validate(compiled)
    return plan.build(compiled)


def inputs_of(step: Step) -> list[Binding]:
    """What goes into the text that the step's input `s` is."""
    binding = step.parameters["s"].binding
    return list(binding.inputs.values()) if isinstance(binding, Template) else []


def component_of(function: Any, name: str) -> Any:
    return dsl.compile(dsl.pipeline(function)).spec.components[name]


def test_conditions_are_joined() -> None:
    def churn(n: int, s: str = "a", on: bool = True):
        with dsl.If(((n > 1) & ~(s == "x")) | (on == False)):  # noqa: E712 - a value of the run
            step()
        with dsl.Elif(~((n == 0) | (n == 1)) & (s != "z") & (on == True)):  # noqa: E712
            step()
        with dsl.Else():
            step()

    tasks = component_of(churn, "comp-condition-branches-1").dag.tasks
    conditions = [tasks[f"condition-{number}"].trigger_policy.condition for number in (2, 3, 4)]
    n, s, on = (f"inputs.parameter_values['pipelinechannel--{name}']" for name in ("n", "s", "on"))
    first = f"(int({n}) > 1 && !({s} == 'x')) || {on} == false"
    second = f"!(int({n}) == 0 || int({n}) == 1) && {s} != 'z' && {on} == true"
    assert conditions == [first, f"!({first}) && ({second})", f"!({first}) && !({second})"]
    for values in itertools.product((0, 1, 2), ("a", "x", "z"), (True, False)):
        named = dict(zip(("n", "s", "on"), values, strict=True))
        given = {f"pipelinechannel--{name}": value for name, value in named.items()}
        number, word, switch = values
        one = (number > 1 and word != "x") or not switch
        other = number not in (0, 1) and word != "z" and switch
        expected = [one, not one and other, not one and not other]
        assert [holds(condition, given) for condition in conditions] == expected, named


def test_parts_of_a_joined_condition_are_checked() -> None:
    def churn(n: int, names: list):
        with dsl.If((n == 1) | (names == "x")):
            step()

    assert problems(churn) == {
        "pipeline 'churn', dsl.If 'condition-1'": "only texts, numbers and truth values can be compared, not"
        " list 'names'"
    }

    def words(n: int):
        with dsl.If((n == 1) and (n == 2)):
            step()

    with pytest.raises(FatalError, match=r"each comparison in parentheses"):
        dsl.pipeline(words)

    def constant(n: int):
        with dsl.If((n == 1) & True):
            step()

    with pytest.raises(FatalError, match="join comparisons, not True"):
        dsl.pipeline(constant)


def test_values_stay_in_blocks_that_may_not_run() -> None:
    def churn(n: int):
        with dsl.If(n > 1):
            inside = step()
        with dsl.ParallelFor([1, 2]) as i:
            each = step(x=i)
        with dsl.If(n > 2):
            branch = step()
        with dsl.Else():
            step()
        step(x=inside.output)
        step().after(inside)
        step(x=each.output)
        step().after(each)
        step(x=branch.output)

    assert problems(churn) == {
        "pipeline 'churn', task 'step-5'": "uses 'step-Output' from inside of dsl.If",
        "pipeline 'churn', task 'step-6', after()": "task 'step' is inside of dsl.If and may not run",
        "pipeline 'churn', task 'step-7'": "uses 'step-2-Output' from inside of dsl.ParallelFor",
        "pipeline 'churn', task 'step-9'": "uses 'step-3-Output' from inside of dsl.If with dsl.Else",
    }


def test_returned_values_come_from_the_pipeline_s_own_level() -> None:
    def block(n: int) -> int:
        with dsl.If(n > 1):
            inside = step()
        return inside.output

    def item() -> int:
        with dsl.ParallelFor([1, 2]) as i:
            step(x=i)
        return i

    assert problems(block) == {"pipeline 'churn', return value": "'step-Output' comes from inside of dsl.If"}
    assert "item of a loop" in problems(item)["pipeline 'churn', return value"]


def test_conditions_compare_what_can_be_compared() -> None:
    def churn(n: int, on: bool, names: list):
        data = make()
        for condition in (data.output == "x", names == "x", on == 1, n == None):  # noqa: E711
            with dsl.If(condition):
                step()

    place = "pipeline 'churn', dsl.If 'condition-{}'"
    assert problems(churn) == {
        place.format(1): "'make-Output' is an artifact and cannot be compared",
        place.format(2): "only texts, numbers and truth values can be compared, not list 'names'",
        place.format(3): "bool 'on' and 1 are a truth value and a number",
        place.format(4): "only texts, numbers and truth values can be compared, not None",
    }

    def constant():
        with dsl.If(1 == 1):
            step()

    assert problems(constant) == {"pipeline 'churn', dsl.If": "expects a comparison, got True"}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "'plain'"),
        ('say "yes"', "'say \"yes\"'"),
        ("it's a \\", '"it\'s a \\\\"'),
        ("C:\\new\nline", '"C:\\\\new\\nline"'),
    ],
)
def test_text_in_conditions_is_escaped(text: str, written: str) -> None:
    def churn(s: str):
        with dsl.If(s == text):
            step()

    condition = root_of(churn)["condition-1"].trigger_policy.condition
    assert condition == f"inputs.parameter_values['pipelinechannel--s'] == {written}"


def test_items_of_loops_come_first_as_in_kfp() -> None:
    @dsl.pipeline
    def churn(n: int):
        with dsl.ParallelFor([1, 2]) as item, dsl.If(n < item):
            step()

    loop = dsl.compile(churn).spec.components["comp-for-loop-2"].dag.tasks["condition-3"]
    given = "int(inputs.parameter_values['pipelinechannel--{}'])"
    expected = f"{given.format('loop-item-param-1')} > {given.format('n')}"
    assert loop.trigger_policy.condition == expected


def test_elif_and_else_follow_if() -> None:
    def alone():
        with dsl.Else():
            step()

    def twice(n: int):
        with dsl.If(n > 1):
            step()
        with dsl.Else():
            step()
        with dsl.Else():
            step()

    def in_another_block(n: int):
        with dsl.If(n > 1):
            step()
        with dsl.ParallelFor([1]), dsl.Elif(n > 2):
            step()

    assert problems(alone) == {"pipeline 'churn', dsl.Else": "has to follow a dsl.If or dsl.Elif"}
    assert problems(twice) == {"pipeline 'churn', dsl.Else": "has to follow a dsl.If or dsl.Elif"}
    assert problems(in_another_block) == {"pipeline 'churn', dsl.Elif": "has to follow a dsl.If or dsl.Elif"}


def test_tasks_after_an_elif_are_outside_of_the_branches() -> None:
    """KFP leaves them inside when there is no Else."""

    def churn(n: int):
        with dsl.If(n > 1):
            step()
        with dsl.Elif(n > 2):
            step()
        step()
        with dsl.Else():
            step()

    assert sorted(root_of(churn)) == ["condition-branches-1", "step-3"]


def test_a_field_of_an_item_as_condition_and_value() -> None:
    """KFP cannot compile this for constant items."""

    def churn():
        with dsl.ParallelFor([{"a": 1, "name": "x"}]) as item:
            with dsl.If(item.a == 1):
                step(x=item.a, s=item.name)
            step(s=f"{item['name']}")

    condition = component_of(churn, "comp-condition-3")
    x = condition.dag.tasks["step"].inputs.parameters["x"]
    assert x.component_input_parameter == "pipelinechannel--loop-item-param-1"
    assert x.parameter_expression_selector == 'parseJson(string_value)["a"]'
    assert x.component_input_parameter in condition.input_definitions.parameters
    text = component_of(churn, "comp-for-loop-2").dag.tasks["step-2"].inputs.parameters
    assert text["pipelinechannel--loop-item-param-1-subvar-name"].parameter_expression_selector == (
        'parseJson(string_value)["name"]'
    )
    assert text["s"].runtime_value.constant.string_value == (
        "{{$.inputs.parameters['pipelinechannel--loop-item-param-1-subvar-name']}}"
    )


def test_loops_need_lists() -> None:
    def number(n: int):
        with dsl.ParallelFor(n):
            step()

    def nothing():
        with dsl.ParallelFor([]):
            step()

    def not_json():
        with dsl.ParallelFor([{1, 2}]):
            step()

    def one_artifact():
        with dsl.ParallelFor(make().output):
            step()

    def negative():
        with dsl.ParallelFor([1], parallelism=-1):
            step()

    def no_field():
        with dsl.ParallelFor([1]) as i:
            step(x=i.a)

    place = "pipeline 'churn', dsl.ParallelFor"

    def field_missing():
        with dsl.ParallelFor([{"a": 1}, {"b": 1}]) as item:
            step(x=item.a)

    assert problems(field_missing) == {place: "item 1 has no value 'a'"}
    assert problems(number) == {place: "expects a list, got int 'n'"}
    assert problems(nothing) == {place: "expects a list with at least one item, got []"}
    assert problems(not_json) == {place: "the items cannot be used: a set at [0] is not a JSON value"}
    assert problems(one_artifact) == {place: "expects a list, got system.Dataset 'make-Output'"}
    assert problems(negative) == {place: "parallelism is a number from 0 up, not -1"}
    assert problems(no_field) == {place: "the item 'loop-item-param-1' is a int and has no value 'a' in it"}


def test_items_have_their_types() -> None:
    def churn(names: list[str]):
        with dsl.ParallelFor(names) as name:
            step(x=name)

    assert problems(churn) == {
        "pipeline 'churn', task 'step', argument 'x'": "expects int, got str 'names-loop-item'"
    }


def test_items_of_nested_loops_over_one_list_are_told_apart() -> None:
    @dsl.pipeline
    def churn(names: list[str], tables: list[dict[str, str]]):
        with dsl.ParallelFor(names) as outer, dsl.ParallelFor(names) as inner:
            step(s=inner)
            step(s=outer)
            step(s=f"{outer} {inner}")
            with dsl.If(outer == inner):
                step(s="alike")
        with dsl.ParallelFor(tables) as outer, dsl.ParallelFor(tables) as inner:
            step(s=f"{outer.a} {inner.a}")

    steps = plan_of(churn).steps
    loop = "for-loop-1.for-loop-2"
    inner, outer = LoopItem(loop), LoopItem("for-loop-1")
    assert steps[f"{loop}.step"].parameters["s"].binding == inner
    assert steps[f"{loop}.step-2"].parameters["s"].binding == outer
    assert set(inputs_of(steps[f"{loop}.step-3"])) == {inner, outer}
    (guard,) = steps[f"{loop}.condition-3.step-4"].precondition.guards
    assert set(guard.inputs.values()) == {inner, outer}
    loop = "for-loop-4.for-loop-5"
    fields = {Selected(LoopItem(loop), ("a",)), Selected(LoopItem("for-loop-4"), ("a",))}
    assert set(inputs_of(steps[f"{loop}.step-5"])) == fields


def test_values_in_items_at_any_depth() -> None:
    @dsl.pipeline
    def churn(tables: list[dict[str, dict[str, str]]], others: list):
        with dsl.ParallelFor(tables) as table:
            step(s=table.model.name)
            step(s=f"{table.model.name}!")
            with dsl.If(table.model.name == "a"):
                step()
        with dsl.ParallelFor(others) as other, dsl.ParallelFor(other.a.parts) as part:
            step(s=part["b"].c)
        with dsl.ParallelFor([{"a": {"b": 1}}, {"a": {"b": 2}}]) as item:
            step(x=item.a.b)

    built = plan_of(churn)
    steps, loop = built.steps, "for-loop-1"
    name = Selected(LoopItem(loop), ("model", "name"))
    assert steps[f"{loop}.step"].parameters["s"].binding == name
    assert inputs_of(steps[f"{loop}.step-2"]) == [name]
    (guard,) = steps[f"{loop}.condition-2.step-3"].precondition.guards
    assert list(guard.inputs.values()) == [name]
    inner = built.loops["for-loop-3.for-loop-4"]
    assert inner.items == Selected(LoopItem("for-loop-3"), ("a", "parts"))
    assert steps[f"{inner.id}.step-4"].parameters["s"].binding == Selected(LoopItem(inner.id), ("b", "c"))

    def missing():
        with dsl.ParallelFor([{"a": {"b": 1}}, {"a": {}}]) as item:
            step(x=item.a.b)

    def no_table():
        with dsl.ParallelFor([{"a": {"b": 1}}]) as item:
            step(x=item.a.b.c)

    place = "pipeline 'churn', dsl.ParallelFor"
    assert problems(missing) == {place: "item 1 has no value 'a.b'"}
    ((_, message),) = problems(no_table).items()
    assert message.endswith("-subvar-a-subvar-b' is a int and has no value 'c' in it")


def test_names_of_items_are_kfp_s_where_the_outer_one_is_not_used_inside() -> None:
    def churn(names: list[str]):
        with dsl.ParallelFor(names) as outer:
            step(s=outer)
            with dsl.ParallelFor(names) as inner:
                step(s=inner)

    (loop,) = (task for task in root_of(churn).values())
    inner = component_of(churn, loop.component_ref.name).dag.tasks["for-loop-2"]
    assert inner.parameter_iterator.item_input == loop.parameter_iterator.item_input


def test_items_of_loops_side_by_side_over_one_list_stay_in_their_loops() -> None:
    @dsl.pipeline
    def churn(names: list[str], n: int = 1):
        with dsl.ParallelFor(names) as one:
            step(s=f"{one}!")
        with dsl.If(n == 1), dsl.ParallelFor(names) as other:
            step(s=f"{other}!")
        with dsl.ExitHandler(step()):
            with dsl.If(n == 1):
                step()
            with dsl.Else(), dsl.ParallelFor(names) as third:
                step(s=f"{third}!")

    for each in plan_of(churn).steps.values():
        assert inputs_of(each) == ([LoopItem(each.loop)] if each.loop else [])


def test_collected_is_for_values_of_loops() -> None:
    def outside():
        total(numbers=dsl.Collected(step().output))

    def same_loop():
        with dsl.ParallelFor([1, 2]) as i:
            total(numbers=dsl.Collected(step(x=i).output))

    def in_text():
        with dsl.ParallelFor([1, 2]) as i:
            one = step(x=i)
        step(s=f"{dsl.Collected(one.output)}")

    message = "'step-Output' is not made in a dsl.ParallelFor that this is outside of"
    assert problems(outside) == {"pipeline 'churn', task 'total'": message}
    assert problems(same_loop) == {"pipeline 'churn', task 'total'": message}
    with pytest.raises(FatalError, match="cannot be put into text"):
        dsl.pipeline(in_text)


def test_one_of_needs_branches_and_an_else() -> None:
    def no_else(n: int):
        with dsl.If(n > 1):
            a = step()
        with dsl.Elif(n > 2):
            b = step()
        step(x=dsl.OneOf(a.output, b.output))

    def no_branches():
        step(x=dsl.OneOf(step().output, step().output))

    def other_types(n: int):
        with dsl.If(n > 1):
            a = step()
        with dsl.Else():
            b = make()
        step(x=dsl.OneOf(a.output, b.output))

    place = "pipeline 'churn', dsl.OneOf"
    assert problems(no_else) == {place: "needs a dsl.Else, or there might be no value"}
    assert problems(no_branches) == {place: "the outputs come from branches of one dsl.If with dsl.Else"}
    assert problems(other_types) == {place: "'make-Output' is system.Dataset, but 'step-Output' is int"}


def test_exit_tasks_wait_for_nothing() -> None:
    def waits():
        first = step()
        with dsl.ExitHandler(step(x=first.output)):
            step()

    def nested(n: int):
        end = report()
        with dsl.If(n > 1), dsl.ExitHandler(end):
            step()

    def told_later():
        first, last = step(), step()
        with dsl.ExitHandler(last):
            step()
        last.after(first)

    def in_settings():
        last = step()
        last.set_memory_limit(f"{name().output}").set_container_image(name().output)
        with dsl.ExitHandler(last):
            step()

    refusal = "is an exit task and cannot wait for others"
    assert problems(waits) == {"pipeline 'churn', task 'step-2'": refusal}
    assert problems(told_later) == {"pipeline 'churn', task 'step-2', after()": refusal}
    assert problems(in_settings) == {"pipeline 'churn', task 'step'": refusal}
    assert problems(nested) == {
        "pipeline 'churn', dsl.ExitHandler": "can only be used on the pipeline's own level"
    }


def test_nothing_that_an_exit_task_comes_after_waits_for_it() -> None:
    def by_output():
        last = step()
        with dsl.ExitHandler(last):
            step(x=last.output)

    def by_order():
        last = step()
        with dsl.ExitHandler(last):
            step().after(last)

    def by_condition():
        last = step()
        with dsl.ExitHandler(last), dsl.If(last.output == 1):
            step()

    def by_another_task():
        last, other = step(), step()
        with dsl.ExitHandler(last):
            step(x=other.output)
        other.after(last)

    def by_another_handler():
        last, other = step(), step()
        with dsl.ExitHandler(last):
            step().after(other)
        with dsl.ExitHandler(other):
            step().after(last)

    for function in (by_output, by_order, by_condition, by_another_task, by_another_handler):
        ((place, message),) = problems(function).items()
        assert place.startswith("pipeline 'churn', task '")
        assert message.startswith("waits for itself: ")
        assert {"step", "exit-handler-1"} <= set(message.removeprefix("waits for itself: ").split(" → "))


def test_others_may_come_after_an_exit_task() -> None:
    def churn():
        last = step()
        with dsl.ExitHandler(last):
            step()
        step(x=last.output)

    assert root_of(churn)["step-3"].dependent_tasks == ["step"]


def test_empty_blocks_and_blocks_outside_of_pipelines() -> None:
    def churn(n: int):
        with dsl.If(n > 1):
            pass
        step()

    assert problems(churn) == {"pipeline 'churn', block 'condition-1'": "dsl.If has no tasks in it"}
    with pytest.raises(ValueError, match="outside of a pipeline"):  # as with the SDK
        dsl.ParallelFor([1])
    with pytest.raises(FatalError, match="outside of a pipeline"):
        dsl.If(True)


def test_an_error_in_a_block_leaves_it() -> None:
    def churn():
        with dsl.ParallelFor([1]):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dsl.pipeline(churn)


def test_the_same_pipeline_compiles_the_same_each_time() -> None:
    def churn(n: int):
        with dsl.ParallelFor([{"b": 1, "a": 2}]) as item, dsl.If(item.a == n):
            step(x=item.b, s=f"{n} {item.a}")

    first, second = (
        dsl.compile(dsl.pipeline(churn)).spec.SerializeToString(deterministic=True) for _ in range(2)
    )
    assert first == second
