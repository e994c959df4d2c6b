"""What platforms, supervisors and viewers put before a program's words is taken off; the words stay."""

from __future__ import annotations

import pytest

from logrules.core.engine import classify
from logrules.core.reading.heads import head, line, plain
from logrules.rules import rulebook

SAID = "ERROR - Conflict: terminated"
PREFIXES = [
    "2026-01-15 08:29:41\tstdout\t",
    "2026-01-15T08:29:41.511636313Z ",
    "Mar 8 12:21:32 PM  ",
    "2026-01-15T08:29:41.511636+00:00 app[worker.1]: ",
    "2026-01-15T08:29:41Z app[80e47d2b4d] dfw [info] ",
    "2026-01-15T08:29:41Z app[80e47d2b4d] dfw [info]",
    "2026-01-15T08:29:41.511 app[80e47d2b4d] dfw [info] ",
    "2026-01-15T08:29:41.511636313Z [err]  ",
    "[err]  ",
    "stderr: ",
    "2026-01-15T08:29:41.511Z 8f2a1b3c-0000-4000-8000-aaaabbbbcccc ",
    "2026-01-15T08:29:41.511636313Z stderr F ",
    "2026-01-15T08:29:41+0000 host bot[17]: ",
    "DEFAULT 2026-01-15T08:29:41.511636Z ",
    "Thu 2026-01-15 08:29:41 UTC host bot[17]: ",
    "Jan 15 08:29:41 host tg@1.service[17]: ",
    "Jan 15 08:29:41.511636 host bot[17]: ",
    "<14>1 2026-01-15T08:29:41Z host bot 17 - - ",
    "bot-1  | ",
    "bot_1  | ",
    "stack_bot.1.abc123@node-1    | ",
    "[pod/bot-7f8d/bot] 2026-01-15T08:29:41.123Z ",
    "0|bot    | ",
    "2026-01-15 08:29 -07:00: ",
    "08:29:41 worker.1 | ",
    "2026-01-15T08:29:41.5116360Z ##[error]",
    "#9 7.312 ",
    "remote: ",
    "Jan 15 08:29:41 host docker[17]: bot-1  | 2026-01-15T08:29:41Z ",
    "2026-01-15T08:29:41.511Z\t",
    "\ufeff",
    "\u200b",
    "\x1b[31m".replace("\x1b", "#033"),
    "[31m[0m",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_is_taken_off(prefix: str) -> None:
    """Each transport's prefix goes, alone and inside another's; nothing of the words does."""
    assert line(f"{prefix}{SAID}\r\n".encode()).text == SAID


@pytest.mark.parametrize("prefix", PREFIXES)
def test_indentation_behind_a_prefix_is_kept(prefix: str) -> None:
    """A stack's frames are told from its last line by their indentation."""
    text = line(f"{prefix}  at main".encode()).text

    assert text.strip() == "at main"
    assert text.startswith(" ") or prefix.endswith("]")


DOCKER = r'{"log":"  File \"bot.py\", line 1\n","stream":"stderr","time":"2026-01-15T08:29:41.000000001Z"}'


def test_a_units_tag_without_its_stamp_is_taken_off() -> None:
    """What people cut out of journalctl, often with the blank that stood before it."""
    assert [line(f"{before}{SAID}".encode()).text for before in ("x-ui[2384]: ", " x-ui[2384]: ")] == [
        SAID
    ] * 2


@pytest.mark.parametrize("program", ["python", "python.exe", "node"])
def test_powershell_names_the_program_before_its_first_complaint(program: str) -> None:
    """What `2>&1` makes of stderr there; a traceback's first line, cut off from its frames, is left alone."""
    assert line(f"{program} : {SAID}".encode()).text == SAID
    assert line(f"{program} : Traceback (most recent call last):".encode()).text.startswith(program)


def test_dockers_own_files_are_read() -> None:
    """A line of the json-file driver is the line that the program wrote, with docker's time."""
    read = line(DOCKER.encode())

    assert read.text == '  File "bot.py", line 1'
    assert read.stamp == "2026-01-15T08:29:41.000000001Z"


@pytest.mark.parametrize(
    "text", ['{"log":"x"}', '{"log":"x","stream":1}', '{"log":"', '{"log":"x","time":"y"}']
)
def test_other_json_is_left_alone(text: str) -> None:
    """Somebody's own key `log` is no docker file."""
    assert line(text.encode()).text == text


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ("      Reason:       OOMKilled", "Reason:       OOMKilled"),
        ("  Warning  BackOff  3m12s (x46 over 13m)  kubelet  Back-off restarting", "Back-off restarting"),
        ("Warning  BackOff  3m (x7 over 13d)  Back-off restarting", "Back-off restarting"),
        ('"Traceback (most recent call last):', "Traceback (most recent call last):"),
        ("2m14s  Warning  BackOff  pod/bot-0  Back-off restarting", "Back-off restarting"),
        ("==>(B Running 'npm start'", "==> Running 'npm start'"),
        ("2026-01-15T08:29:41.52+0200 [App/0]      ERR Timed out", "Timed out"),
        ("    2026-01-15T08:29:41.240597441Z  Timed out", "Timed out"),
        ("    bot002    | Timed out", "Timed out"),
        ("0|bot  | 2026-01-15 08:29:41: TypeError: odd", "TypeError: odd"),
        ("0|bot  | 2026-01-15 08:29:41:     at main (a.js:1:2)", "    at main (a.js:1:2)"),
        ("←[31mTimed out←[0m", "Timed out"),
        ("Jan 15 08:29:41 AM [8xkzq]  Timed out", "Timed out"),
        ("  12  ERROR: Timed out", "ERROR: Timed out"),
        ("[08:29:41] Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("  × Building wheel for x failed", "× Building wheel for x failed"),
        ("[  298.079808] Out of memory: Killed process 1 (bot)", "Out of memory: Killed process 1 (bot)"),
    ],
)
def test_tables_and_residues(seen: str, said: str) -> None:
    """The columns of kubectl, dmesg's clock and what is left of colours are no words."""
    assert line(seen.encode()).text == said


