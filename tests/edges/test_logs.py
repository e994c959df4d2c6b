"""A real process logs in every way there is: JSON lines without secrets, one for each thing said."""

import json
import subprocess
import sys
import textwrap

from logrules.testing import BotApiServer

TOKEN = "123456:" + "A" * 35

PRELUDE = """
import asyncio, logging, os, sys, threading, warnings
from loguru import logger
from logrules.core.redact import Redactor
from logrules.logs import install
from logrules.sinks.console import Console

TOKEN = "123456:" + "A" * 35

def start(keep=False):
    install(Console(1, Redactor([TOKEN])), "kie-bot", "i-1", keep=keep)
"""


def run(script, *, status=0, raw=False):
    """Run `script` after the prelude; its lines, and what it said in plain text elsewhere."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    if raw:
        return done.stdout, done.stderr
    assert done.stderr == ""
    assert "AAAA" not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def messages(lines):
    return [line["message"] for line in lines]


def test_loguru_lines():
    """Loguru's lines have our form: level, logger, bound values, and no code."""
    lines = run(
        """
        start()
        logger.bind(user=5).info("hello {}", "bob")
        logger.success("done")
        logger.trace("below loguru's own default level")
        logger.critical("{not a format} <red>nor a colour</red>")
        """
    )

    assert messages(lines) == ["hello bob", "done", "{not a format} <red>nor a colour</red>"]
    assert [line["level"] for line in lines] == ["info", "info", "critical"]
    assert lines[0]["attrs"] == {"user": 5}
    assert lines[0]["logger"] == "__main__"
    assert list(lines[1]) == ["timestamp", "level", "message", "service", "instance", "v", "logger"]
    assert (lines[0]["service"], lines[0]["instance"]) == ("kie-bot", "i-1")


def test_loguru_shows_no_variables():
    """A traceback has its frames and causes, but never the values of variables."""
    (line,) = run(
        """
        start()
        def connect(dsn):
            raise OSError("refused")
        try:
            connect("x-" + TOKEN)
        except OSError:
            logger.exception("cannot connect with {}", TOKEN)
        """
    )

    assert line["message"] == "cannot connect with 123456:***"
    assert line["error"]["type"] == "OSError"
    assert "in connect" in line["error"]["stack"]


def test_loguru_levels_filters_and_files_stay(tmp_path):
    """Each handler's level and filter hold as before, files get their own lines, and no line comes twice."""
    file = tmp_path / "bot.log"
    lines = run(
        f"""
        logger.remove()
        logger.add({str(file)!r}, format="{{message}}", level="DEBUG")
        logger.add(sys.stdout, level="INFO", filter=lambda record: "noise" not in record["message"])
        logger.add(sys.stderr, level="ERROR")
        start()
        for say in (logger.debug, logger.info, logger.error):
            say("news")
            say("noise")
        """
    )

    assert [(line["level"], line["message"]) for line in lines] == [
        ("info", "news"),
        ("error", "news"),
        ("error", "noise"),
    ]
    assert file.read_text() == "news\nnoise\n" * 3


def test_loguru_that_was_silent_stays_silent(tmp_path):
    """Who removed loguru's handlers from the console does not get them back."""
    assert run('logger.remove(); start(); logger.error("x")') == []


def test_logging_lines():
    """Standard logging has the same form: arguments, extra, logger, level, traceback."""
    lines = run(
        """
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        start()
        log = logging.getLogger("bot.work")
        log.debug("below the level")
        log.info("order %d of %s", 7, TOKEN, extra={"user": 5, "token": TOKEN})
        try:
            raise ValueError(f"bad {TOKEN}")
        except ValueError:
            log.exception("it broke")
        log.log(25, "between", stack_info=True)
        """
    )

    assert messages(lines) == ["order 7 of 123456:***", "it broke", "between"]
    assert [line["level"] for line in lines] == ["info", "error", "info"]
    assert lines[0]["logger"] == "bot.work"
    assert lines[0]["attrs"] == {"user": 5, "token": "123456:***"}
    assert lines[1]["error"]["message"] == "bad 123456:***"
    assert lines[1]["error"]["stack"].startswith("Traceback")
    assert "Stack (most recent call last)" in lines[2]["attrs"]["stack_info"]


