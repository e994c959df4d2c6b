"""What a program says is met in the dress of every logger, platform and supervisor that people paste from."""

from __future__ import annotations

import json

import pytest

from logrules.core.engine import classify
from logrules.rules import rulebook

FORMATS = {
    "py bracket": "[2026-01-15 08:29:41,511] [ERROR] telegram.ext.Updater: <>",
    "py func": "2026-01-15 08:29:41,511 ERROR [telegram.ext.Updater:_action_cb:382] <>",
    "py thread": "2026-01-15 08:29:41,511 ERROR MainThread updater.py:382 <>",
    "py pipe": "2026-01-15 08:29:41 | ERROR | telegram.ext.Updater | <>",
    "py time only": "08:29:41 ERROR <>",
    "py lvl first": "ERROR 2026-01-15 08:29:41,511 updater 7 140 <>",
    "py lvl colon": "ERROR: <>",
    "py lvl dash": "ERROR - <>",
    "py brackets time": "[08:29:41] ERROR: <>",
    "py D/M/Y": "15/01/2026 08:29:41 ERROR <>",
    "py d-b-y": "15-Jan-26 08:29:41 - ERROR - <>",
    "py lvl paren": "(ERROR) 2026-01-15 08:29:41 <>",
    "py name-lvl": "telegram.ext.Updater - ERROR - <>",
    "py pid": "2026-01-15 08:29:41,511 [7] ERROR telegram.ext.Updater - <>",
    "py [E]": "[E] 2026-01-15 08:29:41 <>",
    "py E/": "E 2026-01-15 08:29:41 <>",
    "loguru": "2026-01-15 08:29:41.511 | ERROR    | __main__:main:12 - <>",
    "loguru short": "08:29:41 | ERROR | <>",
    "structlog": "2026-01-15 08:29:41 [error    ] <> [telegram] chat=1",
    "structlog iso": "2026-01-15T08:29:41.511Z [error    ] <>",
    "uvicorn": "ERROR:    <>",
    "gunicorn": "[2026-01-15 08:29:41 +0000] [7] [ERROR] <>",
    "celery": "[2026-01-15 08:29:41,511: ERROR/MainProcess] <>",
    "celery worker": "[2026-01-15 08:29:41,511: ERROR/ForkPoolWorker-1] <>",
    "django": "[15/Jan/2026 08:29:41] ERROR [bot:12] <>",
    "hass": "2026-01-15 08:29:41.511 ERROR (MainThread) [homeassistant.components.telegram_bot.polling] <>",
    "coloredlogs": "2026-01-15 08:29:41 host bot[7] ERROR <>",
    "rich": "[01/15/26 08:29:41] ERROR    <>    updater.py:382",
    "rich short": "[08:29:41] ERROR    <>    updater.py:382",
    "discord.py": "[2026-01-15 08:29:41] [ERROR   ] discord.client: <>",
    "tornado": "[E 260115 08:29:41 web:12] <>",
    "twisted": "2026-01-15T08:29:41+0000 [telegram#error] <>",
    "telebot": '2026-01-15 08:29:41,511 (__init__.py:417 MainThread) ERROR - TeleBot: "<>"',
    "compose": "bot-1  | 2026-01-15 08:29:41,511 - x - ERROR - <>",
    "compose old": "bot_1 | ERROR:x:<>",
    "cri": "2026-01-15T08:29:41.511Z stdout F ERROR:x:<>",
    "journald": "Jan 15 08:29:41 host bot[7]: ERROR:x:<>",
    "journald python": "Jan 15 08:29:41 host python3[7]: 2026-01-15 08:29:41,511 - x - ERROR - <>",
    "syslog5424": "<11>1 2026-01-15T08:29:41Z host bot 7 - - ERROR <>",
    "heroku": "2026-01-15T08:29:41.511Z app[worker.1]: ERROR:x:<>",
    "render": "Jan 15 08:29:41 AM  ERROR:x:<>",
    "railway": "2026-01-15T08:29:41.511Z [err]  ERROR:x:<>",
    "railway2": "[err] ERROR:x:<>",
    "fly": "2026-01-15T08:29:41Z app[abc] fra [info]ERROR:x:<>",
    "pm2": "0|bot      | ERROR:x:<>",
    "pm2 ts": "0|bot  | 2026-01-15T08:29:41: ERROR:x:<>",
    "supervisord": "2026-01-15 08:29:41,511 ERROR <>",
    "gcp text": "ERROR 2026-01-15T08:29:41.511Z <>",
    "aws cw": "2026-01-15T08:29:41.511Z\t0f0e0d0c-1111-2222-3333-444455556666\tERROR\t<>",
    "lambda": "[ERROR]\t2026-01-15T08:29:41.511Z\t0f0e0d0c-1111-2222-3333-444455556666\t<>",
    "docker ts": "2026-01-15T08:29:41.511123456Z ERROR:x:<>",
    "winston simple": "error: <>",
    "winston ts": "2026-01-15T08:29:41.511Z error: <>",
    "winston brk": "2026-01-15 08:29:41 [error]: <>",
    "winston label": "2026-01-15T08:29:41.511Z [telegram] error: <>",
    "pino-pretty": "[08:29:41.511] ERROR (7): <>",
    "pino-pretty2": "[2026-01-15 08:29:41.511 +0000] ERROR (bot/7 on host): <>",
    "bunyan": "[2026-01-15T08:29:41.511Z] ERROR: bot/7 on host: <>",
    "log4js": "[2026-01-15T08:29:41.511] [ERROR] default - <>",
    "consola2": " ERROR  <>",
    "signale": "[08:29:41] › ✖  error     <>",
    "nest": "[Nest] 7  - 01/15/2026, 8:29:41 AM   ERROR [TelegramService] <>",
    "debug": "  bot:error <> +0ms",
    "koishi": "2026-01-15 08:29:41 [E] telegram <>",
    "zap json": '{"level":"error","ts":1700000000.1,"caller":"a.go:3","msg":"<>"}',
    "zap console": "2026-01-15T08:29:41.511Z\tERROR\tbot/main.go:33\t<>",
    "zerolog console": "8:29AM ERR <>",
    "zerolog console2": "2026-01-15T08:29:41Z ERR <>",
    "logrus text": 'time="2026-01-15T08:29:41Z" level=error msg="<>"',
    "logrus tty": "ERRO[0012] <>",
    "slog text": 'time=2026-01-15T08:29:41.511Z level=ERROR msg="<>"',
    "slog default": "2026/01/15 08:29:41 ERROR <>",
    "go log": "2026/01/15 08:29:41 <>",
    "go log file": "2026/01/15 08:29:41 main.go:33: <>",
    "go prefix": "[bot] 2026/01/15 08:29:41 <>",
    "charm log": "2026/01/15 08:29:41 ERRO <>",
    "glog": "E0115 08:29:41.511123       7 bot.go:12] <>",
    "logback": "08:29:41.511 [main] ERROR o.t.t.u.DefaultBotSession - <>",
    "logback spring": "2026-01-15 08:29:41.511 ERROR 7 --- [Executor] o.t.t.DefaultBotSession        : <>",
    "spring iso": "2026-01-15T08:29:41.511Z ERROR 7 --- [bot] [Executor] o.t.t.u.DefaultBotSession : <>",
    "log4j": "2026-01-15 08:29:41,511 [main] ERROR org.x.Bot - <>",
    "log4j2": "2026-01-15 08:29:41 ERROR DefaultBotSession:190 - <>",
    "minecraft": "[08:29:41 ERROR]: <>",
    "minecraft2": "[08:29:41] [Server thread/ERROR]: <>",
    "bukkit plugin": "[08:29:41 ERROR]: [TelegramBot] <>",
    "serilog": "[08:29:41 ERR] <>",
    "serilog full": "2026-01-15 08:29:41.511 +00:00 [ERR] <>",
    "nlog": "2026-01-15 08:29:41.5110|ERROR|Bot.Program|<>",
    ".net console": "fail: Bot.Program[0]\n      <>",
    ".net simple": "08:29:41 fail: Bot.Program[0] <>",
    "log4net": "2026-01-15 08:29:41,511 [1] ERROR Bot.Program - <>",
    "env_logger": "[2026-01-15T08:29:41Z ERROR bot] <>",
    "tracing": "2026-01-15T08:29:41.511123Z ERROR bot::main: <>",
    "tracing compact": "2026-01-15T08:29:41.511123Z ERROR teloxide: <>",
    "pretty_env": " ERROR teloxide::error_handlers > <>",
    "fern": "[2026-01-15][08:29:41][bot][ERROR] <>",
    "simplelog": "08:29:41 [ERROR] <>",
    "monolog": "[2026-01-15 08:29:41] production.ERROR: <>",
    "monolog iso": "[2026-01-15T08:29:41.511123+00:00] app.ERROR: <> [] []",
    "php error_log": "[15-Jan-2026 08:29:41 UTC] <>",
    "php fatal": "[15-Jan-2026 08:29:41 UTC] PHP Fatal error:  Uncaught Telegram\\Bot\\ResponseException: <>",
    "yii": "2026-01-15 08:29:41 [-][-][-][error][application] <>",
    "ruby logger": "E, [2026-01-15T08:29:41.511123 #7] ERROR -- : <>",
    "ruby progname": "E, [2026-01-15T08:29:41.511123 #7] ERROR -- bot: <>",
    "elixir": "08:29:41.511 [error] <>",
    "erlang": "=ERROR REPORT==== 15-Jan-2026::08:29:41 ===\n<>",
    "caddy": "2026/01/15 08:29:41.511\tERROR\tbot\t<>",
    "nginx": "2026/01/15 08:29:41 [error] 7#7: *1 <>",
    "apache": "[Thu Jan 15 08:29:41.511 2026] [php:error] [pid 7] [client 127.0.0.1:1] <>",
    "iobroker": "telegram.0 2026-01-15 08:29:41.511 error <>",
    "iobroker2": "2026-01-15 08:29:41.511  - \x1b[31merror\x1b[39m: telegram.0 (7) <>",
    "nodered": "15 Jan 08:29:41 - [error] [telegram bot:bot] <>",
    "zigbee": "[2026-01-15 08:29:41] error: \tz2m: <>",
    "homebridge": "[1/15/2026, 8:29:41 AM] [Telegram] <>",
    "unraid/synology": "2026/01/15 08:29:41\tstderr\t<>",
    "k8s pod pref": "[pod/bot-1/bot] ERROR:x:<>",
    "foreman": "08:29:41 worker.1 | ERROR:x:<>",
    "honcho": "08:29:41 bot.1      | ERROR:x:<>",
    "concurrently err": "[1] Error: <>",
    "turbo": "bot:dev: Error: <>",
    "systemd cat": "bot[7]: ERROR:x:<>",
    "termux": "~ $ python bot.py\nERROR:x:<>",
    "pterodactyl": "container@pterodactyl~ <>",
    "jupyter": "[E 2026-01-15 08:29:41.511 bot] <>",
    "asctime name": "Thu Jan 15 08:29:41 2026 ERROR <>",
    "epoch": "1768465781.511 ERROR <>",
    "epoch ms json": '{"time":1768465781511,"level":"ERROR","message":"<>"}',
    "ecs": '{"@timestamp":"2026-01-15T08:29:41.511Z","log.level":"error","message":"<>"}',
    "gelf": '{"version":"1.1","host":"h","short_message":"<>","level":3}',
    "serilog json": '{"@t":"2026-01-15T08:29:41.511Z","@m":"<>","@l":"Error"}',
    "serilog clef": '{"@t":"2026-01-15T08:29:41.511Z","@mt":"<>","@l":"Error"}',
    "logback json": '{"@timestamp":"2026-01-15T08:29:41.511Z","@version":"1","message":"<>","level":"ERROR"}',
    "nest json": '{"context":"Telegram","level":"error","message":"<>","timestamp":"2026-01-15T08:29:41Z"}',
    "docker json": '{"log":"ERROR:x:<>\\n","stream":"stderr","time":"2026-01-15T08:29:41.511Z"}',
    "railway json": '{"message":"<>","severity":"error","timestamp":"2026-01-15T08:29:41.511Z"}',
    "cloudwatch json": '{"timestamp":1768465781511,"message":"<>","logStreamName":"x"}',
    "vector": '{"timestamp":"2026-01-15T08:29:41.511Z","source_type":"docker","message":"ERROR:x:<>"}',
    "journal json": '{"PRIORITY":"3","MESSAGE":"<>","_PID":"7"}',
    "rust tracing json": '{"timestamp":"2026-01-15T08:29:41Z","level":"ERROR","fields":{"message":"<>"}}',
    "py json logger": '{"asctime":"2026-01-15 08:29:41","levelname":"ERROR","name":"x","message":"<>"}',
    "structlog json": '{"event":"<>","level":"error","timestamp":"2026-01-15T08:29:41Z"}',
    "log15": 't=2026-01-15T08:29:41+0000 lvl=eror msg="<>"',
    "hclog": "2026-01-15T08:29:41.511Z [ERROR] bot: <>",
}
"""<> stands for the words."""

CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
STATEMENTS = {
    CONFLICT: "CONFLICT_409",
    "telegram.error.InvalidToken: Unauthorized": "TOKEN_INVALID",
    "httpx.ConnectError: [Errno -2] Name or service not known": "DNS_ERROR",
    "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379.": "DB_UNREACHABLE",
    "DiscordAPIError[50013]: Missing Permissions": "PERMISSION_MISSING",
}


def dressed(words: str, dress: str) -> str:
    """The words as that format prints them."""
    return dress.replace("<>", json.dumps(words)[1:-1] if dress.startswith("{") else words) + "\n"


@pytest.mark.parametrize("dress", FORMATS.values(), ids=FORMATS.keys())
def test_words_are_met_in_every_dress(dress: str) -> None:
    """What a library prints gives its code, whoever has put what before it."""
    found = {words: [m.code for m in classify(rulebook(), dressed(words, dress))] for words in STATEMENTS}

    assert found == {words: [code] for words, code in STATEMENTS.items()}


@pytest.mark.parametrize("dress", FORMATS.values(), ids=FORMATS.keys())
def test_what_people_say_is_no_news_in_any_dress(dress: str) -> None:
    """The same words behind those of somebody who tells of them raise nothing."""
    for words in STATEMENTS:
        for said in (f"user 42 wrote: {words}", f"alice: what does {words} mean?", f"got message: {words}"):
            assert classify(rulebook(), dressed(said, dress)) == []
