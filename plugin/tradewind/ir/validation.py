from tradewind.ir.pipeline import Pipeline


def validate(pipeline: Pipeline) -> None: ...
