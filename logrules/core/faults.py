"""What can be wrong with a setting, in both languages: every sentence of a `ConfigError` that is no bug."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.model import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fault(NamedTuple):
    """One sentence, or a part of one. Fields in braces are filled with `str.format`."""

    en: str
    ru: str

    def error(self, **fields: Any) -> ConfigError:
        """The error that says it. A field may be a fault itself: then it is said in the same language."""
        return ConfigError(self.said("en", fields), self.said("ru", fields))

    def said(self, lang: str, fields: Mapping[str, Any]) -> str:
        """It in `en` or `ru`."""
        text: str = getattr(self, lang)
        return text.format(
            **{
                name: getattr(each, lang) if isinstance(each, Fault) else each
                for name, each in fields.items()
            }
        )


# What any setting may have
LANG = Fault(
    "LOGRULES_LANG must be en or ru; without it, LANG decides",
    "в LOGRULES_LANG должно стоять en или ru; без неё решает LANG",
)
NAME = Fault(
    "{setting} must be one line of at most {most} printable characters, such as my-bot",
    "в {setting} должна стоять одна строка не длиннее {most} печатных знаков, например my-bot",
)
SECONDS = Fault(
    "{setting} must be a number of seconds from 0 to {most:g}, such as {such:g}{also}",
    "в {setting} должно стоять число секунд от 0 до {most:g}, например {such:g}{also}",
)
OR_STRICT = Fault(", or the word strict", ", или слово strict")
NOTHING = Fault("", "")
CHOICE = Fault(
    "{setting} must be {word}, or not be set", "в {setting} должно стоять {word}, или её не должно быть"
)
CHOICE_OF_TWO = Fault(
    "{setting} must be {usual} or {word}, or not be set",
    "в {setting} должно стоять {usual} или {word}, или её не должно быть",
)
PORT = Fault(
    "LOGRULES_PORT must be a port's number from 1 to 65535, or off",
    "в LOGRULES_PORT должен стоять номер порта от 1 до 65535 или off",
)
RUNBOOKS = Fault(
    "LOGRULES_RUNBOOKS must be an address with {{code}} in it, such as https://HOST/{{lang}}/{{code}}.md",
    "в LOGRULES_RUNBOOKS должен стоять адрес, в котором есть {{code}}, например "
    "https://HOST/{{lang}}/{{code}}.md",
)
ADDRESS = Fault(
    "{setting} must be the address of {whose}, such as {such}",
    "в {setting} должен стоять адрес {whose}, например {such}",
)
OF_BOT_API = Fault("a Bot API server", "сервера Bot API")
OF_RENDER_API = Fault("Render's API", "интерфейса Render (API)")
DESCRIPTOR = Fault(
    "LOGRULES_EVENT_FD must be an open descriptor's number above 2; only logrules run sets it",
    "в LOGRULES_EVENT_FD должен стоять номер открытого дескриптора больше 2; её ставит только logrules run",
)
HELD = Fault(
    "LOGRULES_LOCK_HELD is malformed; only logrules run sets it",
    "LOGRULES_LOCK_HELD записана неверно; её ставит только logrules run",
)
STATE_URL = Fault(
    "LOGRULES_STATE_URL must be the address of a PostgreSQL database, such as "
    "postgresql://USER:PASSWORD@HOST:5432/DATABASE; a file goes into LOGRULES_STATE",
    "в LOGRULES_STATE_URL должен стоять адрес базы PostgreSQL, например "
    "postgresql://USER:PASSWORD@HOST:5432/DATABASE; файл указывают в LOGRULES_STATE",
)

# Tokens
TOKEN = Fault(
    "{setting} {what}; write it as @BotFather shows it: digits, a colon, then letters",
    "{setting} {what}; запишите токен так, как его показывает @BotFather: цифры, двоеточие, затем буквы",
)
THE_TOKEN = Fault("the bot's token", "токен бота:")
TOKEN_EMPTY = Fault("is empty", "пуст")
TOKEN_QUOTED = Fault("has quotes in it", "содержит кавычки")
TOKEN_SPACED = Fault("has a space or a line break in it", "содержит пробел или перевод строки")
TOKEN_BOT = Fault("begins with the word bot", "начинается со слова bot")
TOKEN_NO_COLON = Fault("has no colon", "не содержит двоеточия")
TOKEN_NO_DIGITS = Fault(
    "has something else than digits before its colon", "содержит перед двоеточием не только цифры"
)
TOKEN_HALF = Fault("has nothing after its colon", "ничего не содержит после двоеточия")
TOKEN_STRANGE = Fault(
    "has a character that no token has after its colon",
    "содержит после двоеточия знак, которого в токенах не бывает",
)
TOKEN_MALFORMED = Fault(
    "the bot token is malformed: copy it from @BotFather again; it looks like 123456789:AA… "
    "and has digits, one colon and then letters",
    "токен бота записан неверно: скопируйте его у @BotFather ещё раз; он выглядит как 123456789:AA… "
    "и состоит из цифр, одного двоеточия и затем букв",
)

# Sentry and other receivers
DSN = Fault(
    "SENTRY_DSN {what}; copy it from Settings > Projects > Client Keys (DSN): https://KEY@HOST/PROJECT",
    "SENTRY_DSN {what}; скопируйте его в Settings > Projects > Client Keys (DSN): https://KEY@HOST/PROJECT",
)
DSN_SPACED = Fault("has a space or quotes in it", "содержит пробел или кавычки")
DSN_SCHEME = Fault("does not begin with https://", "не начинается с https://")
DSN_KEYLESS = Fault("has no key before an @", "не содержит ключа перед @")
DSN_HOSTLESS = Fault("has no host", "не содержит имени сервера")
DSN_PORT = Fault("has no usable port", "содержит негодный порт")
DSN_PROJECT = Fault("does not end in the number of a project", "не заканчивается номером проекта")
DSN_NO_URL = Fault("is no URL", "не похож на адрес")
CHAT = Fault(
    "LOGRULES_ALERT_CHAT must be a chat's number, such as -1001234567890, or a channel's @name",
    "в LOGRULES_ALERT_CHAT должен стоять номер чата, например -1001234567890, или @имя канала",
)
WEBHOOK = Fault(
    "LOGRULES_ALERT_WEBHOOK must be the address that takes the alerts, such as https://HOST/PATH, "
    "without user, password or #",
    "в LOGRULES_ALERT_WEBHOOK должен стоять адрес, который принимает оповещения, например https://HOST/PATH, "
    "без имени, пароля и #",
)
WEBHOOK_KEY = Fault(
    "LOGRULES_ALERT_WEBHOOK_SECRET must be whsec_ and then {least} to {most} bytes in base64; "
    'make one: echo "whsec_$(openssl rand -base64 32)"',
    "в LOGRULES_ALERT_WEBHOOK_SECRET должно стоять whsec_ и затем от {least} до {most} байт в base64; "
    'создайте его: echo "whsec_$(openssl rand -base64 32)"',
)
RECEIVERS = Fault(
    "LOGRULES_ALERT_RECEIVERS must name functions as module:function, with commas between them",
    "в LOGRULES_ALERT_RECEIVERS должны стоять функции в виде module:function, через запятую",
)

# The database's address
URL_NONE = Fault("{setting} is no URL: {how}", "{setting} не похожа на адрес: {how}")
URL_HOSTLESS = Fault(
    "{setting} names no host: probably a variable in it was empty; {how}. "
    "For a socket name its folder: ?host=/run/postgresql",
    "в {setting} нет имени сервера: вероятно, переменная в ней была пуста; {how}. "
    "Для сокета укажите его каталог: ?host=/run/postgresql",
)
URL_MALFORMED = Fault(
    "{setting}: its host or port is malformed; {how}, "
    "with every character of the password but letters and digits percent-encoded",
    "{setting}: сервер или порт записаны неверно; {how}, "
    "а в пароле всё, кроме букв и цифр, замените процентной записью (%40 вместо @)",
)
URL_HOW = Fault(
    "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    "запишите его так: postgresql://USER:PASSWORD@HOST:5432/DATABASE",
)
URL_PORT = Fault("{setting}: the port must be from 1 to 65535", "{setting}: порт должен быть от 1 до 65535")
URL_TIMEOUT = Fault(
    "{setting}: connect_timeout must be a whole number of seconds",
    "{setting}: в connect_timeout должно стоять целое число секунд",
)
URL_SSL = Fault(
    "{setting}: {key} must be one of {modes}", "{setting}: в {key} должно стоять одно из: {modes}"
)

# Durations that contradict each other
CONFLICT_NEGATIVE = Fault(
    "LOGRULES_CONFLICT_GRACE and LOGRULES_OVERLAP must be 0 or more seconds",
    "в LOGRULES_CONFLICT_GRACE и LOGRULES_OVERLAP должно стоять 0 или больше секунд",
)
CONFLICT_SHORT = Fault(
    "LOGRULES_CONFLICT_GRACE must be 0, or more than the first pause and the server's delay "
    "({least:g} s): a second conflict could never come in time",
    "в LOGRULES_CONFLICT_GRACE должен стоять 0 или больше первой паузы вместе с задержкой сервера "
    "({least:g} с): иначе второй конфликт никогда не успеет прийти",
)
CONFLICT_LONG = Fault(
    "LOGRULES_CONFLICT_GRACE must stay below {most:g} s, so that an instance which yields "
    "for {seconds:g} s (yield_for) is not taken for a rival",
    "в LOGRULES_CONFLICT_GRACE должно стоять меньше {most:g} с, чтобы экземпляр, который уступает "
    "на {seconds:g} с (yield_for), не приняли за соперника",
)
TIMER_ZERO = Fault(
    "timers: {timer} must be more than 0 seconds, it is {value:g}",
    "длительности: {timer} — больше 0 секунд, а указано {value:g}",
)
TIMERS_CROSSED = Fault(
    "timers: {less} must stay below {more}: set {settings} differently",
    "длительности: {less} должно оставаться меньше {more}: измените {settings}",
)
LEASE = Fault("LOGRULES_LEASE", "LOGRULES_LEASE")
LEASE_OR_FENCE = Fault("LOGRULES_LEASE or LOGRULES_FENCE", "LOGRULES_LEASE или LOGRULES_FENCE")
DESCRIPTOR_LOST = Fault(
    "logrules run --lock holds this bot's lock, but its event descriptor (LOGRULES_EVENT_FD) has not "
    "reached the bot: whatever starts it closes descriptors. Start the bot itself: "
    "logrules run --lock -- python bot.py",
    "блокировку этого бота держит logrules run --lock, но его дескриптор событий (LOGRULES_EVENT_FD) до "
    "бота не дошёл: то, что запускает бота, закрывает дескрипторы. Запускайте самого бота: "
    "logrules run --lock -- python bot.py",
)
