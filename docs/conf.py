"""Settings of the documentation site: `sphinx-build -W -c docs . build/site`.

The repository is the source, so that every link between its pages is one of the site too.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]  # site_pages.py, and the package as it is here

import flowhunt  # noqa: E402

project = "flowhunt"
copyright = "FlowHunt"
release = version = flowhunt.__version__
root_doc = "docs/README"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/reference/*.rst",
    "benchmark/README.md",
    "flowhunt/sandbox/README.md",
]

exclude_patterns = [".*", "build", "dist", "test"]
listing_pages = [root_doc, "docs/models"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "site_pages"]
myst_heading_anchors = 4  # as GitHub makes them
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"flowhunt {release}"
html_extra_path = ["redirect"]
html_copy_source = False
