"""Faithful doubles for anybody's tests: Bot API, Render API, receivers of alerts, PostgreSQL, its network."""

from logrules.testing.bot_api_methods import MethodError
from logrules.testing.bot_api_server import BotApiServer
from logrules.testing.postgres_binaries import PostgresError
from logrules.testing.postgres_server import PostgresServer
from logrules.testing.render_api import RenderApiServer
from logrules.testing.sentry_receiver import SentryReceiver
from logrules.testing.tcp_proxy import TcpProxy
from logrules.testing.updates import Timing
from logrules.testing.webhook_receiver import WebhookReceiver

__all__ = [
    "BotApiServer",
    "MethodError",
    "PostgresError",
    "PostgresServer",
    "RenderApiServer",
    "SentryReceiver",
    "TcpProxy",
    "Timing",
    "WebhookReceiver",
]