def test_logging_of_broken_records():
    """A record that cannot be formatted is still a line, with what it was to say."""
    lines = run(
        """
        logging.basicConfig(level=logging.INFO)
        start()
        class Nasty:
            def __str__(self): raise RuntimeError("no")
            __repr__ = __str__
        log = logging.getLogger("bot")
        log.info("too few %s %s", 1)
        log.info("too many", 1)
        log.info("%d", "no number " + TOKEN)
        log.info("%s", Nasty())
        log.info(Nasty())
        log.info('{"a": 1} %', {"code": "X"})
        log.info('{"a": 1}', extra={"code": "X"})
        log.info("lone \\udcff surrogate, NUL \\0, line\\u2028break")
        strange = {"msg": "bare", "levelno": 40, "exc_info": ("not", "an", "exception")}
        log.handle(logging.makeLogRecord(strange))
        """
    )

    assert len(lines) == 9
    assert lines[0]["message"].startswith("too few %s %s [arguments do not fit: (1,)")
    assert lines[1]["message"].startswith("too many [arguments do not fit")
    assert "no number 123456:***" in lines[2]["message"]
    assert "cannot be shown" in lines[4]["message"]
    assert lines[5]["message"].startswith('{"a": 1} %')
    assert (lines[6]["message"], lines[6]["attrs"]) == ('{"a": 1}', {"code": "X"})
    assert lines[7]["message"] == "lone \\udcff surrogate, NUL \0, line\u2028break"
    assert lines[8]["message"] == "bare"


def test_logging_levels_filters_and_files_stay(tmp_path):
    """Handlers on standard streams are replaced one by one; a record that meets two of them is one line."""
    file = tmp_path / "bot.log"
    lines = run(
        f"""
        root, named, alone = logging.getLogger(), logging.getLogger("named"), logging.getLogger("alone")
        root.setLevel(logging.DEBUG)
        root.addHandler(logging.FileHandler({str(file)!r}))
        warning = logging.StreamHandler(sys.stderr)
        warning.setLevel(logging.WARNING)
        warning.addFilter(lambda record: "noise" not in record.getMessage())
        root.addHandler(warning)
        named.addHandler(logging.StreamHandler(sys.stdout))
        alone.addHandler(logging.StreamHandler(open(2, "w", closefd=False)))
        alone.propagate = False
        start()
        root.info("below")
        root.warning("root")
        root.warning("noise")
        named.info("named, info")
        named.warning("named, warning")
        alone.info("alone")
        """
    )

    assert messages(lines) == ["root", "named, info", "named, warning", "alone"]
    assert file.read_text() == "below\nroot\nnoise\nnamed, info\nnamed, warning\n"


def test_logging_without_any_set_up():
    """Warnings of an unconfigured process are lines, and a later basicConfig brings no plain text back."""
    lines = run(
        """
        start()
        logging.getLogger("bot").info("below")
        logging.getLogger("bot").warning("from a library")
        logging.warning("calls basicConfig")
        alone = logging.getLogger("alone")
        alone.propagate = False
        alone.error("nobody listens")
        """
    )

    assert messages(lines) == ["from a library", "calls basicConfig", "nobody listens"]


def test_a_bridge_of_the_users_own_gives_one_line():
    """The well-known handler that sends standard logging to loguru stays, and gives each record once."""
    lines = run(
        """
        class Intercept(logging.Handler):
            def emit(self, record):
                logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())
        logging.basicConfig(handlers=[Intercept()], level=logging.INFO)
        start()
        logging.getLogger("bot").info("over the bridge")
        """
    )

    assert messages(lines) == ["over the bridge"]


def test_installed_twice():
    """A second call changes nothing."""
    lines = run('start(); start(); logger.info("a"); logging.error("b"); raise SystemExit(3)', status=3)

    assert messages(lines) == ["a", "b"]


def test_keep():
    """Who wants to keep his own logs keeps them all."""
    out, err = run(
        'logging.basicConfig(); start(keep=True); logging.error("mine"); logger.info("too")', raw=True
    )

    assert out == ""
    assert "ERROR:root:mine" in err
    assert "| INFO" in err


def test_warnings():
    """Python's warnings are lines, unless somebody shows them in his own way."""
    lines = run('start(); warnings.warn("old " + TOKEN, DeprecationWarning)')
    assert "DeprecationWarning: old 123456:***" in lines[0]["message"]
    assert (lines[0]["logger"], lines[0]["level"]) == ("py.warnings", "warning")

    own = 'warnings.showwarning = lambda *args, **kw: print("{}"); start(); warnings.warn("x")'
    assert run(own) == [{}]


