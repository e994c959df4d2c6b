"""Faithful doubles for anybody's tests: BotApiServer, SentryReceiver, PostgresServer."""

from logrules.testing.postgres_binaries import PostgresError
from logrules.testing.postgres_server import PostgresServer

__all__ = ["PostgresError", "PostgresServer"]
