"""What reads many workspaces shares: a client for each, a limit for all, and progress."""