REPORTS = [
    "telegram.error.TimedOut: Timed out",
    "2026-01-15 08:29:41,511 - bot - ERROR - Timed out",
    "Traceback (most recent call last):",
    "ValueError: x",
]


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize(
    "before", ["`", "```", "2026-01-15 08:29:41 ", "2026-01-15 08:29:41\t", "2026-01-15 08:29:41.511 | "]
)
def test_a_report_is_seen_through_what_people_paste_it_into(before: str, report: str) -> None:
    """Markdown around a record that only a program writes, and a viewer's own stamp, are taken off."""
    assert line(f"{before}{report}".encode()).text == report


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize(
    "before",
    ["2026/01/15 08:29:41 ", "15.01.2026 08:29:41 ", "1/15/2026, 8:29:41 AM ", "2026/01/15 08:29:41 | ",
     "2026-01-15 08:29:41.511 - ", "\tLine 3973: ", "bot.log:12:", "logs/bot.log.1:",
     "[web] [2026-01-15 08:29:41] ", "web 2026-01-15T08:29:41.511Z "],
)  # fmt: skip
def test_a_report_is_seen_behind_a_viewers_stamp_or_place(before: str, report: str) -> None:
    """Docker's clocks, Notepad++, grep, DigitalOcean: what follows begins as no person speaks."""
    assert line(f"{before}{report}".encode()).text == report


@pytest.mark.parametrize("said", ["ERROR: Timed out", "[ERROR] Timed out"])
def test_a_viewers_stamp_is_the_time_of_what_has_none(said: str) -> None:
    """It is taken off, and not forgotten."""
    assert line(f"2026-01-15 08:29:41 {said}".encode())[:2] == (said, "2026-01-15 08:29:41")


@pytest.mark.parametrize(
    "quoted", ["(node:7) UnhandledPromiseRejectionWarning: x", "[08:29:41 ERROR]: x", *REPORTS]
)
def test_a_line_that_only_a_program_writes_may_be_quoted(quoted: str) -> None:
    """Markdown's mark goes; an open traceback keeps it, as what follows tells whether it is whole."""
    is_open = quoted.startswith("Traceback")

    assert line(f"> {quoted}".encode()).text == (f"> {quoted}" if is_open else quoted)
    assert line(b"> Timed out").text == "> Timed out"
    assert line(b"> ERROR: Timed out").text == "> ERROR: Timed out"


def test_htmls_letters_are_read() -> None:
    """Logs that were shown in a page, or sent as a message of Telegram's in HTML."""
    assert line(b"Can&#39;t parse &lt;b&gt; &amp; &quot;c&quot;").text == 'Can\'t parse <b> & "c"'


@pytest.mark.parametrize(
    ("seen", "said"),
    [("a\u00a0b", "a b"), ("\n\u00a0\u00a0File", "\n  File"), ("на\u00a0сервере", "на сервере"),
     ("Р\u00a0С‚", "Р\u00a0С‚"), ("\x1b[31ma\x1b[0m\u00a0b", "a b")],
)  # fmt: skip
def test_hard_blanks_are_blanks_where_they_are_no_half_of_a_letter(seen: str, said: str) -> None:
    """Editors and web pages put them; in Cyrillic of a wrong code page they are part of a letter."""
    assert plain(seen.encode()).decode() == said


