"""Faithful doubles for anybody's tests: BotApiServer, SentryReceiver, PostgresServer."""
