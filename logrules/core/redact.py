"""Secrets out of every string that we write.

Two nets, one after the other. By value: what is known to be secret, also in the shapes that quoting gives it.
By form: what looks like a secret, whoever it belongs to. What helps an operator stays readable: the bot's id,
the user and the host of a URL, the name of a setting.

Every pattern is bounded, or begins at a character that it cannot run across: hostile text costs linear time.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "***"

MIN_LENGTH = 6
"""A shorter secret is hidden by form only: by value it would mangle ordinary words and numbers."""

_SHORT, _SHORT_TEXTS = 2048, 256  # names come back with every line, remediations and messages with many

_PLACEHOLDERS = frozenset({"changeme", "example", "password", "postgres", "secret", "telegram"})
"""Passwords that are ordinary words of our own messages; hidden by form only."""

# https://core.telegram.org/bots/api#authorizing-your-bot
_TOKEN = re.compile(r"(?<!\d)(\d{6,})(:|%3[Aa])([A-Za-z0-9_-]{30,})")

# People leave @ and / unquoted in passwords. In a web address a later @ may belong to the path; elsewhere the
# password ends at the last one. Digits up to a slash are a port.
_USER = r"(://[^\s/?#:@'\"]{0,128}):"
_HOST = r"@(?=[^\s@]|$)"
_HOW = "PASSWORD@HOST"
"""From our own messages: how an address is written."""
_URL_PASSWORD = re.compile(
    rf"(?<!http)(?<!https){_USER}(?!\d{{1,5}}[/?#]|{_HOW}\b)([^\s'\"]{{1,256}}){_HOST}"
)
_WEB_PASSWORD = re.compile(
    rf"(?:(?<=http)|(?<=https)){_USER}([^\s/?#'\"]{{1,256}}|(?!\d{{1,5}}[/?#])[^\s@'\"]{{1,128}}){_HOST}"
)
_URL_KEY = re.compile(r"://([A-Za-z0-9_-]{20,256})(?=@|:[^\s/?#@'\"]{0,256}@)")

_NAME = (  # a set of first letters lets the search skip ahead, which (?i) alone does not
    r"([APSTapst](?:(?<=[Pp])(?i:assw(?:or)?d|assphrase|wd|rivate[_-]?key)|(?<=[Ss])(?i:ecret|entry_key)"
    r"|(?<=[Tt])(?i:oken)|(?<=[Aa])(?i:pi[_-]?key|ccess[_-]?key)))"
)
_END = r"[\s\"'&,;)\]}>]"  # what may end a value that stands without quotes
_KEPT = rf"(?!(?:None|null|true|false|(?:\d{{6,}}:)?\*{{3}})(?:$|\\*{_END}))"  # no secret, or masked already
_QUOTED_VALUE = re.compile(
    rf"{_NAME}(\\*[\"']?[ \t]{{0,8}}[=:][ \t]{{0,8}}[bru]?)(\\*[\"']){_KEPT}(?:(?!\3)(?:\\.|[^\n]))++"
)
_PROSE = r"//|[^\W\d_]{1,64}[ \t]"  # a word with more to come: `password: change it`
_BARE_VALUE = re.compile(
    rf"{_NAME}(\\*[\"']?=|(?<!(?i:token))\\*[\"']?:[ \t]{{0,8}}+(?!{_PROSE})){_KEPT}(?![bru]?\\*[\"'])"
    rf"(?:[^\s\"'&,;)\]}}>\\]|\\(?![\\\"'])|[,;)\]}}>](?!\\|$|{_END}|\w{{1,40}}[=:]))++"
)

_AUTHORIZATION = re.compile(
    r"(?i)(authorization\\*[\"']?[ \t]{0,8}[:=,][ \t]{0,8}(?:[bru]?\\*[\"'])?"
    r"(?:(?:bearer|basic|bot|token|digest)[ \t]{1,8})?+)(?!\*{3})[^\s\"',;\\]+"
)
_BEARER = re.compile(r"(?i)(?<![a-z])((?:bearer|basic)[ \t]{1,8})[a-z0-9._~+/=-]{16,}")

_PREFIXED = re.compile(
    r"(?<![\w-])(rnd_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-|sntry[su]_|eyJ)[\w.=+/-]{20,}", re.ASCII
)
_PEM = re.compile(r"(-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----)(?!\*{3})[^-]+")

_ASSIGNED_WORDS = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "_key",
    "-key",
    "sskey",
    "tekey",
)
_FORMS = (  # words of which one must be there (lower case), the form, what is left of it
    (("@",), _URL_KEY, f"://{MASK}"),
    (("@",), _URL_PASSWORD, rf"\1:{MASK}@"),
    (("@",), _WEB_PASSWORD, rf"\1:{MASK}@"),
    (("authorization",), _AUTHORIZATION, rf"\1{MASK}"),
    (("bearer", "basic"), _BEARER, rf"\1{MASK}"),
    (
        ("rnd_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_", "glpat", "sk-", "xox", "sntry", "eyj"),
        _PREFIXED,
        rf"\1{MASK}",
    ),
    (("private key",), _PEM, rf"\1{MASK}"),
    (_ASSIGNED_WORDS, _QUOTED_VALUE, rf"\1\2\3{MASK}"),
    (_ASSIGNED_WORDS, _BARE_VALUE, rf"\1\2{MASK}"),
)

HINTS = tuple({word: None for words, _, _ in _FORMS for word in words})
"""Words (lower case) of which one stands wherever something looks like a secret, but for bot tokens."""

_ANY_WORD = re.compile("|".join(sorted({re.escape(word) for words, _, _ in _FORMS for word in words})))

_AFTER_NAME = (  # the ends of what `_NAME` finds, with the quote or the blank that may follow; then = or :
    r"(?<=[dDeEyYtTnN\"'\\ \t]{0})"
    r"(?<=[wWrR][dD]{0}|[sSſ][eE]{0}|[eE][yYtTnN]{0}|[dDeEyYtTnN\\][\"']{0}|.[\\ \t]{0})"
)
_SIGNS = (  # what is part of every form, each from its rarest character on
    "@",
    r":(?=[A-Za-z0-9_-]{30})",
    "%(?=3[Aa])",
    *(sign + _AFTER_NAME.format(sign) for sign in "=:"),
    *(f"{z}(?<=[oO][rR][iI]{z})(?=[aA])" for z in "zZ"),
    *(f"{b}(?=[eE][aA][rR][eE][rR]|[aA][sS][iI][cC])" for b in "bB"),
    r"_(?:(?<=rnd_)|(?<=gh[pousr]_)|(?<=_pat_)|(?<=ntry[su]_))",
    r"-(?:(?<=glpat-)|(?<=sk-)|(?<=xox[abprs]-)|(?=----BEGIN))",
    "J(?<=eyJ)",
)
_ANY_SIGN = re.compile("|".join(_SIGNS))
_RARE = "ZXJVYKjqzWHDwxFGBMLNOUQPCRSEAIT"
"""Letters that words of a log hardly hold, the rarest first; `getUpdates` and `PostgreSQL` are such words."""

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
_CONNINFO = re.compile(r"(?i)(?<![a-z])password[ \t]{0,8}=[ \t]{0,8}(?:'([^']+)'|([^\s&']+))")

_SECRET_NAME = re.compile(  # the last two are those of Telegram's own clients
    r"(?:(?:^|_)(?:SECRET|TOKEN|KEY|APIKEY|PASS|PWD|DSN)|PASSWORD|PASSWD|PASSPHRASE|API_HASH|SESSION(?:_STRING)?)\Z"
)
_NOT_SECRET = frozenset({"PWD", "OLDPWD"})
_WEBHOOK_NAME = re.compile(r"WEBHOOK(?:_URL)?\Z")
_LEAST_CODE = 20
"""Characters of what in a webhook's address is no word but what lets one write there; a host has dots."""


