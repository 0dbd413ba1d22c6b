"""An export in a process of its own, to be killed or looked at; says after each window how many.

Its words come as JSON in the first argument: ``host``, ``api_key``, ``workspace_id``, ``bar``
(whether to show a bar, or null to be told), and the arguments of the export.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import flowhunt
from flowhunt.export import Progress, export_credit_transactions


def say(now: Progress) -> None:
    sys.stdout.write(f"{now.windows}\n")
    sys.stdout.flush()


def main(host: str, api_key: str, workspace_id: str, bar: bool | None, **words: Any) -> None:
    configuration = flowhunt.Configuration(host=host, api_key=api_key, trust_env=False)
    apis = {workspace_id: configuration}
    progress = say if bar is None else bar
    export_credit_transactions(apis, workspace_id, progress=progress, **words)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
