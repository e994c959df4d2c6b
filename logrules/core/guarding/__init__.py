"""One poller: the lock's table, conflicts, updates, and how a bot is."""
