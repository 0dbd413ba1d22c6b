"""A report of spending as one HTML file, to open or to mail.  [extra: report]

::

    from flowhunt.report import write_report
    from flowhunt.spend import Spending

    write_report(Spending("credits", "2026-01-01", "2026-07-01"), "credits.html")

The file needs no server, no script and no network: its picture is part of it. Text from the service
is escaped.
"""

from __future__ import annotations

from flowhunt._extras import extra

with extra("report"):
    from flowhunt.report._page import write_report
    from flowhunt.report._picture import days_svg, plot_days

__all__ = ["days_svg", "plot_days", "write_report"]


def __dir__() -> list[str]:
    return __all__
