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
        if name not in modules or _is_clock_stopper():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(f"{package}.{modules[name]}")
        except ImportError as error:
            if modules[name] != name:
                raise
            # Who only looks, `hasattr` and `help` for example, needs no extra. Who imports does.
            raise AttributeError(str(error), name=name) from error
        value = module if modules[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


def _is_clock_stopper() -> bool:
    """Whether freezegun looks through all modules, with its own classes in place of ``datetime``.

    What was imported meanwhile, pydantic for example, would keep them for as long as it lives.
    """
    caller = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return str(caller.f_globals.get("__name__")).startswith("freezegun.")
