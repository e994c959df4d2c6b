"""What stands before the words of a line: transport prefixes, colours, time stamps, levels, loggers.

Every shape in here was seen in a log; none of it knows what any message means.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import msgspec

from logrules.core.model import Severity
from logrules.core.reading import mojibake
from logrules.core.reading.dispatch import Chooser, Shape, chooser

_LEVELS = {
    Severity.DEBUG: "TRACE DEBUG VERBOSE SILLY TRC DBG DEBU TRAC",
    Severity.INFO: "INFO INFORMATION NOTICE SUCCESS LOG INF ИНФО INFOS 信息",
    Severity.WARNING: "WARN WARNING WRN ПРЕДУПРЕЖДЕНИЕ 警告",
    Severity.ERROR: "ERROR ERR ERRO SEVERE EXCEPTION ОШИБКА 严重",
    Severity.CRITICAL: "CRITICAL CRIT FATAL PANIC ALERT EMERG EMERGENCY FATA FTL PNC PANI",
}
_SEVERITY = {word: severity for severity, words in _LEVELS.items() for word in words.split()}
LEVELS = frozenset(_SEVERITY)
"""Loggers' words for a severity, in capitals."""
_KLOG = {"D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR", "C": "CRITICAL", "F": "FATAL", "ℹ": "INFO"}
_DOTNET = {
    "trce": "TRACE",
    "dbug": "DEBUG",
    "info": "INFO",
    "warn": "WARN",
    "fail": "ERROR",
    "crit": "CRITICAL",
}
_NUMBERS = ((50, Severity.CRITICAL), (40, Severity.ERROR), (30, Severity.WARNING), (20, Severity.INFO))
_PINO = {
    60: Severity.CRITICAL,
    50: Severity.ERROR,
    40: Severity.WARNING,
    30: Severity.INFO,
    20: Severity.DEBUG,
}
_SYSLOG = (
    *(Severity.CRITICAL, Severity.CRITICAL, Severity.CRITICAL, Severity.ERROR),
    *(Severity.WARNING, Severity.INFO, Severity.INFO, Severity.DEBUG),
)

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\n]{0,200}\x07|[()][AB012]|[=>78])")
"""Colours, cursor moves, titles and character sets: nothing that a message means."""

_HARD_BLANKS = re.compile(rb"(?:(?<![\x80-\xff])|(?<=\xd0[\xb0-\xbf])|(?<=\xd1[\x80-\x8f]))(?:\xc2\xa0)+")
"""Blanks that editors and web pages put for plain ones; not what may be half of a letter (`mojibake`)."""

_UNSEEN = "\ufeff\u200b\u200e\u200f\u2060"
"""Marks without a width, which come along with what is copied from a page or a chat."""

_ENTITY = re.compile("&(?:(quot|#34)|(apos|#0?39|#x27)|(lt)|(gt)|(amp));")
"""What HTML writes for letters of its own."""

_RESIDUE = re.compile(
    r"(?:#\d{3}|\\x\db|\\\d{3}|\\u\d{3}b|\^\[|[\u241b\ufffd\u2190])?\[\d{1,3}(?:;\d{1,3}){0,5}m|(?<===>)\(B"
)
"""What is left of colours where a viewer dropped or spelled out the escape."""

_CODE = re.compile(r"\[\d{1,3}(?:;\d{1,3}){0,5}m")
"""What none of it is without; found ten times as fast."""

_ZONE = "(?:UTC|GMT|MSK|CES?T|EES?T|[ECMP][SD]T|IST|JST|KST|WIB|BRT)"
_STAMP = (
    r"""(?>
    \d{4}[-/.]\d\d?[-/.]\d\d?(?:[T\ _-]|\ \ (?=\d:)|\ -\ |,\ |\ at\ )
      \d\d?:\d\d:\d\d(?:[.,]\d{1,9})?(?:\ [AP]M)?
      (?:\ ?(?:Z|"""
    + _ZONE
    + r"""(?:[+-]\d\d:?\d\d)?|[+-]\d\d:?\d\d|(?:[A-Z]{3,4}|[+-]\d\d)(?=\ \[\d)))?
  | (?:[A-Z][a-z]{2},?\ )?\d\d?[-/.]\d\d?[-/.]\d{2,4},?\ \d\d?:\d\d:\d\d(?:[.,]\d+)?(?:\ [AP]M)?
  | \d\d?[-\ /][A-Z][a-z]{2}[-\ /]\d{2,4}(?:,?\ |:)\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\ [+-]\d{4}(?=\]))?
  | \d\d[-./]\d\d\ \d\d:\d\d:\d\d(?:[.,]\d+)?
  | \d{4}-\d\d-\d\d\ \d\d:\d\d\.\d\d(?=\ \[)                             # structlog's old form
  | (?:\d{8}[\ _T-]|\d{6}\ |\d{4}年\d\d?月\d\d?日\ ?)\d\d:\d\d:\d\d(?:[.,]\d{1,9})?
  | [A-Z][a-z]{2,5}day,\ [A-Z][a-z]{2,8}\ \d\d?,\ \d{4}\ \d\d?:\d\d:\d\d\ [AP]M
  | \d{4}-[A-Z][a-z]{2}-\d\d\ \d\d:\d\d:\d\d(?:[.,]\d{1,9})?               # Coolify
  | [A-Z][a-z]{2}(?:\ {1,2}|-)\d{1,2}\ \d\d:\d\d:\d\d(?:\.\d{1,9})?
  | \d{1,2}\ [A-Z][a-z]{2}\ \d\d:\d\d:\d\d                              # Node-RED
  # ctime, JavaScript's Date, HTTP's
  | [A-Z][a-z]{2},?\ (?:[A-Z][a-z]{2}\ {1,2}\d{1,2}|\d{1,2}\ [A-Z][a-z]{2})(?:\ \d{4})?\ \d\d:\d\d:\d\d
      (?:\ """
    + _ZONE
    + r"""(?![+-]))?(?:\ {1,160}\d{4})?(?:\ (?:(?:GMT|UTC)(?:[+-]\d{4})?|[+-]\d{4}))?(?:\ \([^()\n]{1,60}\))?
  | \d\d?:\d\d:\d\d\ [AP]M
  | \d\d:\d\d:\d\d(?:[.,]\d+Z?)?
)"""
)
_RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_LEVEL = "(?:" + "|".join(sorted(_SEVERITY, key=len, reverse=True)) + r")(?![A-Za-z0-9_])"
_ANY_LEVEL = rf"(?:{_LEVEL}|(?i:{_LEVEL})(?=\ *[\])>]|(?:\ \[[\w./-]{{1,40}}\])?:\ ))"
"""Behind a time stamp small letters are a level too, if a bracket or a colon closes them."""