def test_a_name_that_markdown_has_made_bold_is_a_loggers() -> None:
    """`__main__`, pasted where nothing keeps its underscores."""
    found = head("2026-01-15 08:29:41,511 - **main**:7 - ERROR - Timed out")

    assert found
    assert found.body == "Timed out"


def test_a_level_behind_a_viewers_bar_is_a_loggers() -> None:
    """Docker Desktop parts its clock by a bar, and so does loguru, whose level follows."""
    found = head("2026-01-15 08:29:41.511 |     INFO | bot:run:7 - Timed out")

    assert found
    assert found.level == "info"
    assert (
        line(b'2026-01-15 08:29:41.511 |   File "bot.py", line 1, in run').text
        == '  File "bot.py", line 1, in run'
    )


@pytest.mark.parametrize(
    "pasted", ['`  File "bot.py", line 1, in <module>`', "`    import bot`", "`error: [polling_error] {}`"]
)
def test_lines_that_were_pasted_in_backticks_are_seen_through(pasted: str) -> None:
    """Each line of a traceback on its own, and what Node's clients print."""
    assert line(pasted.encode()).text == pasted[1:]


def test_words_that_anybody_may_say_stay_quoted() -> None:
    """What begins like no record keeps its quotation marks."""
    assert line(b"`Bot stopped`").text == "`Bot stopped`"
    assert line(b"> Bot stopped").text == "> Bot stopped"


def test_richs_columns_are_a_head() -> None:
    """The time stands in a second's first line only; the file at the end tells it from indented prose."""
    found = head("           ERROR    Timed out          client.py:979")

    assert found
    assert found.body.startswith("Timed out")
    assert not head("           ERROR    Timed out")


