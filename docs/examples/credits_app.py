"""Where credits went: filters, totals, days with the odd ones marked, and a top table.

``marimo run docs/examples/credits_app.py`` reads the mirror or export that ``FLOWHUNT_CREDITS``
names, by default the folder ``credits``.
"""

import marimo

app = marimo.App(width="medium", app_title="FlowHunt credits")


@app.cell
def _():
    import os
    from datetime import timedelta

    import marimo as mo

    from flowhunt.report import days_svg
    from flowhunt.spend import Spending

    return Spending, days_svg, mo, os, timedelta


@app.cell
def _(Spending, os, timedelta):
    source = os.environ.get("FLOWHUNT_CREDITS", "credits")
    everything = Spending(source)
    (total,) = everything.total().to_dicts()
    first, last = total["since"], total["until"] - timedelta(days=1)
    workspaces = [row["name"] for row in everything.top("workspace", 1_000).to_dicts()]
    return first, last, source, workspaces


@app.cell
def _(first, last, mo, workspaces):
    workspace = mo.ui.multiselect(workspaces, value=workspaces, label="Workspaces")
    period = mo.ui.date_range(first, last, value=(first, last), label="Days")
    by = mo.ui.dropdown(["type", "context", "user", "workspace"], value="context", label="By")
    mo.vstack([mo.md("# FlowHunt credits"), mo.hstack([workspace, period, by], justify="start")])
    return by, period, workspace


@app.cell
def _(Spending, period, source, timedelta, workspace):
    since, until = period.value[0], period.value[1] + timedelta(days=1)
    spending = Spending(source, since, until, workspace_id=workspace.value)
    return (spending,)


@app.cell
def _(mo, spending):
    (_sum,) = spending.total().in_credits().to_dicts()
    _whole = [week for week in spending.weeks().to_dicts() if week["change_percent"] is not None]
    _change = f"{_whole[-1]['change_percent']:+.1f} %" if _whole else "-"
    mo.hstack(
        [
            mo.stat(f"{_sum['spent']:,.2f}", label="credits spent"),
            mo.stat(f"{_sum['transactions']:,}", label="transactions"),
            mo.stat(_change, label="last complete week", caption="against the week before"),
            mo.stat(str(len(spending.odd_days().to_dicts())), label="odd days"),
        ],
        widths="equal",
    )
    return


@app.cell
def _(days_svg, mo, spending):
    mo.Html(days_svg(spending))
    return


@app.cell
def _(by, mo, spending):
    mo.ui.table(spending.top(by.value, 20).in_credits().to_dicts(), selection=None)
    return


@app.cell
def _(mo, spending):
    mo.plain_text("\n".join(spending.assumptions))
    return


if __name__ == "__main__":
    app.run()
