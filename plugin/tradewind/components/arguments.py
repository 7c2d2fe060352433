"""Arguments of a version 1 command line: texts and placeholders (`{inputValue: Rows}`), as in the IR.

Placeholders may be nested: `concat` and `if` hold others. Each is checked against the inputs and outputs of
the component, since what the backend cannot fill in would reach the command as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tradewind.dsl.interface import Input, Output
from tradewind.dsl.placeholders import ConcatPlaceholder, IfPresentPlaceholder, Placeholder, input_parameter
from tradewind.dsl.types import ArtifactKind

__all__ = ["Arguments", "port_name"]


def port_name(name: str) -> str:
    """An input's or output's name as version 2 has it: "Input 1" is `input_1`."""
    return re.sub("[^_0-9a-z]+", "_", name.lower()).strip("_")


class Arguments:
    """Renders the arguments of one component.

    Args:
        inputs, outputs: of the component.
        complain: gets place, message and remedy of each problem.
    """

    def __init__(
        self,
        inputs: Mapping[str, Input],
        outputs: Mapping[str, Output],
        complain: Callable[[str, str, str], None],
    ) -> None:
        self._inputs, self._outputs, self._complain = inputs, outputs, complain

    def render(self, argument: Any, place: str) -> str:
        """One argument as the IR has it."""
        element = self._element(argument, place)
        return element if isinstance(element, str) else element.text

    def _element(self, argument: Any, place: str) -> str | Placeholder:
        if isinstance(argument, str):
            return argument
        if isinstance(argument, bool | int | float):
            # The SDK refuses these; YAML makes them of an unquoted 5, which is meant as text.
            self._complain(place, f"is {argument!r}, no text", f'write "{argument}"')
            return ""
        if not isinstance(argument, dict) or len(argument) != 1:
            self._complain(place, "is neither text nor a placeholder with one key", "")
            return ""
        ((key, content),) = argument.items()
        place = f"{place}.{key}"
        if key == "concat":
            items = [self._element(item, f"{place}[{i}]") for i, item in enumerate(_listed(content))]
            return ConcatPlaceholder(items)
        if key == "if":
            return self._condition(content, place)
        if key == "executorInput":
            return "{{$}}"
        if key in _INPUTS and isinstance(content, str):
            return self._input(key, content, place)
        if key in _OUTPUTS and isinstance(content, str):
            return self._output(key, content, place)
        known = ", ".join([*_INPUTS, *_OUTPUTS, "executorInput", "concat", "if"])
        self._complain(place, "is not a placeholder of version 2", f"known are: {known}")
        return ""

    def _condition(self, content: Any, place: str) -> str | Placeholder:
        condition = content.get("cond") if isinstance(content, dict) else None
        asked = condition.get("isPresent") if isinstance(condition, dict) else None
        if not isinstance(asked, str) or "then" not in content:
            self._complain(place, "is not {cond: {isPresent: input}, then: [...], else: [...]}", "")
            return ""
        name = self._known(asked, self._inputs, f"{place}.cond.isPresent")
        then = self._branch(content["then"], f"{place}.then")
        otherwise = content.get("else")
        if otherwise is not None:
            otherwise = self._branch(otherwise, f"{place}.else")
        return IfPresentPlaceholder(name, then, otherwise)

    def _branch(self, branch: Any, place: str) -> Any:
        if isinstance(branch, list):
            return [self._element(item, f"{place}[{i}]") for i, item in enumerate(branch)]
        return self._element(branch, place)

    def _input(self, key: str, given: str, place: str) -> str | Placeholder:
        name = self._known(given, self._inputs, place)
        if name not in self._inputs:
            return ""
        is_artifact = isinstance(self._inputs[name].kind, ArtifactKind)
        if is_artifact == (key == "inputValue"):
            message = (
                f"'{given}' is an artifact, and has no value"
                if is_artifact
                else f"'{given}' is a parameter, and has no file"
            )
            remedy = (
                "give the input a type, such as String, or use inputPath"
                if is_artifact
                else "use inputValue, or leave the type of the input out"
            )
            self._complain(place, message, remedy)
        return Placeholder(_INPUTS[key].format(name) if is_artifact else input_parameter(name))

    def _output(self, key: str, given: str, place: str) -> str | Placeholder:
        name = self._known(given, self._outputs, place)
        if name not in self._outputs:
            return ""
        if isinstance(self._outputs[name].kind, ArtifactKind):
            return Placeholder(_OUTPUTS[key].format(name))
        if key == "outputUri":
            self._complain(place, f"'{given}' is a parameter, and has no URI", "use outputPath")
        return Placeholder(f"{{{{$.outputs.parameters['{name}'].output_file}}}}")

    def _known(self, given: str, ports: Mapping[str, object], place: str) -> str:
        name = port_name(given)
        if name not in ports:
            known = ", ".join(ports) or "none"
            self._complain(place, f"names '{given}', which there is not", f"there are: {known}")
        return name


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


_INPUTS = {
    "inputValue": "{{{{$.inputs.parameters['{}']}}}}",
    "inputPath": "{{{{$.inputs.artifacts['{}'].path}}}}",
    "inputUri": "{{{{$.inputs.artifacts['{}'].uri}}}}",
}
_OUTPUTS = {
    "outputPath": "{{{{$.outputs.artifacts['{}'].path}}}}",
    "outputUri": "{{{{$.outputs.artifacts['{}'].uri}}}}",
}