@pytest.mark.parametrize(
    "before",
    [
        "2026-01-15-08:29:41:WARNING:telethon.network - ",
        "[2026-01-15 08:29:41,511] [WARNING@telethon.7.network] ",
        "bot.main:run:7 - ",
        "2026-01-15 08:29:41,511 [ERROR] (bot.py:7) ",
        "2026-01-15 08:29:41 [FATAL] 2026/01/15 - 08:29:41 | ",
        "Thu 15/01/2026 08:29:41 - bot.main - ERROR - ",
        "[Thu 15/01/2026 08:29:41] ",
        "2026-01-15 08:29:41 - ОШИБКА - ",
        "2026-01-15 08:29:41,511 - INFO - root - MainThread - ",
        "01/15 08:29:41 [ERROR] ",
        "01/15/2026, 08:29:41 || bot [ERROR] - ",
        "2026-01-15 08:29:41 | ERROR    | 76 | main account | ",
        "2026-01-15 08:29:41,511 ERROR base_events.py#1268 ",
        "[Thu Jan 15 08:29:41.961102 2026] [:error] [pid 6] [client 203.0.113.1:332] ",
        "15.01 05:18:03 [Server] WARN 9870 [JDA MainWS-WriteThread] WARN jda.WebSocketClient - ",
        "error    : ",
        "[Thu Jan 15 08:29:41 CET 2026] ERROR ",
        "[Thu Jan 15 08:29:41 CET                              2026] ERROR ",
        "1768465781511 - error: ",
        "WARN [2026-01-15 08:29:41.511 +0000] (24559): ",
        "ERROR [1768465781511] (bot/7 on host): ",
        "[ INFO/2026-01-15 08:29:41,511] telethon.network: ",
        "[2026/01/15 08:29:41|bot.py|ERROR   ]: ",
        "2026-01-15T08:29:41 openhab  [WARN ] [inding.telegram.internal.TelegramHandler] ",
        "[Thu Jan 15 2026 08:29:41 GMT+0000 (UTC)] ERROR ",
        "2026-01-15 08:29:41,511 (__init__.py:1083 Thread-1 (infinity_polling)) ERROR - ",
        "2026-01-15 08:29:41,511 - bot - ERROR - run - 42 - ",
        "2026-01-15 08:29:41,511 bot[7] ERROR ",
        "error: 2026-01-15 08:29:41 ",
        "[info     ] ",
        "[08:29] ERROR ",
        "ERROR > ",
        "✖  error     ",
        "ℹ️  ",
        "[bot] INFO: ",
        "[ERROR bot.py:7] ",
        "2026-01-15 at 08:29:41 | ERROR | ",
        "[bot] [2026-01-15 08:29:41] ",
        "shop-bot: 2026/01/15 08:29:41 ",
        "2026-01-15 08:29:41,511-telethon.network.mtprotosender-WARNING=> [_connect] ",
        "[08:29] ",
        "8:29 AM ",
        "bot.py:7 #ERROR    [2026-01-15 08:29:41,511] - aiogram.dispatcher - ",
        "bot.py[LINE:7]# ERROR    [2026-01-15 08:29:41,511]  ",
        "bot.py     [26.01.15 08:29:41] ERROR   : ",
        "[2026-01-15 08:29:41,511] #ERROR    bot.py:7 - aiogram.dispatcher - ",
        "2026-01-15 08:29:41,511 - [ERROR] - bot.main - (main.py).run(7) - ",
        "bot.py:7 - ERROR - ",
        "ERROR:2026-01-15 08:29:41,511:",
        "2026-01-15 08:29:41,511:bot.main:ERROR:",
        "2026-01-15 08:29:41,511 MainThread ERROR bot.main ",
        "2026-01-15 08:29.41 [error    ] ",
        "[ERROR - 2026-01-15 08:29:41] ",
        "[I 2026-01-15 08:29:41,511 main:7] ",
        "❌ [ERROR] ",
        "base.py             :66              decorator() \t ",
        "[2026-01-15 08:29:41,511] [WARNING@mau.puppet.<one>] ",
        "01/15/26 08:29:41 __main__[7] - ERROR: ",
        "01/15/26 08:29:41 cogs.utility[7] - ERROR: ",
        "bot.py [LINE:7] #ERROR    [2026-01-15 08:29:41,511]  ",
        "2026-01-15 08:29:41;ERROR;",
        "2026-01-15 08:29:41,511 :: bot :: ERROR :: ",
        "2026-01-15 08:29:41 bot ERROR [bot.py:7] ",
        "2026-01-15 08:29:41,511 ERROR (MainThread) ",
        "2026/01/15 08:29:41 ERRO <main.go:7> ",
        "08:29:41.511 [main] ERROR c.e.Bot -- ",
        "[2026-01-15, 08:29:41 UTC] {bot.py:7} ERROR - ",
        "[2026-01-15 08:29:41 ERROR bot.py:7] ",
        "[ERROR|bot.py|L7] 2026-01-15T08:29:41+0000: ",
        "[ERROR] 2026-01-15T08:29:41.511Z 8f2a1b3c-0000-4000-8000-aaaabbbbcccc ",
        "[15/Jan/2026:08:29:41 +0000] ERROR ",
        "E  2026-01-15T08:29:41.511Z ",
        "[error] 08:29:41.511 ",
        "host.pi 2026-01-15 08:29:41.511 error ",
        "260115 08:29:41 ERROR ",
        "2026年01月15日 08:29:41 ERROR ",
        "2026-01-15T08:29:41.511Z telegraf:client ",
        "2026-01-15 08:29:41: pid 5503: ERROR:  ",
        "ERROR\tbot/bot.go:105\t",
        "2026-01-15 08:29:41.784: psql pid 142: WARNING:  ",
        "2026-01-15 08:29:41.511636 E | etcdmain: ",
        "2026-01-15 08:29:41.511636 I leaderelection.go:233] ",
        "Thu, 15 Jan 2026 08:29:41 GMT node-telegram-bot-api:polling ",
    ],
)
def test_the_heads_of_odd_formats_are_known(before: str) -> None:
    """Hyphens and week days in dates, a logger behind `@`, two stamps, a file, a thread's function."""
    found = head(f"{before}Timed out")

    assert found
    assert found.body == "Timed out"


@pytest.mark.parametrize(
    "line",
    [
        "bob[7]: Conflict: terminated by other getUpdates request",
        "bob:x Conflict: terminated by other getUpdates request +3ms",
        "bob: 2026/01/15 08:29:41 Conflict: terminated by other getUpdates request",
        "[bob] 2026/01/15 08:29:41 Conflict: terminated by other getUpdates request",
        "[08:29] bob: Conflict: terminated by other getUpdates request",
        "2026-01-15T08:29:41Z error:bob Conflict: terminated by other getUpdates request",
    ],
)
def test_what_somebody_says_behind_his_name_has_no_head(line: str) -> None:
    """A name before people's words is no process, no logger and no prefix, whatever they write."""
    assert classify(rulebook(), line) == []


@pytest.mark.parametrize("channel", ["local", "production", "request", "bot_log"])
def test_monologs_channel_is_no_class(channel: str) -> None:
    """`local.INFO: ` looks like a module's class, before which a viewer might have put its clock."""
    found = head(line(f"[2026-01-15 08:29:41] {channel}.INFO: Forbidden: odd".encode()).text)

    assert found is not None
    assert (found.level, found.body) == ("info", "Forbidden: odd")
