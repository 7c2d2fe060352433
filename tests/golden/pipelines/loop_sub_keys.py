"""Fields of items, fields of fields, and lists in fields to loop over."""

from kfp import dsl


@dsl.component
def grid() -> list:
    return [{"model": "tree", "depths": [2, 4], "seed": {"split": 1, "fit": 2}}]


@dsl.component
def fit(model: str, depth: int, seed: int) -> float:
    return depth / (seed + 1)


@dsl.component
def note(text: str, values: list = [], options: dict = {}):
    print(text, values, options)


@dsl.pipeline
def loop_sub_keys(
    teams: list = [{"label": "red", "members": [{"person": "Ann", "role": {"title": "lead"}}]}],
):
    with dsl.ParallelFor(grid().output) as candidate:
        note(text=candidate.model, values=candidate.depths, options=candidate.seed)
        with dsl.ParallelFor(candidate.depths) as depth:
            fit(model=candidate.model, depth=depth, seed=7)
    with dsl.ParallelFor(teams) as team:
        with dsl.ParallelFor(team.members) as member:
            note(text=member.person, options=member.role).after(note(text=team.label))