_FLY = r"[a-z][\w-]*\ ?\[[\w.-]+\]\ [a-z]{3}\ \[\w+\]:?\ ?"
_EVENT = r"(?:Warning|Normal)\ +[A-Z]\w+"
_AGE = r"\d\w*(?:\ \(x\d+\ over\ \w+\))?"
_REPORT = r"""(?:
    \[?\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d | Traceback\ \(most\ recent\ call | (?:[a-z_]\w*\.)+[A-Z]\w*:\ \S
  | [A-Z]\w*(?:Error|Exception):\ \S
)"""
"""How a line begins that only a program writes: a stamp, a traceback, an exception's class."""
_BLOCK = rf"""(?:
    \[?\d{{4}}[-/.]\d\d[-/.]\d\d[T\ ]\d\d:\d\d | \[?\d\d[-/.]\d\d[-/.]\d{{2,4}},?\ \d\d:\d\d:\d\d
  | \[?\d\d:\d\d:\d\d(?:[,.]\d{{1,6}})?(?:\]|\ [|\[-]|\ {_LEVEL})
  | (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\ [A-Z\d][\w\ ]{{2,6}}\ \d
  | [^\W\d_]{{3,5}}\.?\ [\d\ ]\d\ \d\d:\d\d:\d\d\ \S | [DIWEF]\d{{4}}\ \d\d:\d\d:\d\d\.\d | time="?\d{{4}}
  | \[{_LEVEL}\] | {_LEVEL}(?::[\w.]{{1,60}}:|\ -\ ) | (?<!\ {{5}}){_LEVEL}:[ ]
  | [\w.]{{3,60}}\ -\ {_LEVEL}\ -[ ] | \{{"(?:level|time|ok|ts|timestamp|name|msg|message|severity)":\ ?["\df]
  | [a-z][\w.-]{{0,40}}[\d\ ]\ *\|[ ] | \d+\|[\w.-]{{1,60}}\ *\|[ ] | level="?[A-Za-z]{{4,8}}\b
)"""
"""How a logger's line begins where it is shown as a block, hence with a margin."""
_DEBUGS = (
    r"(?!(?:trace|debug|info|notice|warn|warning|error|err|fatal|critical):)"
    r"(?>[a-z][\w-]{1,40}+(?::[a-z*][\w*-]{0,40}+){1,4})\ (?=\S)"
)
"""What Node's debug calls him who speaks."""
_TRANSPORT = Shape(
    rf"""
    (?P<margin>\ {{1,16}}|\t{{1,2}})(?={_BLOCK})                          # a block, as Markdown shows it
  | (?P<stamp>{_RFC3339})(?!\ -\ (?:[\w.$/-]{{1,80}}\ -\ )?{_ANY_LEVEL}\b)(?!\ {_DEBUGS})  # no logger's own
      (?:\t(?![\da-f-]{{36}}\t)(?=\S|\ {{2,40}}\S)                      # CloudWatch
        |\ (?:\ +(?={_LEVEL}\ )|\ (?=\S))?|$)                           # Render, docker -t
      (?: (?:stdout|stderr)\ [FP]\                                    # CRI
        | [a-z][\w-]*\[[\w.-]+\]:(?:\ |$)                             # Heroku
        | {_FLY}                                                       # Fly.io
        | \ ?\[(?:inf|err|wrn|dbg)\](?:\ {{1,2}}|$)                     # Railway, where [err] is only stderr
        | \[[A-Z]\w*(?:/[\w.-]{{1,40}}){{1,4}}\]\ +(?:OUT|ERR)(?:\ |$)      # Cloud Foundry
        | [0-9a-f]{{8}}-[0-9a-f-]{{27}}\                                # AWS Lambda
        | [\w.-]+\ (?:[\w./@-]+\[\d+\]|kernel):\                       # journald, short-iso; rsyslog
      )?
  | (?P<local>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)\ {_FLY}       # Fly.io's command line
  | [A-Z][a-z]{{2}}\ {{1,2}}\d{{1,2}}\ \d\d:\d\d:\d\d\ [AP]M\ {{1,2}}(?:\[[a-z\d]{{5}}\]\ {{1,2}})? # Render's
  | (?: (?:<\d+>)?(?:[^\W\d_]{{3,5}}\.?|\d{{1,2}}月)\ [\d ]\d\ \d\d:\d\d:\d\d(?:\.\d{{6}})? # syslog, journald
      | [A-Z][a-z]{{2}}\ \d{{4}}-\d\d-\d\d\ \d\d:\d\d:\d\d\ [A-Z]+      # …, short-full
    )\ (?:[\w.-]+\ [\w./@-]+(?:\[\d+\])?|[\w./@-]+\[\d{{1,7}}\]):[ ](?:[ ](?=\())?
  | \ ?(?:systemd|dockerd|kernel)(?:\[\d+\])?:\                     # …, what people leave of it
  | \[\ *\d+\.\d{{6}}\]\ ?                                          # dmesg
  | <\d+>\d\ (?P<syslog>\S+)\ \S+\ \S+\ \S+\ \S+\ (?:-|(?:\[[^\]]*\])+)\                   # RFC 5424
  | (?:(?:app|heroku)?\[[a-z]+\.\d+\]|heroku\[router\]):(?:\ |$)      # Heroku, its stamp cut off
  | \[(?:inf|err|wrn|dbg)\]\ {{1,2}}(?=\S|\ {{2,40}}\S)              # Railway, likewise
  | \ ?(?:python[\d.]*|node|java|php|ruby|bot|[a-z]\w*-bot|x-ui|gunicorn|uvicorn)\[\d{{1,7}}\]:\ (?=\S)
  | heroku\ [a-z]+\.\d+\ -\ -\                                      # Heroku, as Papertrail shows it
  | container@pterodactyl~\                                         # Pterodactyl's panel
  | [@\w/-]{{1,60}}:(?:dev|start|serve|build|worker):\ (?=\S)        # Turborepo
  | DEFAULT\ {_RFC3339}\ (?=\S|\ {{2,40}}\S)                          # Google Cloud, its console copied
  | [\w./-]{{1,100}}\.log(?:\.\d{{1,3}})?:(?=[A-Z][a-z]{{2}}\ [\d ]\d\ )        # grep's name of the file
  | \ {{1,4}}(?=[\u2600-\u2712\u2728-\u275e\u2b50\u2b55\U0001f300-\U0001faff])   # no code begins so
  | \ +(?=\(node:\d+\)\ [\[A-Z]|{_RFC3339}\ )                       # pasted with a margin: Node's, Render's
  | \ (?=panic:\ [a-z])                                             # …, Go's
  | [IWE]\d{{8}}-\d\d:\d\d:\d\d\.\d{{3}}\(-?\d+\)\?\ (?:\(STD(?:ERR|OUT)\)\ )?  # Meteor
  | (?:\^C)+(?=\S)                                                  # what a terminal echoes
  | (?:python|node)(?:\.exe)?\ :\ (?!Traceback)(?=\S)                 # PowerShell, before a program's stderr
  | (?:[\w@:~/.-]{{1,60}}\ ?\#|[\w@:~/.-]{{0,60}}\ ?\$)\ (?=Traceback\ \(most|PHP\ Fatal\ )    # its prompt
  | \d{{4}}-\d\d-\d\d[T\ ]\d\d:\d\d(?::\d\d)?(?:\.\d{{1,3}})?\ ?[+-]\d\d:\d\d:\   # pm2's own form
  | \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d:\                              # …, with --time
  | \d\d:\d\d:\d\d\.\d{{3}}\ \|\ (?=npm\ (?:error|ERR!)\ )            # Cloudflare's builds
  | (?P<viewer>\d{{4}}-(?:\d\d|[A-Z][a-z]{{2}})-\d\d\ \d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?(?:\ {_ZONE})?)
    (?::?\ |\ \|\ )(?={_REPORT}|\ \ (?!\ *{_LEVEL})|(?<!\|\ )[a-z][\w.-]{{1,40}}\ +\|\ )  # Docker, pm2 …
  | \ {{1,12}}[┃║]\ +(?=\S)                                           # a box around a bot's start
  | \ {{4}}(?=thread\ '\w+'\ panicked\ at\ )
  | \ {{2,16}}(?=[a-z][\w.-]{{0,40}}(?:\d\ +|\ {{2}}\ *)\|\ )              # compose's, with a margin
  | (?:\[(?:stderr|stdout)\]|(?:stderr|stdout|STDERR|STDOUT)(?:\ \||:))\ (?=\S|\ {{2,40}}\S)
  | \[\ +script:[\w-]{{1,40}}\]\                                   # FiveM
  | \[\d\d:\d\d:\d\d\]\ \[[^\]\n]{{1,60}}/INFO\]\ \[STD(?:ERR|OUT)[^\]\n]{{0,40}}\]:\ (?:\[[\w.$]{{5,160}}
    :\w{{1,40}}:\d{{1,5}}\]:\ )?                                      # Minecraft, what a plugin prints
  | \ {{2,16}}(?=[\w:.-]{{2,80}}\ {{2,40}}FATAL\ {{2,9}}Exited\ too\ )  # supervisorctl, pasted
  | \ +(?=WARNING:\ Retrying\ \(Retry\(total=)                       # pip's, pasted with a margin
  | \d{{4}}[/-]\d\d[/-]\d\d\ \d\d:\d\d:\d\d(?:\ \|\ |\t)(?:stdout|stderr)(?:\ \|(?:\ |$)|\t)    # Synology
  | remote:(?:\ |$)                                                 # git push, what the other side says
  | \ ?!\ {{1,8}}(?=\S)                                             # Heroku's build, where it is unhappy
  | \ {{5,}}(?=ERROR:\ |error:\ [a-z]+-|https://\S+\ deployed\ to)   # …, and what runs in it
  | \#\d+\ (?:\d+\.\d+(?:\ |$)|(?=ERROR:\ ))                       # docker build
  | \d+\.\d{{3}}\ (?=ERROR:\ |error:\ |E:\ )|\ (?==>\ ERROR\ )           # …, its summary
  | \ \ (?=×\ [A-Z])                                                  # uv, pip's rich errors
  | \ (?=ERR_PNPM_|ELIFECYCLE)|\ +(?=Active:\ (?:failed|activating|inactive)\ )    # pnpm; systemctl status
  | \#\#\[(?:error|warning|notice|debug|section|command)\]         # GitHub Actions, Azure Pipelines
  | \[pod/[\w.-]+/[\w.-]+\]\                                       # kubectl logs --prefix
  | [a-z][\w.-]{{1,60}}-[0-9a-f]{{5,10}}-[a-z0-9]{{5}}\ [a-z][\w.-]{{1,40}}\ (?=\S)   # stern
  | [a-z][\w-]{{1,40}}\ (?={_RFC3339}\ (?:{_REPORT}|{_BLOCK}|\ \ ))     # DigitalOcean's download
  | \[[a-z][\w-]{{1,40}}\]\ \[\d{{4}}-\d\d-\d\d\ \d\d:\d\d:\d\d\]\ (?={_REPORT}|{_BLOCK}|\ \ )  # …, console
  | \[\d\]\ (?=\(node:\d+\)\ |Error:\ \S|{_REPORT})                  # concurrently
  | \ *{_EVENT}\ {{2,}}(?=Error\ syncing\ pod)                        # …, as old ones told it
  | \ *{_EVENT}\ +{_AGE}\ +(?:[a-z][\w.-]*(?:,\ [\w.-]+)?\ +)?       # kubectl describe, its events
  | {_AGE}\ +{_EVENT}\ +[a-z]+/[\w.-]+\ +                           # kubectl get events
  | \ +(?=(?:State|Last\ State|Reason|Exit\ Code):\ +\S)            # kubectl describe, its states
  | \ +(?="(?:OOMKilled|ExitCode)":\ )                             # docker inspect
  | \d+\|[\w.-]+\ *\|\                                              # pm2
  | \[Nest\]\ \d+\ +-\                                            # NestJS
  | \d{{1,2}}\ [A-Z][a-z]{{2}},\ \d\d:\d\d:\d\d\.\d{{3}}\ \|\              # Okteto
  | (?:\d\d:\d\d:\d\d\ )?[a-z][\w-]*\.\d+\ *\|\                     # foreman, honcho
  | (?!{_LEVEL})[a-z][\w.@-]*\ *\|(?:\ |$)                           # docker compose, docker service
  | \[(?!{_LEVEL})[\w.:-]{{1,40}}\]\ +\|(?:\ |$)                     # …, and those who write it their own way
    """,
    re.VERBOSE,
)
_MARKED = Shape(
    rf"""
    `{{1,3}}\ ?(?={_REPORT}|(?:Error|Exception):\ [^`\n]{{1,400}}$     # Markdown around a whole record
        |[\w@-]{{1,60}}\.service:\ |(?:level|time|ts)=\S{{1,40}}\ [a-z]{{1,20}}=)
  | "(?=Traceback\ \(most\ recent\ call\ last\):\ $)                  # …, quotation marks around many lines
  | \*\*(?={_REPORT}|{_BLOCK}|[A-Z][a-z]{{2}}\ {{1,2}}\d{{1,2}}\ \d\d:)  # …, in bold
  | "(?={_REPORT}|{_BLOCK})(?=[^\n]{{8,4000}}[^"',\]}})\\]\ $)     # …, quotation marks around many lines
  | `(?=\ \ File\ "|\ {{4}}\S[^\n]*`\ $)                              # …, around tracebacks or their lines
  | `{{3}}(?=[^`\s][^\n]{{8,4000}}$)                                      # …, a block of Markdown's
  | `{{1,3}}(?=[^`\n]{{8,4000}}$)                                        # …, its end on a line that follows
  | `(?=(?:[A-Za-z]:\\|/)[^\n:`]{{1,300}}\.[cm]?[jt]s:\d{{1,6}}\ $)       # …, what Node shows before an error
  | `(?=[A-Z]\w{{1,40}}(?:\\{{1,2}}\w{{1,60}}){{1,8}}Exception:\ \S       # …, PHP's exceptions and errors
        |PHP\ (?:(?:Catchable\ |Recoverable\ )?[Ff]atal|Parse)\ error:\ \S)
  | ['"](?=(?:[A-Z][a-z]{{2}}\ ){{2}}\d\d\ \d{{4}}\ [\d:]{{8}}\ GMT[+-]\d{{4}}\ \([^()]{{1,60}}\):\ Error:\ )
  | `(?=error:\ (?:\(node:\d|\[(?:polling|webhook)_error\]))            # …, around what Node printed
  | >\ ?(?!Traceback|{_LEVEL}:\ )(?={_REPORT}|{_BLOCK}|\(node:\d|\[\d\d:\d\d:\d\d\ )    # Markdown's quotation
  | [|│]\ (?=\[?\d{{4}}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d|\[{_LEVEL}\]\ )   # a table's first column; a box
  | >\ (?: (?=\ \ File\ "|During\ handling\ of\ the|The\ above\ exception\ was)|$  # …, before a traceback
        | (?=\ {{4}}\ *(?!error:\ |https://|at\ )[a-z_~^()\[\]{{}}@*]) )
  | │\ (?=\[?\d{{4}}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d)                       # a terminal's frame
  | >\ (?=[\w@.:-]{{1,60}}\.service:\ )
  | │\ (?=[\w.@/-]{{1,60}}\ +│\ [^\n]{{9,200}}│\ errored\ )           # pm2's table
    """,
    re.VERBOSE,
)
"""What Markdown, quotation marks and boxes put around what a program wrote."""
_DAY = r"(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d?[-/.]\d\d?[-/.]\d{4},?)[T\ ]"
_VIEWED = Shape(
    rf"""(?> (?P<shown>{_DAY}\d\d?:\d\d:\d\d(?:[.,]\d{{1,6}})?)\ [-|]\ (?={_REPORT})
      | \[?(?P<viewer>(?:{_DAY})?\d\d?:\d\d(?::\d\d(?:[.,]\d{{1,6}})?)?(?:\ [AP]M)?)\]?:?[ \t]
      | \ {{0,5}}\d{{1,5}}(?::\ ?|\ {{1,3}}|\t|\ \|\ )             # an editor's numbers, grep's
      | [\w./\\-]{{1,100}}\.(?:log|txt|out)(?:\.\d{{1,3}})?:(?:\d{{1,7}}:)?\ ?   # …, with the file's name
      | \s{{0,8}}Line\ \d{{1,7}}:\ )                                    # Notepad++'s
    (?![a-z][\w-]{{0,40}}\.(?:DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY):)  # Monolog's channel
    (?={_REPORT}|{_BLOCK})""",
    re.VERBOSE,
)
"""What viewers put before lines that begin as only programs' do."""
_DOCKER = '{"log":"'
_FIELDS = ("level=", "time=", "ts=")
"""How logfmt begins, of which the last value must end with the line."""
_DEEPEST = 4
"""Prefixes within prefixes: GitHub's, around docker's, inside compose's, inside journald's."""

