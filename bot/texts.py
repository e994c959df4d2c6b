"""Every word that the bot says of its own, in each language. What codes mean comes from the packs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """One language. The fields with braces are filled with `str.format`; all are Telegram's HTML."""

    start: str
    help: str
    codes: str
    explain_usage: str
    unknown_code: str
    did_you_mean: str
    nothing_found: str
    times: str
    what_to_do: str
    more: str
    failed: str


EN = Texts(
    start=(
        "Hello! Paste a line from your bot's log, or a whole traceback, "
        "and I'll tell you what happened and what to do.\n\n/help shows what else I can do."
    ),
    help=(
        "<b>Paste a log</b>: I answer with what happened and what to do.\n"
        "/explain CODE: what a code means, for example /explain CONFLICT_409\n"
        "/codes: every code I know\n\n"
        "Before you paste: cut out tokens and passwords. I keep nothing of what you send."
    ),
    codes="<b>The codes I know</b>\n{codes}\n\n/explain CODE tells more.",
    explain_usage="Tell me which code, for example: /explain CONFLICT_409\n/codes lists them all.",
    unknown_code="I don't know the code <code>{code}</code>.",
    did_you_mean="Did you mean {codes}?",
    nothing_found=(
        "I found nothing in it that I know.\n"
        "Paste the lines around the error too: the whole traceback, from “Traceback” to its last line."
    ),
    times="{count} times",
    what_to_do="What to do",
    more="…and {count} more. Paste a shorter part to see the rest.",
    failed="I stumbled over this one. It has been reported; please try a shorter part of the log.",
)

RU = Texts(
    start=(
        "Здравствуйте! Пришлите строку из лога вашего бота или весь traceback, "
        "и я скажу, что случилось и что делать.\n\n/help покажет, что ещё я умею."
    ),
    help=(
        "<b>Пришлите лог</b>: отвечу, что случилось и что делать.\n"
        "/explain КОД: что значит код, например /explain CONFLICT_409\n"
        "/codes: все коды, которые я знаю\n\n"
        "Перед отправкой вырежьте токены и пароли. Я не храню ничего из присланного."
    ),
    codes="<b>Коды, которые я знаю</b>\n{codes}\n\n/explain КОД расскажет подробнее.",
    explain_usage="Укажите код, например: /explain CONFLICT_409\nВсе коды: /codes",
    unknown_code="Я не знаю кода <code>{code}</code>.",
    did_you_mean="Может быть, {codes}?",
    nothing_found=(
        "Я не нашёл здесь ничего знакомого.\n"
        "Пришлите и строки вокруг ошибки: весь traceback, от слова «Traceback» до последней строки."
    ),
    times="раз: {count}",
    what_to_do="Что делать",
    more="…и ещё {count}. Пришлите часть покороче, чтобы увидеть остальное.",
    failed="На этом месте я споткнулся. О сбое уже сообщено; попробуйте прислать часть покороче.",
)


def texts(lang: str | None) -> Texts:
    """The texts for a Telegram language code such as `ru` or `en-GB`."""
    return RU if language(lang) == "ru" else EN


def language(lang: str | None) -> str:
    """`ru` or `en` for a Telegram language code."""
    return "ru" if (lang or "").lower().startswith("ru") else "en"
