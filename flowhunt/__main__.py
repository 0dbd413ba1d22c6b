"""`python -m flowhunt` is `flowhunt-credits`."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line and exit; if its extra is missing, the error says how to install it."""
    try:
        from flowhunt.cli import main
    except ImportError as error:
        sys.exit(f"flowhunt-credits: {error}")
    sys.exit(main())


if __name__ == "__main__":
    run()
