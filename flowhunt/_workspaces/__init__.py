"""Clients, rate limits and progress, for all layers that read many workspaces."""
