"""Names of a package that are imported on first use."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing for it would take ten times as long as this package
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def resolver(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package.

    :param modules: the module of each lazy name; a name that is its own module is that module
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  the package uses it as its own
        if name not in modules or _is_called_by_freezegun():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(f"{package}.{modules[name]}")
        except ImportError as error:
            if modules[name] != name:
                raise
            # `hasattr` and `help` must not fail: without the extra, the name does not exist.
            raise AttributeError(str(error), name=name) from error
        value = module if modules[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


def _is_called_by_freezegun() -> bool:
    """Whether freezegun asks, which then has its own classes in place of ``datetime``.

    A module imported at that time, pydantic for example, would keep those classes.
    """
    caller = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return str(caller.f_globals.get("__name__")).startswith("freezegun.")