# What may repeat gives nothing back (`*+`, `(?>…)`): blanks or digits must not be read in every way.
_SEP = r"\ *+[-|:;\u2014]*+\ *+"
_MID = rf"""(?>
      \[[^\[\]{{}}'"\n]{{1,80}}\] | \([^()\n]{{1,80}}(?:\([^()\n]{{1,40}}\))?\) | \{{[^{{}}\n]{{1,160}}\}}
      | [\w.$/@:<>*-]{{1,80}}(?=\ +(?:[-|\u2014]|::)\ )
      | [\w.-]{{1,40}}(?=\ {_LEVEL}\ +\[[\w./-]{{1,60}}:\d{{1,6}}\])
      | \w{{1,40}}(?=\ \[{_LEVEL}\]\ -\ ) | (?:\w+\.)+\w+ | \w+@\w+
      | -[\w.]+-? | p?\d+ | [a-z_][\w-]{{0,40}}\[\d{{1,9}}\]
      | [\w.-]{{1,60}}(?=:{_LEVEL}:) | (?:Main|Dummy-|Thread-)[\w-]{{1,20}}(?=\ {_LEVEL}\ )
      | [a-z]\w{{1,20}}=[^\s\]]{{1,60}}(?=\ )
    ){_SEP}"""
_RAISED = r"""[\w.]{1,80}\.(?:(?:errors?|\w*exceptions?|exc)(?:\.\w+){1,3}|\w*(?:
    Exception|Error|Timeout|Failure|Refused|Closed|Required|NotFound|Forbidden|Conflict|TimedOut|Interrupt|Exit))"""
