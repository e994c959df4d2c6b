"""`make demo`: how bots die in silence, and how one line makes them speak. Needs no account."""
