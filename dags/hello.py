"""The smallest pipeline: one component, one parameter. `tradewind run dags/hello.py -p name=Ada`"""

from tradewind import dsl
from tradewind.airflow import pipeline_dag


@dsl.component
def greet(name: str) -> str:
    greeting = f"Hello, {name}!"
    print(greeting)
    return greeting


@dsl.pipeline(name="hello")
def hello(name: str = "world") -> str:
    """Says hello from a pod."""
    return greet(name=name).output


dag = pipeline_dag(hello)