"""An exception's class with its module, which is no logger's name."""
_TELLING = (
    r"(?:-?\d{3}\ [A-Z]|(?:Errno|WinError|SSL:)\ "
    r"|(?:LOCK|LEADER|SINGLETON|INSTANCE|STATE_SYNC|PASSIVE)[A-Z_\ -]{0,20}+\])"
)
"""Brackets that are part of what is said: a number and its meaning; whose lock it is."""
_AFTER = (
    r"""
    (?:\d{4}[-/]\d\d[-/]\d\d\ (?:-\ )?\d\d:\d\d:\d\d\ [|-]\ )?
    (?:(?:[A-Z][\w-]{2,40}\ ::\ )(?:\[[0-9a-f]{7}\]\ )?)?(?:request_id=\S{1,60}\ +)?
    (?:\([\w.-]{1,60}\.\w{2}:\d{1,6}\)\ +)?
    (?:in\ [\w.]{1,60}:\ +)?(?:\((?:MainThread\)\ +|[\w-]{1,40}\)\ +(?=\[)))?
    (?:<[\w./-]{1,80}\.go:\d{1,6}>\ )?
    (?:(?:[\w.]{1,80}\ )?\([\w.<>]{1,80};\ [\w.]{1,80}:\d+\)\s*)?
    (?:\[(?!"""
    + _TELLING
    + r""")[^\[\]{}'"\n]{0,80}\]\ *+[-:|]*+\ *+(?=\S)){0,2}
    (?:(?:(?:(?:Main)?Thread(?:-\d{1,6})?|[a-z_]\w{0,40})\ +)?
      [\w./-]{1,80}\.(?:py|js|ts|go|rs|rb|php|kt|java|cs)[:\#]\d{1,6}
      \ +(?:[-|]\ +)?(?=\S))?
    (?: (?:[\w.<>$]+:){1,2}\d+\ +[-|\u2014]\ + | (?<=:)[\w.-]+:(?:[a-z][\w-]{0,30}:(?=[A-Z]))?(?=\S)
      | TeleBot:\ "
      | \d{1,5}\ ++\|\ ++[^|\n]{1,40}?\ ++\|\ ++(?:[\w.$/-]{1,60}\ ++\|\ ++)?
      | (?:[\w.$/-]+(?:\ -\ [\w.-]+)?\ +\|\ +){1,3} | [\w.$/-]{1,60}\ ->\ +(?=[^\s\d])(?!HTTP)
      | (?<=\ :\ )[a-z_][\w.-]{0,60}\ :\ ++
      | (?:[\w.$/-]+|<module>)\ {1,40}--?\ +
        (?:(?:(?:Main|Dummy-|Thread)[\w-]{0,40}|\d{1,6}|[a-z_]\w{0,40})\ -\ +){0,2}
      | (?!"""
    + _RAISED
    + r""":)(?:[A-Za-z_]\w*\.)+\w+:?\ ++(?!\w{1,30}=)
      | (?<=\ \ )[a-z_][\w-]{0,30}(?:\ (?=[A-Z])|\ {2,}(?=\S)) )?
    (?:\([\w.-]{1,60}\.py\)\.[\w<>]{1,60}\(\d{1,6}\)\ -\ )?
    (?: \[(?!"""
    + _TELLING
    + r""")[^\[\]{}'"\n]{0,80}\]\ *+[-:|]*+\ *+(?=\S)
      | -\ [|-]\ ++ | :\ ++ ){0,2}(?:(?:->|>{1,3}|»|›|→|=>|\|)\ +)?"""
)