class Redactor:
    """Hides registered secrets and whatever looks like one. Never raises; saying it twice changes nothing."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._values: re.Pattern[str] | None = None
        self.signs = _ANY_SIGN
        """Finds something in every text that would be changed; another one whenever more is known."""
        self._recall = lru_cache(_SHORT_TEXTS)(self.hide)
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Hide these from now on: passwords, whole bot tokens, URLs with a password or a key in them."""
        parts = [part for secret in secrets for part in _parts(secret)]
        known = self._known.union(*(_shapes(part) for part in parts if _is_telling(part)))
        if known != self._known:
            longest_first = sorted(known, key=lambda shape: (-len(shape), shape))
            self._known, self._values = known, re.compile("|".join(map(re.escape, longest_first)))
            self._recall = lru_cache(_SHORT_TEXTS)(self.hide)
            self.signs = re.compile("|".join([*_signs(longest_first), *_SIGNS]))

    def __call__(self, text: str) -> str:
        """`text` with `***` in place of every secret; what is short is remembered, should it come again."""
        return self._recall(text) if len(text) <= _SHORT else self.hide(text)

    def hide(self, text: str) -> str:
        """The same for a text that is not likely to come again."""
        if self.signs.search(text) is None:
            return text
        if ":" in text or "%3" in text:
            text = _TOKEN.sub(_without_secret, text)
        if self._values is not None:
            text = self._values.sub(MASK, text)
        lowered = text.lower()
        if not _ANY_WORD.search(lowered):
            return text
        for words, form, left in _FORMS:
            for word in words:
                if word in lowered:
                    text = form.sub(left, text)
                    break
        return text


