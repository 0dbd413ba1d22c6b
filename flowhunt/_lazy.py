"""Names of a package that are imported on first use."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing has one too, and costs ten times what this package does
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def resolver(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package, by the module that each of its lazy names is in.

    A name whose module is its own is a module itself.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  it becomes one
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"{package}.{modules[name]}")
        value = module if modules[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__