_SIGN = r"[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff]\ufe0f?"
_SOURCE = r"[\w./-]{1,80}\.(?:py|js|ts|go|rs|rb|php|kt|java|cs):\d{1,6}"

_HEADS = tuple(
    Shape(head, re.VERBOSE)
    for head in (
        rf"""(?:(?P<stamp>{_STAMP})\ +)?(?P<level>{_LEVEL})\ +\d+\ ---\ (?:\[[^\]\n]{{0,80}}\]\ ?){{1,3}}
        [\w.$\[\]/-]+\ *:\ """,  # Spring
        # Minecraft, in which bots live as plugins.
        rf"\[(?P<stamp>{_STAMP})\]\ \[[^\]/\n]{{1,60}}/(?P<level>{_LEVEL})\](?:\ \[[\w.$/-]{{1,60}}/?\])?:\ "
        + _AFTER,
        rf"\[(?P<stamp>{_STAMP})[^\]\n]{{0,12}}\]\ [\w-]{{1,40}}\.(?P<level>{_LEVEL}):\ ",  # Monolog
        rf"(?P<stamp>{_STAMP})-[\w.]{{1,80}}-(?P<level>{_LEVEL})=>\ (?:\[\w{{1,60}}\]\ )?",  # QingLong's bots
        # Red, version 2; Android
        rf"""\[\d\d/\d\d/\d{{4}}\ \d\d:\d\d\]\ (?P<level>{_LEVEL})\ [\w.<>]{{1,60}}\ [\w.<>]{{1,60}}
        \ \d{{1,5}}:\ """,
        r"""(?P<stamp>\d\d-\d\d\ \d\d:\d\d:\d\d\.\d{3})\ +\d{1,6}\ +\d{1,6}\ (?P<klog>[DIWEF])\ [\w.$/-]{1,40}
        \ *:\ """,
        rf"""\[(?P<stamp>[A-Z][a-z]{{2}}\ {{1,2}}\d{{1,2}},\ \d{{4}}\ \d\d:\d\d:\d\d)\]\ \[[^\]\n]{{1,80}}/
        (?P<level>{_LEVEL})\]\ """,  # mautrix
        rf"\[(?P<level>{_LEVEL})\ :\ [\w\ -]{{1,40}}\ @\ (?P<stamp>{_STAMP})\]\ ",  # discordrb
        rf"\[(?P<stamp>{_STAMP})\|[\w.-]{{1,60}}\|(?P<level>{_LEVEL})\ *\]:?\ ",
        rf"\[\ (?:(?P<klog>[DIWEC])|N)\ (?P<stamp>{_STAMP})\ \d+/\w+\ [\w./]{{1,80}}:\d+\ \]:\ ",  # Passenger
        rf"""(?P<stamp>{_STAMP})\ [\w.-]{{1,60}}\ {{1,4}}\[(?P<level>{_LEVEL})\ *\]\ \[[\w.]{{3,60}}\][ ]
        (?:-\ )?""",  # openHAB, behind its host's name
        rf"\[\ {{0,3}}(?P<level>{_LEVEL})/(?P<stamp>{_STAMP})\]\ (?:[\w.-]{{1,80}}:\ )?{_AFTER}",  # Telethon
        rf"""(?:(?P<stamp>{_STAMP})\ +)?(?P<dotnet>trce|dbug|info|warn|fail|crit):\ [\w.]{{1,120}}
        \[\d{{1,9}}\]\ *""",  # .NET's console
        rf"(?P<stamp>{_STAMP})\|(?P<level>(?i:{_LEVEL}))\|[\w.+`<>]{{1,120}}\|\ *",  # NLog, websocket-sharp
        # pino-pretty, bunyan
        rf"""\[(?P<stamp>{_STAMP})\]\ (?P<level>{_LEVEL}):?\ (?:
          \((?:[\w./@-]{{1,80}}/)?\d{{1,9}}(?:\ on\ [\w.-]{{1,80}})?\)
        | [\w./@-]{{1,80}}/\d{{1,9}}\ on\ [\w.-]{{1,80}}(?:\ \([^()\n]{{1,80}}\))?):\ +""",
        rf"""(?P<level>{_LEVEL})\ {{1,2}}\[(?:\d{{13}}|(?P<stamp>{_STAMP}))\]\ \(
        (?:[\w./@-]{{1,80}}/)?\d{{1,9}}(?:\ on\ [\w.-]{{1,80}})?\):\ +""",  # …, the level first
        rf"(?P<level>{_LEVEL})\ (?P<stamp>{_STAMP})\ [\w.]{{1,60}}\ \d{{1,9}}\ \d{{1,20}}\ ",  # Django
        rf"(?P<level>{_LEVEL})\t[\w./@-]{{1,80}}\.go:\d{{1,6}}\t",  # zap, its stamp cut off
        rf"""(?P<stamp>{_STAMP})\ (?:(?P<klog>[DIWEC])|N)\ (?:\|\ (?:[\w./-]{{1,60}}:\ )?
        |[\w./-]{{1,80}}\.go:\d{{1,6}}\]\ )""",  # etcd's capnslog; glog, as Kubernetes had it
        rf"(?P<stamp>{_STAMP}):\ (?:[\w\ /.-]{{1,40}}\ )?pid\ \d{{1,9}}:\ (?P<level>{_LEVEL}):\ +",  # Pgpool
        # coloredlogs
        rf"(?P<stamp>{_STAMP})\ [\w.-]{{1,60}}\ [\w.-]{{1,60}}\[\d{{1,9}}\]\ (?P<level>{_LEVEL})\ ",
        rf"(?P<stamp>{_STAMP})\t[0-9a-f-]{{8,36}}\t(?P<level>{_LEVEL})\t",  # AWS Lambda: Node …
        rf"\[(?P<level>{_LEVEL})\]\t(?P<stamp>{_STAMP})\t[0-9a-f-]{{8,36}}\t",  # … and Python
        rf"\[(?P<level>{_LEVEL})\]\ +(?P<stamp>{_STAMP})\ +[0-9a-f]{{8}}-[0-9a-f-]{{27}}\ +",  # …, no tabs
        rf"\[(?P<stamp>{_STAMP})\ [A-Z][\w/+-]{{1,40}}\]\ ",  # PHP's error_log
        rf"""\[(?P<stamp>[A-Z][a-z]{{2}}\ [A-Z][a-z]{{2}}\ \d\d\ \d\d:\d\d:\d\d)[.\d]{{0,8}}\ \d{{4}}\][ ]
        \[(?:\w{{0,20}}:)?(?P<level>(?i:{_LEVEL}))\]\ (?:\[(?:pid|tid|client)\ [^\]\n]{{1,80}}\]\ ){{0,4}}
        """,  # Apache
        # nginx
        rf"(?P<stamp>{_STAMP})\ \[(?P<level>(?i:{_LEVEL}))\]\ \d{{1,9}}\#\d{{1,9}}:\ (?:\*\d{{1,12}}\ )?",
        rf"""(?:host\.[\w-]{{1,60}}|[a-z][\w-]{{1,40}}\.\d{{1,2}})\ +(?P<stamp>{_STAMP})\ +
        (?P<level>(?i:{_LEVEL}))\ +(?:\(\d{{1,9}}\)\ +)?""",  # ioBroker's window, pasted
        rf"""(?P<stamp>{_STAMP})\ {{1,2}}-\ (?P<level>(?i:{_LEVEL})):\ [a-z][\w-]{{1,40}}\.\d{{1,2}}[ ]
        (?:\(\d{{1,9}}\)\ )?""",  # …, its file
        rf"""\ {{0,2}}\[?(?:(?P<stamp>{_STAMP})\ +)?(?P<level>{_LEVEL})\ +
        (?:(?:\w+::)+\w+(?:\]|:|\ >)|\w+(?:\ >|\]))\ """,  # Rust
        rf"\[(?P<stamp>{_STAMP})\ (?P<level>{_LEVEL})\ [\w./-]{{1,80}}(?::\d{{1,6}})?\]:?\ ",
        # Stamped and levelled, with up to four fields (logger, thread, process) between them.
        rf"""\ {{0,2}}(?:[\w.$/-]{{1,80}}\ +[-|]\ +|{_SIGN}\ {{1,3}})?
        [\[(<]?\ ?(?P<stamp>{_STAMP})\ ?[\])>]?\ *+[-|:;,\u2014]{{0,4}}\ *+(?:{_MID}){{0,4}}?
        [\[(<]?\ *+(?:{_SIGN}\ ?)?\#?(?<![A-Za-z0-9_])
        (?P<level>{_ANY_LEVEL})(?:[/@][\w.:@<>-]++)?\ *+[\])>]?{_SEP}{_AFTER}""",
        r"""(?P<stamp>\d\d:\d\d:\d\d)(?:Z|[+-]\d\d:\d\d)\ (?P<level>debug|info|warn|error|fatal)
        \ (?:[\w./-]{1,60}\ (?:\{[^{}\n]{1,400}\}\ ){1,2})?""",  # tslog's console
        rf"(?P<stamp>{_STAMP})\t(?P<level>{_LEVEL}|[a-z]{{4,6}})\t(?:[\w./-]+(?:\.\w+:\d+)?\t){{0,2}}",  # zap
        # TDLib
        r"""\[[\ -]?\d\]\[t\ {1,3}\d{1,3}\]\[\d{9,10}\.\d{3,9}\]\[\w{1,40}\.(?:cpp|h):\d{1,5}\]
        (?:\[[^\]\n]{1,60}\]){0,6}(?:\t|\ {1,16})""",
        # … its tabs made spaces
        rf"(?P<stamp>{_STAMP})\ {{2,16}}(?P<level>{_LEVEL})\ {{2,16}}(?:[\w./-]+\.go:\d+\ {{2,16}})?",
        # what Next.js up to 13.4 printed
        r"-\ (?P<level>error|warn)\ (?=(?:[A-Z]\w*)?Error:\ |[\w\\/.()\[\]-]+\.[jt]sx?\ \(\d)",
        rf"""(?:[\w.-]{{1,40}}\t)?(?P<stamp>{_STAMP})(?:\ \|\ |\t)(?P<level>(?i:{_LEVEL}))(?:\ \|\ |\t)
        (?:\(\d{{1,9}}\)\ )?(?=\S)""",  # ioBroker
        rf"\d\d?:\d\d[AP]M\ (?P<level>{_LEVEL})\ (?:[\w./-]+:\d+\ >\ )?",  # zerolog
        rf"(?P<level>{_LEVEL})\[(?:\d{{4,}}|(?P<stamp>{_STAMP}))\]\ +",  # logrus
        r"(?P<klog>[DIWEF])/[\w.-]{1,40}(?:\(\ *\d{1,6}\))?:\ ",  # Android's logcat, and those who liked it
        # What Russian tutorials teach: the file first, the stamp behind the level, a `#` before it.
        rf"""[\w./-]{{1,60}}\.py(?:\ ?\[LINE:\d{{1,6}}\]|:\d{{1,6}})?\ {{0,16}}\#?\ {{0,8}}(?:\#?
        (?P<level>{_LEVEL})\ +\[(?P<stamp>{_STAMP})\]|\[{_STAMP}\]\ +(?P<plain>{_LEVEL}))
        \ *+[-:|]?\ *+{_AFTER}""",
        rf"{_SOURCE}\ (?:[-|]\ )?(?P<level>{_LEVEL})\ (?:[-|]\ )?",
        r"[\w.-]{1,60}\.py\ {0,30}:\d{1,6}\ {1,40}[\w<>]{1,60}\(\)\ {1,4}(?:\t\ ?|-\ )",
        rf"(?!standard_init)(?=\S{{1,80}}\.go:){_SOURCE}:\ ",
        rf"(?P<level>{_LEVEL})\ {{1,8}}[\w.-]{{1,60}}:[\w-]{{1,60}}\.py:\d{{1,6}}\ ",  # pytest
        rf"(?:\d{{4,7}}|\[\d{{4,7}}\])\ (?P<level>{_LEVEL})\ (?![a-z]+:\ )(?=\S)",
        rf"{_SIGN}\ {{1,3}}\[?(?P<stamp>{_STAMP})\]?\ [-|]?\ ?(?=\S)",
        rf"<(?P<plain>{_LEVEL})>\ |[\w.-]{{1,30}}\ \|\ (?P<level>{_LEVEL})\ \|\ ",
        r"::(?P<level>(?i:error|warning|notice))(?:\ [^:\n]{1,120})?::",  # GitHub Actions
        rf"\[(?P<level>{_LEVEL})\ (?:[-|]\ )?(?P<stamp>{_STAMP})\]\ ",
        rf"\[(?P<level>{_LEVEL})\|[\w.-]{{1,60}}\|L?\d{{1,6}}\]\ (?P<stamp>{_STAMP}):\ ",
        rf"[*=#!-]{{2,5}}\ ?(?P<level>{_LEVEL})\ ?[*=#!-]{{2,5}}\ ",
        rf"(?P<level>{_LEVEL})!\ {{1,3}}(?=\S)|(?P<plain>error|warn|info|debug)\ {{2,8}}(?=[^\s:])",
        rf"\[?\d{{4}}-\d\d-\d\d\ \d\d:\d\d\]?\ [-|]?\ ?\[?(?P<level>{_LEVEL})\]?:?\ [-|]?\ ?",  # no seconds
        rf"(?:\d+\ TID-\w+|(?:(?:pid|tid|class|jid)=\S{{1,80}}\ ){{1,4}})\ ?(?P<level>{_LEVEL}):\ ",
        rf"(?:\d{{1,9}}\ )?\[[^\]\n]{{1,60}}\]\ (?P<level>{_LEVEL})\ +[\w.$-]+\ -\ ",  # slf4j-simple
        rf"\[[a-z][\w.-]{{1,40}}\][\ \t]{{1,16}}(?P<level>{_LEVEL})[\ \t]{{1,8}}(?=\S)",  # Botpress
        # nest-winston
        rf"\[\w{{1,40}}\]\ (?P<level>(?i:{_LEVEL}))[\ \t](?P<stamp>{_STAMP})[\ \t]\[[^\]\n]{{1,60}}\]\ ",
        # Go's log with a level before its stamp
        rf"(?P<level>{_LEVEL})\t(?P<stamp>\d{{4}}/\d\d/\d\d\ \d\d:\d\d:\d\d)\ (?:[\w./-]+\.go:\d+:\ )?",
        rf"\ -\ [\w.]{{1,60}}\ -\ (?P<level>{_LEVEL})\ -\ ",  # logging's, its stamp cut off
        rf"\[(?P<stamp>{_STAMP})\]\ ?[\w.]{{1,60}}\[(?P<level>{_LEVEL})\]:\ ",
        rf"""\[\d{{4,9}}\]\ {{1,4}}(?P<level>{_LEVEL})\ {{1,4}}[\w-]{{1,40}}:\ {{1,40}}
        (?:\[[^\]\n]{{1,80}}\]\ )?""",  # matterbridge
        rf"""(?:\[[^\]\n]{{1,40}}\]\ ?){{1,4}}\[\ *(?P<level>{_ANY_LEVEL})\ *\]{_SEP}
        (?:{_STAMP}\ (?:\[[^\]\n]{{1,40}}\]\ )?)?""",  # brackets
        # signale
        rf"""(?:\[[^\]\n]{{1,40}}\]\ ){{0,5}}›\ \S{{1,3}}\ {{1,4}}
        (?:(?P<level>(?i:{_LEVEL}))|[a-z]{{4,9}})\ {{2,12}}""",
        r"(?P<klog>[IWEF])\d{4}\ (?P<stamp>\d\d:\d\d:\d\d)\.\d+\ +\d+\ [\w./-]+:\d+\]\ ",
        rf"\[(?P<stamp>{_STAMP})\ [\w./-]{{1,80}}:\d+\ (?P<klog>[DIWEC])\]\ ",
        rf"""(?:\[{_STAMP}\]|\ {{8}})\ {{1,16}}(?P<level>{_LEVEL})\ +
        (?=\S[^\n]{{0,300}}\ [\w./-]{{1,80}}\.py:\d+$)""",  # Rich
        r"\[(?P<klog>[DIWEC])\ \d{6}\ \d\d:\d\d:\d\d\ [\w./-]{1,80}:\d+\]\ ",  # Tornado
        rf"\[(?P<klog>[DIWEC])\ (?P<stamp>{_STAMP})\ [\w.-]{{1,60}}(?::\d{{1,6}})?\]\ ",  # Jupyter
        rf"\[?(?P<klog>[DIWEC])\]?\ {{1,3}}(?P<stamp>{_STAMP})\ ",  # the level's first letter
        rf"\[?\d{{10}}(?:\.\d{{1,6}})?\]?\ +\[?(?P<level>{_LEVEL})\]?:?\ +",  # seconds since the epoch
        rf"\[?\d{{13}}\]?\ +(?:-\ +)?\[?(?P<level>{_ANY_LEVEL})\]?:?\ +",  # …, in thousandths
        r"(?P<stamp>\d\d:\d\d:\d\d)[+-]\d\d:\d\d\ (?=\[[a-z][\w/-]{1,40}\]\ )",  # tslog's console, no level
        rf"\[[A-Z][A-Z_-]{{1,30}}\]\ (?P<level>{_LEVEL}):\ ",  # Uptime Kuma
        rf"[DIWEFA],\ \[(?P<stamp>[^\]\s]++)[^\]]*\]\ +(?P<level>{_LEVEL})\ --\ [^:\n]*:\ ",
        rf"\[?(?P<level>{_LEVEL})\ [(]?[\w./-]{{1,60}}\.(?:py|[jt]s|go):\d{{1,6}}[)\]]:?\ +",
        # A level without a stamp must look like one: bracketed, followed by a separator, or in capitals.
        rf"""\ {{0,2}}(?:\([^()\n]{{1,60}}\)\ |[\w.]+\ -\ |{_SIGN}\ {{1,2}}(?=\[))?
        (?:[\[(]\ *|\|\ )?(?P<level>{_LEVEL})(?:/\w+(?=\]))?\ *+
        (?:[\])]\ *+(?:>(?=\ )|[-|:]*+)|[-|:]++|>(?=\ )|\t|(?<=\ ))\ *+
        (?:(?P<stamp>{_STAMP})(?:\ +[-|]\ |\ |:\ ?))?(?:[\w./-]{{1,80}}\.go:\d+:\ )?
        (?:\([a-z_][\w.]{{1,60}}\):\ +)?{_AFTER}""",
        r"""\ {0,2}(?:(?:grammy|telegraf|node-telegram-bot-api|ioredis)(?::[\w-]{1,30}){1,3}\ (?=\S)
        |(?<=\ \ )[a-z][\w-]{0,40}(?::[\w-]{1,40}){1,4}\ (?=\S[^\n]{0,400}\ \+\d{1,6}m?s$))""",  # debug's
        rf"(?P<stamp>{_RFC3339}|(?=[A-Z][a-z]{{2}},\ ){_STAMP})\ {_DEBUGS}",  # …, where it is no terminal's
        # Go's log with a prefix
        r"""(?:\[(?:[\w-]{0,30}(?:bot|Bot|BOT)|telegram|discord|main|app|mysql|GIN)\]
        |(?:[\w-]{0,30}(?:bot|Bot|BOT)|redis|sentinel):(?=\ \d{4}/))\ \[?(?P<stamp>
        \d{4}[/-]\d\d[/-]\d\d\ \d\d:\d\d:\d\d(?:[.,]\d{1,6})?)\]?:?\ (?:-\ )?
        (?:(?!packets)[\w./-]{1,80}\.go:\d+:\ )?""",
        r"(?P<level>trace|debug|verbose|info|notice|warn|warning|error|fatal|critical|Info|Debug|Notice)"
        rf"\ {{0,5}}:\ +(?:\[?(?P<stamp>{_STAMP})\]?:?\ (?:-\ )?)?" + _AFTER,
        r"\ {0,2}\[\ ?(?P<level>(?i:trace|debug|verbose|info|notice|warn(?:ing)?|error|fatal|critical))"
        rf"\ {{0,8}}\]:?\ *(?:(?P<stamp>{_STAMP})\ ++)?" + _AFTER,
        rf"\[?(?P<stamp>{_STAMP})\]?\ \[[^\]\n]{{1,40}}\]\ (?:[\w\ .#-]{{1,60}}/)?(?P<level>{_LEVEL})\ ",
        rf"[\[(]?(?P<stamp>{_STAMP})[\])]?\ *[-|:,»›]*\ *(?:[\w./-]{{1,80}}\.go:\d+:\ )?",
        r"\ ?[A-Za-z_][\w.]{1,80}:[\w.<>]{2,80}:\d{1,5}\ -\ ",  # loguru, the beginning cut off
        r"(?P<klog>ℹ)\ufe0f?\ +(?=\S)",
        rf"\[?\d\d:\d\d\]?\ +\[?(?P<level>{_LEVEL})\]?{_SEP}{_AFTER}",
        # Hours and minutes, behind which nobody speaks
        r"""(?:\[\d\d?:\d\d(?:\ [AP]M)?\]:?|\d\d?:\d\d\ [AP]M)\ (?:[-|]\ )?
        (?!<|@|-|\s|[\w.-]{1,32}+(?<!rror)(?<!RROR)(?<!ception)(?<!onflict):\s)""",
        rf"\[[\w\ .:/-]{{1,40}}\]\ (?P<level>{_LEVEL})(?::|\ -)\ +",
        # signale without a name, what is no complaint behind a mark
        rf"[\u2139\u25a0-\u27bf\u2b50]\ufe0f?\ {{1,4}}(?P<level>(?i:{_LEVEL}))\ {{2,12}}(?=\S)",
        r"[\u2600-\u27bf\u2b50\U0001f300-\U0001faff]\ufe0f?\ (?P<level>INFO|SUCCESS|DEBUG|NOTICE)(?::|\ -)\ ",
    )
)
_HEADED = re.compile(
    rf"{_LEVEL}:[\w.]{{1,80}}:|\d{{4}}[-/]\d\d[-/]\d\d[T ]\d\d:|\d{{1,9}} \[[^\]\n]{{1,60}}\] {_LEVEL} "
)


