"""ValidationErrorLocInner: one step of the path to a refused value."""

from __future__ import annotations

from pydantic import RootModel, StrictInt, StrictStr

from flowhunt.models._base import Model


class ValidationErrorLocInner(Model, RootModel[StrictStr | StrictInt]):
    """One step of the path to a refused value: a name, or an index."""

    @property
    def actual_instance(self) -> str | int:
        """The name or index itself."""
        return self.root

    def __str__(self) -> str:
        return str(self.root)
