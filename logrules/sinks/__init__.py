"""Tells the world: a console line, a Sentry event, a chat message. Decides nothing."""