_PIECES = (_STAMP, _LEVEL, _ANY_LEVEL, _AFTER, _MID, _BLOCK, _REPORT, _ZONE)


@cache
def _choosers() -> tuple[Chooser, Chooser]:
    """Whether a transport prefix, and which of the heads, can stand where a line begins as it does."""
    return chooser([_TRANSPORT, _MARKED, _VIEWED], (*_PIECES, _RFC3339, _DAY)), chooser(_HEADS, _PIECES)


class Line(NamedTuple):
    """A physical line without its transport prefixes; its indentation is kept."""

    text: str
    stamp: str | None
    margin: int = 0
    """Columns by which a block is moved that was pasted; taken away where a logger's line begins."""


class Head(NamedTuple):
    """What a logger wrote before the words."""

    stamp: str | None
    level: Severity | None
    body: str


def line(raw: bytes) -> Line:
    """`raw` decoded, as the program wrote it before others put their prefixes there."""
    # The space is the one that ends a prefix: viewers cut it off where nothing follows.
    text = _readable(raw.decode("utf-8", "replace").rstrip(f"\r\n \t{_UNSEEN}").lstrip(_UNSEEN)) + " "
    if text.endswith("` ") and text.count("`") % 2:
        text = text.rstrip("` ") + " "  # it closes a block of Markdown's
    stamp, margin = None, 0
    if text.startswith(_DOCKER):
        text, stamp = _from_docker(text)
    prefixes = _choosers()[0]
    for _ in range(_DEEPEST):
        found = next((found for each in prefixes(text) if (found := each.match(text))), None)
        if not found or found.end() == 0:
            break
        if named := found.groupdict():
            stamp = stamp or next((each for name, each in named.items() if each and name != "margin"), None)
            margin += len(named.get("margin") or "")
        text = text[found.end() :]
        if found[0] == "`" and text.startswith(_FIELDS):
            text = text.rstrip("` ")
    return Line(text.rstrip(), stamp, margin)


