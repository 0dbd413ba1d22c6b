"""What shows, writes or reads tables shares: columns, displays, plots, and where tables are."""
