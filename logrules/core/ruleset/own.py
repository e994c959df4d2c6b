"""What may stand before words that only a library says: all that an author says, and no quotation.

Authors put their own words before a library's without end. Where those are so much its own that nobody else
uses them, it is enough to know that the line is bad and that nobody is told of.
"""

from __future__ import annotations

import re

from logrules.core.model import Form, Severity

_PLAIN = re.compile(
    r"""
    (?:[^"'`«»“”„<>{}\n] | (?<=\w)'(?=\w) | (?<=[-=])>
      | '[\w.@/-]{1,40}(?:\ [\w.@/-]{1,20}){0,2}' | "[\w.@/-]{1,40}(?:\ [\w.@/-]{1,20}){0,2}"
      | \{[^{}"'\n]{0,60}\} | <[A-Z_]{3,20}>)*+
    (?:(?<![\w])(?:err|error|e|ex|exc|exception|reason|cause|desc|description|details?)[=:(]\ ?[bu]?["'])?
    """,
    re.VERBOSE,
)
"""All but what quotes or dumps; a name in quotation marks does not, nor does a field that holds an error."""
_ABOUT = re.compile(
    r"""
    \?\s | ^(?i:user|member|guest|customer)\w{0,3}:\s
    | ^(?i:see|cf|note|hint|tip|when|if|do|is|are|can|this|that|the\ error)\b
    | \b(?i:what|how|why|does|did)\b
    | [Нн]еизвестн | [Сс]ообщение\ от | от\ (?:пользоват|юзер|\d) | 用户|消息
    | \b(?:I|my|your?|his|her|she|he)\b
    | \b(?i:understand|pars(?:e|ed|ing)|interpret|translat\w{1,4}|recogni[sz]\w{1,4}|quot\w{1,3}|echo)\b
    | \b(?i:received|means?)\b
    | \b(?i:unknown|unrecogni[sz]ed|unexpected|invalid|unsupported|new)\ (?:\w{1,20}\ ){0,2}
      (?i:command|message|text|input|query|prompt|word|line)s?\b
    | \b(?i:message|text|reply|question|prompt|query|input|caption|line|words?)\ (?i:from|of|by)\b
    | \b(?i:text|caption|content|prompt|query|input|message|msg|body\ text)\s?[=:](?!\s?\{)
    | \bfrom\ (?:the\ )?(?:user|chat|client|member|-?\d|@)
    """,
    re.VERBOSE,
)
"""How somebody speaks of the words behind, instead of being stopped by what they say."""
_PASTED = re.compile(
    r"""
    [/|@&$%*+~] | (?:The|A|An)\b | -?\d{1,20}\ | \w{1,40}:\S
    | (?!(?i:err|error|e|exc|exception|reason|cause|detail|details)=)[\w.-]{1,60}=
    | [^\n]{1,300}?(?:\t | [❌❎✖✗✘⛔🚨💥🔴🛑🚫⚠‼]
      | \b(?:DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)\b | \berror:
      | Traceback | \d\d:\d\d:\d\d | \b(?:sent|sends|posted|typed|wrote|writes|shows?|mean)\b)
    """,
    re.VERBOSE,
)
"""How it looks where somebody has put a whole line of a log behind his name, or into a text."""
_APART = re.compile(r"(?:[^\w\s]\s{0,3}|\b(?:because of|due to|caused by|after|with|из-за|после)\s)$")
"""Where another's words begin, in a sentence of the program's."""
_BAD = re.compile(
    r"""
    [^:\n]{0,120}?(?:
      (?i:error|fail(?:ed|ure|s)?\b|exception|could\ ?n[o']t|cannot|can't|unable|conflict|crash|stopp?ed
        |aborted|refused|rejected|skipped|retry|died|lost|reject|blocked|undeliver|timed?\ ?out|disconnect
        |problem|trouble|fatal|warning)
      | [Оо]шибк|ОШИБК|[Нн]е\ (?:удал|смог|мог|отправ|достав)|[Сс]бой|[Пп]омилк|[Нн]е\ вдал|[Кк]онфликт
      | (?i:\berro\b|\berreur|fehler|\bfall[oó]|falha|hata|gagal|xato|błąd|chyba|errore)
      | 失败|错误|異常|异常|エラー|오류|خطا|خطأ
      | \b(?:get(?:Updates|Me|WebhookInfo)|(?:set|delete)Webhook|(?:send|edit|answer)[A-Z]\w{2,30})\b
      | ^(?i:(?:https?\ )?(?:telegram|tg|polling|poller|status|code|bot\ ?api|api|error_code)\b)
      | ^[❌❎✖✗✘⛔🚨💥🔴🛑🚫⚠‼]
    )""",
    re.VERBOSE,
)
"""What says that something went wrong, in the first words of a line that has no level to say it."""


def is_free(form: Form, before: str, level: Severity | None) -> bool:
    """Whether words that only a library says are the program's own behind these of its author's."""
    if not _PLAIN.fullmatch(before) or _ABOUT.search(before):
        return False
    if level and level.rank < Severity.WARNING.rank:
        return False  # what users write is logged there
    if form is Form.TRACEBACK:
        return True
    before = before.lstrip()
    if form is Form.LOG and level:
        return bool(_APART.search(before) or _BAD.match(before))
    return bool(_BAD.match(before) and not _PASTED.match(before))