def plain(lines: bytes) -> bytes:
    """Lines without their colours, and with plain blanks for hard ones."""
    if b"\x1b" in lines:
        lines = ANSI.sub(b"", lines)
    if b"\xc2" in lines and b"\xc2\xa0" in lines:
        lines = _HARD_BLANKS.sub(lambda found: b" " * (len(found[0]) // 2), lines)
    return lines


def _readable(text: str) -> str:
    """`text` without what viewers and code pages did to it."""
    if _CODE.search(text) or "(B" in text:
        text = _RESIDUE.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(lambda found: "\"'<>&"[(found.lastindex or 1) - 1], text)
    return mojibake.repaired(text)


def _from_docker(text: str) -> tuple[str, str | None]:
    """What a line of docker's json-file driver says, and when."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text, None
    said, stamp = found.get("log"), found.get("time")
    if not isinstance(said, str) or not isinstance(stamp, str) or "stream" not in found:
        return text, None
    return _readable(ANSI.sub(b"", said.encode("utf-8", "replace")).decode().rstrip("\r\n \t")) + " ", stamp


def head(text: str) -> Head | None:
    """The log head of a line, or None if it has none."""
    for shape in _choosers()[1](text):
        if found := shape.match(text):
            groups = found.groupdict()
            short = groups.get("klog") or groups.get("dotnet") or ""
            word = groups.get("level") or groups.get("plain") or _KLOG.get(short) or _DOTNET.get(short)
            return _innermost(Head(groups.get("stamp"), severity(word), text[found.end() :]))
    return None


def _innermost(outer: Head) -> Head:
    """The head of a line that a supervisor has logged as bad news; it is no news of its own."""
    if outer.level is None or outer.level.rank < Severity.WARNING.rank or not _HEADED.match(outer.body):
        return outer
    inner = head(outer.body)
    return inner._replace(stamp=outer.stamp or inner.stamp) if inner and inner.level else outer


def severity(word: object) -> Severity | None:
    """The severity that a logger's word (or number: Python's, pino's) stands for."""
    if isinstance(word, str):
        return _SEVERITY.get(word.strip().upper())
    return None


def pino(number: int) -> Severity | None:
    """The level of pino and bunyan, whose numbers differ from Python's."""
    return _PINO.get(number)


def syslog(number: int) -> Severity | None:
    """The severity of syslog (RFC 5424) and GELF: the lower, the worse."""
    return _SYSLOG[number] if 0 <= number < len(_SYSLOG) else None


def python_level(number: int) -> Severity:
    """Python's level numbers."""
    return next((each for floor, each in _NUMBERS if number >= floor), Severity.DEBUG)


def seconds(stamp: str | None) -> float | None:
    """A time stamp as seconds since the epoch; UTC where it names no zone, None where it names no day."""
    if not stamp:
        return None
    try:
        return _since_epoch(datetime.fromisoformat(stamp))  # as most are
    except ValueError:
        pass
    text = stamp.replace(",", ".").replace("/", "-").replace("_", "T").replace("  ", " 0")
    for zone in (" UTC", " GMT", "UTC", "GMT"):
        text = text.removesuffix(zone)
    try:
        return _since_epoch(datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)))
    except ValueError:
        return None


def _since_epoch(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
