"""`flowhunt-credits demo`."""

from __future__ import annotations

from flowhunt.cli._sandbox import forwarded

command = forwarded("demo", "Make all five calls to a local FlowHunt.")