def _signs(shapes: Iterable[str]) -> list[str]:
    """What is part of every shape: letters that words hardly hold, or else the whole of it."""
    signs: set[str] = set()
    for shape in shapes:
        if signs.isdisjoint(shape):
            signs.add(next((letter for letter in _RARE if letter in shape), shape))
    return sorted(map(re.escape, signs))


def _without_secret(token: re.Match[str]) -> str:
    return f"{token[1]}{token[2]}{MASK}"


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """What is secret in an environment: tokens and passwords inside any value, values named as one."""
    found: dict[str, None] = {}
    for name, value in environ.items():
        named = bool(_SECRET_NAME.search(name.upper())) and name.upper() not in _NOT_SECRET
        found.update(dict.fromkeys(part for part in _parts(value, whole=named) if _is_telling(part)))
        if _WEBHOOK_NAME.search(name.upper()):
            found.update(
                dict.fromkeys(part for part in re.split(r"[/?&=#]", value) if len(part) >= _LEAST_CODE)
            )
    return list(found)


def shapes(environ: Mapping[str, str]) -> dict[str, str]:
    """Every shape in which a secret of `environ` may be printed, and the name of its setting."""
    found: dict[str, str] = {}
    for name, value in environ.items():
        for secret in secrets_in({name: value}):
            for part in _parts(secret):
                found |= {shape: name for shape in _shapes(part) if _is_telling(part) and shape not in found}
    return found


def _parts(secret: str, *, whole: bool = True) -> Iterator[str]:
    """The secret parts of a token or a URL; a text that is neither is secret as a `whole`."""
    tokens = [token[3] for token in _TOKEN.finditer(secret)]
    passwords = [*_url_parts(secret), *(found[1] or found[2] for found in _CONNINFO.finditer(secret))]
    yield from tokens
    yield from passwords
    if whole and not tokens and not passwords and "://" not in secret:
        yield secret.strip()
        bot, _, rest = secret.strip().partition(":")
        if bot.isdigit() and rest:  # a token of unusual length: the id may be shown, the rest may not
            yield rest


def _url_parts(text: str) -> Iterator[str]:
    for key in _URL_KEY.finditer(text):
        yield key[1]
    for url in (*_URL_PASSWORD.finditer(text), *_WEB_PASSWORD.finditer(text)):
        user, password = url[1].removeprefix("://"), url[2]
        if unquote(password) != unquote(user):  # the user stays readable, so its twin is none by value
            yield password
            yield unquote(password)
    short_key = re.fullmatch(r"https?://([^\s/?#:@]+)@[^\s/@]+/(?:[^\s?#]*/)?\d+/?", text.strip())
    if short_key:  # a Sentry DSN: https://develop.sentry.dev/sdk/foundations/transport/authentication/
        yield short_key[1]


def _is_telling(secret: str) -> bool:
    return len(secret) >= MIN_LENGTH and secret.lower() not in _PLACEHOLDERS


def _shapes(secret: str) -> Iterator[str]:
    """`secret` as it is and as it looks inside a URL, a JSON text, a repr and base64."""
    encoded = secret.encode("utf-8", "surrogatepass")
    yield secret
    for quoted in (quote(encoded, safe=""), quote(encoded), quote_plus(encoded)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield from _base64_shapes(encoded)


def _base64_shapes(secret: bytes) -> Iterator[str]:
    """The characters that base64 gives `secret` whatever stands around it, as `user:` does in Basic."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(secret)) * 8 // 6
        core = whole[first:last]
        if len(core) > MIN_LENGTH:
            yield core
            yield core.replace("+", "-").replace("/", "_")
