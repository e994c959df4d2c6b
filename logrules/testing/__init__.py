"""Faithful doubles for anybody's tests: the Bot API, receivers of alerts, PostgreSQL and its network."""

from logrules.testing.bot_api_methods import MethodError
from logrules.testing.bot_api_server import BotApiServer
from logrules.testing.postgres_binaries import PostgresError
from logrules.testing.postgres_server import PostgresServer
from logrules.testing.sentry_receiver import SentryReceiver
from logrules.testing.tcp_proxy import TcpProxy
from logrules.testing.updates import Timing
from logrules.testing.webhook_receiver import WebhookReceiver

__all__ = [
    "BotApiServer",
    "MethodError",
    "PostgresError",
    "PostgresServer",
    "SentryReceiver",
    "TcpProxy",
    "Timing",
    "WebhookReceiver",
]
