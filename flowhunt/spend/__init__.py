"""Questions about spending: how much, on what, what changed, how long it lasts.  [extra: spend]

::

    from flowhunt.spend import Spending

    spending = Spending("credits", "2026-01-01", "2026-07-01", zone="Europe/Prague")
    print(spending.weeks())
    print(spending.top("context"))

DuckDB adds up amounts as exact integers, with the SQL in ``MACROS``. Partial days and weeks are
marked and not compared. A note states if there is too little history.
"""

from __future__ import annotations

from flowhunt._extras import extra

with extra("spend"):
    from flowhunt.spend._calibration import Calibration, calibrate
    from flowhunt.spend._database import MACROS
    from flowhunt.spend._result import AMOUNTS, Result
    from flowhunt.spend._spending import Spending

__all__ = ["AMOUNTS", "MACROS", "Calibration", "Result", "Spending", "calibrate"]


def __dir__() -> list[str]:
    return __all__
