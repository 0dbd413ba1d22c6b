"""Metadata of the package that names its repository, which only the place of a build knows.

On GitHub Actions, the links of the README become absolute, as an index needs them, and lead to the
tag of the version. Elsewhere they stay as they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)(\[[^]]*\]\()(?![a-z]+:|#)")


class RepositoryLinks(MetadataHookInterface):
    """Adds the README and the project's URLs."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what ``pyproject.toml`` declares as dynamic."""
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        urls = dict(self.config["urls"])
        if repository := os.environ.get("GITHUB_REPOSITORY"):
            source = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
            pages, files = (f"{source}/{kind}/v{metadata['version']}/" for kind in ("blob", "raw"))
            readme = _LINK.sub(lambda link: link[0] + (files if link[1] else pages), readme)
            urls["Source"] = source
            urls["Documentation"] = f"{pages}docs/README.md"
            urls["Changelog"] = f"{pages}CHANGELOG.md"
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
        metadata["urls"] = urls
