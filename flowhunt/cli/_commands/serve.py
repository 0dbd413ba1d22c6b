"""`flowhunt-credits serve`."""

from __future__ import annotations

from flowhunt.cli._sandbox import forwarded

command = forwarded("serve", "Run a local FlowHunt with made-up transactions.")