def test_uncaught_exception():
    """The process ends with status 1 as ever; what it dies of is one line, redacted, causes included."""
    lines = run(
        """
        start()
        try:
            raise ConnectionError(f"bot{TOKEN}")
        except ConnectionError as cause:
            raise RuntimeError(f"rejected {TOKEN}") from cause
        """,
        status=1,
    )

    assert messages(lines) == ["Uncaught exception: RuntimeError: rejected 123456:***"]
    assert lines[0]["level"] == "critical"
    assert "ConnectionError: bot123456:***" in lines[0]["error"]["stack"]


def test_other_hooks_are_still_told():
    """A hook that somebody set before is called, too; what it prints is not, for that was said."""
    lines = run(
        """
        before = sys.excepthook
        def hook(*args):
            os.write(1, b'{"message": "told"}\\n')
            before(*args)
        sys.excepthook = hook
        start()
        raise ValueError(TOKEN)
        """,
        status=1,
    )

    assert messages(lines) == ["Uncaught exception: ValueError: 123456:***", "told"]


def test_a_threads_exception():
    """What kills a thread is one line with the thread's name; the process goes on. SystemExit is none."""
    lines = run(
        """
        start()
        def work(error):
            raise error
        for error in (ValueError(TOKEN), SystemExit(3)):
            thread = threading.Thread(target=work, args=(error,), name="worker")
            thread.start()
            thread.join()
        logging.error("still here")
        """
    )

    assert messages(lines) == ["Uncaught exception in thread worker: ValueError: 123456:***", "still here"]
    assert "in work" in lines[0]["error"]["stack"]


def test_an_unraisable_exception():
    """What a destructor raises is a line."""
    lines = run(
        """
        start()
        class Nasty:
            def __del__(self):
                raise ValueError(TOKEN)
        Nasty()
        """
    )

    assert lines[0]["error"]["message"] == "123456:***"
    assert "__del__" in lines[0]["message"]


def test_a_lost_task_of_asyncio():
    """The exception of a task that nobody awaited is a line with its traceback."""
    lines = run(
        """
        import gc
        start()
        async def fail():
            raise ValueError(TOKEN)
        async def main():
            task = asyncio.create_task(fail())
            await asyncio.wait([task])
            del task
            gc.collect()
        asyncio.run(main())
        """
    )

    assert "Task exception was never retrieved" in lines[0]["message"]
    assert lines[0]["error"]["message"] == "123456:***"


def test_log_calls_inside_log_calls():
    """A value that logs while it is shown, and a signal handler that logs, cost no line and no deadlock."""
    lines = run(
        """
        import signal
        start()
        class Talkative:
            def __repr__(self):
                logger.info("inner")
                return "talk"
        logger.bind(x=Talkative()).info("outer")
        signal.signal(signal.SIGUSR1, lambda *args: logger.info("signal"))
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGUSR1)
            logger.info("work")
        """
    )

    assert messages(lines)[:2] == ["inner", "outer"]
    assert sorted(messages(lines)[2:]) == ["signal"] * 50 + ["work"] * 50


def test_the_tail_is_never_lost():
    """Lines are written at once: not even os._exit loses the last one."""
    lines = run("start(); [logger.info(str(n)) for n in range(200)]; os._exit(9)", status=9)

    assert messages(lines) == [str(n) for n in range(200)]


def test_a_real_bot_with_a_refused_token():
    """Each request logs the token and PTB puts it into its exception: no line of ours has it."""
    with BotApiServer() as server:
        server.revoke()
        lines = run(
            f"""
            from telegram.ext import Application
            logging.basicConfig(format="%(asctime)s - %(name)s - %(message)s", level=logging.INFO)
            start()
            Application.builder().token(TOKEN).base_url("{server.url}/bot").build().run_polling()
            """,
            status=1,
        )
    by_logger = {line.get("logger"): line for line in lines}

    assert server.token == TOKEN
    assert "/bot123456:***/getMe" in by_logger["httpx"]["message"]
    assert "401 Unauthorized" in by_logger["httpx"]["message"]
    assert "The token `123456:***` was rejected by the server." in by_logger[None]["message"]
    assert by_logger[None]["error"]["type"] == "telegram.error.InvalidToken"
    assert "in run_polling" in by_logger[None]["error"]["stack"]
