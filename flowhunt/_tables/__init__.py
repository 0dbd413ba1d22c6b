"""Columns, displays, plot axes, files and locations, for all layers that have tables."""
