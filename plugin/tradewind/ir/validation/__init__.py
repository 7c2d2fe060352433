"""Do the parts of a pipeline fit together? Everything that does not is found in one go."""

from tradewind.ir.validation.nesting import check_nesting
from tradewind.ir.validation.pipelines import at_most, validate

__all__ = ["at_most", "check_nesting", "validate"]
