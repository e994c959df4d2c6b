"""Every word that the bot says of its own, in both languages. What codes mean comes from the packs.

    texts.HELP("ru", username="logrules_bot")

All are Telegram's HTML, but for labels of buttons and words above the chat.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Text(NamedTuple):
    """One text. Fields in braces are filled with `str.format`."""

    en: str
    ru: str

    def __call__(self, lang: str | None, /, **fields: Any) -> str:
        """It in the language of a code such as `ru` or `en-GB`."""
        said: str = getattr(self, language(lang))
        return said.format(**fields) if fields else said


class Counted(NamedTuple):
    """One text with a number, as each language bends it: 1, many; 1, 2 to 4, many."""

    en: tuple[str, str]
    ru: tuple[str, str, str]

    def __call__(self, lang: str | None, /, count: int) -> str:
        """It with that number, in the language of a code such as `ru` or `en-GB`."""
        if language(lang) == "ru":
            tens, ones = divmod(count % 100, 10)
            form = self.ru[0 if ones == 1 and tens != 1 else 1 if 2 <= ones <= 4 and tens != 1 else 2]  # noqa: PLR2004
        else:
            form = self.en[count != 1]
        return form.format(count=count)


RUSSIAN = ("ru", "be", "kk", "ky")
"""Languages of Telegram whose speakers are answered in Russian: it is official where they live."""


def language(lang: str | None) -> str:
    """`ru` or `en` for a Telegram language code."""
    return "ru" if (lang or "").lower().partition("-")[0] in RUSSIAN else "en"


def other(lang: str) -> str:
    """The other language."""
    return "en" if language(lang) == "ru" else "ru"


# What the bot is
START = Text(
    en=(
        "Hello! Paste your bot's log here, forward it, or send it as a file, "
        "and I'll tell you what happened and what to do.\n\n"
        "/help shows what else I can do, /privacy what becomes of your text."
    ),
    ru=(
        "Здравствуйте! Вставьте сюда лог вашего бота, перешлите его или пришлите файлом, "
        "и я скажу, что случилось и что делать.\n\n"
        "/help покажет, что ещё я умею, /privacy — что станет с вашим текстом."
    ),
)
START_IN_GROUP = Text(
    en=(
        "Hello! When a bot's traceback or log file turns up in this group, reply to it with /why, "
        "and I'll say what happened and what to do. In private you can simply paste a log: @{username}"
    ),
    ru=(
        "Здравствуйте! Когда в группе появится traceback или файл с логом бота, ответьте на него "
        "командой /why, и я скажу, что случилось и что делать. А в личном чате лог можно просто "
        "вставить: @{username}"
    ),
)
HELP = Text(
    en=(
        "<b>Paste a log</b>, forward a message with one, or send a file (text, .gz, .bz2, .xz, .zst, .zip or "
        ".tar.gz, up to 20 MB): I answer with what happened, how often, when, and what to do.\n"
        "<b>In a group</b> reply to a traceback or a log file with /why\n"
        "<b>In any chat</b> type @{username} and a code or an error, for example: @{username} 409\n\n"
        "/explain CODE: what a code means, for example /explain CONFLICT_409\n"
        "/codes: every code I know\n"
        "/privacy: what becomes of what you send\n\n"
        "Before you paste: cut out tokens and passwords."
    ),
    ru=(
        "<b>Пришлите лог</b>: вставьте, перешлите или отправьте файлом (текст, .gz, .bz2, .xz, .zst, .zip "
        "или .tar.gz, до 20 МБ). Отвечу, что случилось, сколько раз, когда и что делать.\n"
        "<b>В группе</b> ответьте командой /why на traceback или на файл с логом\n"
        "<b>В любом чате</b> наберите @{username} и код или ошибку, например: @{username} 409\n\n"
        "/explain КОД: что значит код, например /explain CONFLICT_409\n"
        "/codes: все коды, которые я знаю\n"
        "/privacy: что станет с присланным\n\n"
        "Перед отправкой вырежьте токены и пароли."
    ),
)
HELP_OPERATOR = Text(
    en=(
        "\n\n<b>For you, the operator</b>\n"
        "/status: who holds the lock, the last proof of it, the last poll\n"
        "/incidents: what is open, to be explained or silenced"
    ),
    ru=(
        "\n\n<b>Вам, администратору</b>\n"
        "/status: кто держит блокировку, когда она подтверждена, когда был опрос\n"
        "/incidents: что открыто; можно прочесть объяснение или включить тишину"
    ),
)
PRIVACY = Text(
    en=(
        "<b>What becomes of what you send</b>\n"
        "I read it in memory, answer, and forget it. I write neither texts nor files to a disk, a database, "
        "a log or an alert, and pass them on to nobody.\n"
        "For the buttons below an answer I remember which codes I found, how often and when, and the numbers "
        "of your messages; in memory only, for a day at most, gone with a restart.\n"
        "Telegram itself keeps the chat: what you delete there is gone there too."
    ),
    ru=(
        "<b>Что станет с присланным</b>\n"
        "Я читаю его в памяти, отвечаю и забываю. Ни тексты, ни файлы не попадают на диск, в базу, "
        "в лог или в оповещения и никому не передаются.\n"
        "Для кнопок под ответом я помню, какие коды нашёл, сколько раз и когда, и номера ваших сообщений; "
        "только в памяти, не дольше суток и до перезапуска.\n"
        "Сам Telegram переписку хранит: что вы удалите там, исчезнет и там."
    ),
)
COMMANDS = {
    "why": Text(
        "what went wrong in the message you reply to", "что случилось в сообщении, на которое вы отвечаете"
    ),
    "explain": Text("what a code means and what to do", "что значит код и что делать"),
    "codes": Text("every code I know", "все коды, которые я знаю"),
    "help": Text("what I can do", "что я умею"),
    "privacy": Text("what becomes of what you send", "что станет с присланным"),
}
UNKNOWN_COMMAND = Text(
    en="I don't know this command. /help shows what I can do; a log you can simply paste.",
    ru="Такой команды я не знаю. /help покажет, что я умею; лог можно просто вставить.",
)

# Codes
CODES = Text(
    en="<b>The codes I know</b>\n{codes}\n\n/explain CODE tells more.",
    ru="<b>Коды, которые я знаю</b>\n{codes}\n\n/explain КОД расскажет подробнее.",
)
EXPLAIN_USAGE = Text(
    en="Tell me which code, for example: /explain CONFLICT_409\n/codes lists them all.",
    ru="Укажите код, например: /explain CONFLICT_409\nВсе коды: /codes",
)
UNKNOWN_CODE = Text(en="I don't know the code <code>{code}</code>.", ru="Я не знаю кода <code>{code}</code>.")
DID_YOU_MEAN = Text(en="Did you mean one of these?", ru="Может быть, один из этих?")

# What a log says
NOTHING_FOUND = Text(
    en=(
        "I found nothing in it that I know.\n"
        "Send the lines around the error too: the whole traceback, from “Traceback” to its last line. "
        "A long log goes best as a file."
    ),
    ru=(
        "Я не нашёл здесь ничего знакомого.\n"
        "Пришлите и строки вокруг ошибки: весь traceback, от слова «Traceback» до последней строки. "
        "Длинный лог лучше прислать файлом."
    ),
)
NO_ERROR_BUT = Text(
    en="I see no error in this. Did you mean one of these?",
    ru="Ошибки в этом я не вижу. Может быть, вы об этом?",
)
ONLY_GOOD = Text(
    en="There is no trouble in it: nothing to do.", ru="Ошибок здесь нет: делать ничего не нужно."
)
TIMES = Counted(("once", "{count} times"), ("{count} раз", "{count} раза", "{count} раз"))
LINE = Text("line {first}", "строка {first}")
LINES = Text("lines {first}–{last}", "строки {first}–{last}")
POSITION = Text("{number} of {count}", "{number} из {count}")
FATAL = Text("does not heal by itself", "само не пройдёт")
WHAT_TO_DO = Text("What to do", "Что делать")
MORE_STEPS = Text("… {count} more under “Details”.", "… ещё {count}: «Подробнее».")
HOW_TO_CHECK = Text("How to make sure", "Как убедиться")
WHAT_NOT_TO_DO = Text("What not to do", "Чего не делать")
REASONS = Text("It has these reasons", "Какие бывают причины")

# Secrets
LEAK = Text(
    en="🔐 <b>Careful: this shows what looks like {what}.</b>\n{advice}",
    ru="🔐 <b>Осторожно: здесь видны секреты. Похоже, это {what}.</b>\n{advice}",
)
LEAKS = {
    "token": Text("a live bot token", "действующий токен бота"),
    "url": Text("an address with a password or key in it", "адрес с паролем или ключом"),
    "other": Text("a password or a key", "пароль или ключ"),
}
AND = Text("{first} and {last}", "{first} и {last}")
LEAK_ADVICE = {
    "token": Text(
        en=(
            "Whoever has read it can take over your bot. Open @BotFather, send /revoke, choose the bot, and "
            "put the new token where your bot reads it."
        ),
        ru=(
            "Кто его прочёл, может управлять вашим ботом. Откройте @BotFather, отправьте /revoke, выберите "
            "бота и впишите новый токен туда, откуда его читает бот."
        ),
    ),
    "url": Text(
        en="Change that password or key now: whoever has read it can use it.",
        ru="Смените этот пароль или ключ сейчас: кто его прочёл, может им воспользоваться.",
    ),
    "other": Text(
        en="Change it now: whoever has read it can use it.",
        ru="Смените его сейчас: кто его прочёл, может им воспользоваться.",
    ),
}
DELETED = Text(
    en="Deleted. Change the secret all the same: somebody may have read it.",
    ru="Удалено. Секрет всё равно смените: его могли прочесть.",
)
NOT_DELETED = Text(
    en="I may not delete it here. Please delete it yourself, and change the secret.",
    ru="Здесь мне нельзя удалять. Удалите, пожалуйста, сами и смените секрет.",
)
NOT_YOURS = Text(
    en="Only who wrote it, or an administrator of the group, may have it deleted.",
    ru="Удалить может только автор сообщения или администратор группы.",
)

# Buttons
MORE = Text("Details", "Подробнее")
LESS = Text("Less", "Короче")
NEXT = Text("Next: {code}", "Дальше: {code}")
OTHER_LANGUAGE = Text("По-русски", "In English")
DELETE = Text("Delete the message", "Удалить сообщение")
TOO_OLD = Text(
    en="This answer is too old for me to remember. Send the log again.",
    ru="Этого ответа я уже не помню. Пришлите лог ещё раз.",
)

# Files
IN_LINE = Text(
    "Your file waits for its turn, {size} MB…\nNothing after a minute? Press the button.",
    "Ваш файл ждёт очереди, {size} МБ…\nЧерез минуту ответа нет? Нажмите кнопку.",
)
READING = Text(
    "Reading your file, {size} MB…\nNothing after a minute? Press the button.",
    "Читаю файл, {size} МБ…\nЧерез минуту ответа нет? Нажмите кнопку.",
)
READ_SO_FAR = Text("Reading your file, {size} MB: {percent} %", "Читаю файл, {size} МБ: {percent} %")
FOUND_SO_FAR = Text(
    "Reading your file, {size} MB: {percent} %. Found so far:",
    "Читаю файл, {size} МБ: {percent} %. Пока нашёл:",
)
AGAIN = Text("Read it again", "Прочесть заново")
STILL_READING = Text("I am still at it: one moment.", "Я ещё читаю его: минутку.")
CUT_SHORT = Text(
    en=(
        "I have read the first {size} MB only. The end may say more: "
        "<code>tail -c 15M bot.log &gt; end.log</code>"
    ),
    ru=(
        "Я прочёл только первые {size} МБ. В конце может быть ещё что-то: "
        "<code>tail -c 15M bot.log &gt; end.log</code>"
    ),
)
BROKEN_BEHIND = Text(
    en="The archive is damaged, or was not sent to its end: I have read what stands before that.",
    ru="Архив повреждён или дошёл не до конца: я прочёл то, что стоит до этого места.",
)
SKIPPED = Counted(
    (
        "One file in the archive is no text: I have left it out.",
        "{count} files in the archive are no text: I have left them out.",
    ),
    (
        "{count} файл в архиве не текст: я его пропустил.",
        "{count} файла в архиве не текст: я их пропустил.",
        "{count} файлов в архиве не текст: я их пропустил.",
    ),
)
TOO_LARGE = Text(
    en=(
        "This file has {size} MB, and Telegram hands a bot at most {limit} MB. Pack it (.zip or "
        "<code>gzip -k bot.log</code>), or send its end:\n"
        "<code>tail -c 15M bot.log &gt; end.log</code>\n"
        "On Windows: <code>Get-Content bot.log -Tail 50000 &gt; end.log</code>"
    ),
    ru=(
        "В этом файле {size} МБ, а Telegram отдаёт ботам не больше {limit} МБ. Упакуйте его (.zip или "
        "<code>gzip -k bot.log</code>) или пришлите конец:\n"
        "<code>tail -c 15M bot.log &gt; end.log</code>\n"
        "В Windows: <code>Get-Content bot.log -Tail 50000 &gt; end.log</code>"
    ),
)
REFUSED = {
    "binary": Text(
        en="This is no text that I could read. Send the log as plain text, .gz or .zip.",
        ru="Это не текст, прочесть его я не могу. Пришлите лог текстом, .gz или .zip.",
    ),
    "bomb": Text(
        en="This archive unpacks to far more than a log would. Send the log itself, or the end of it.",
        ru="Этот архив распаковывается в слишком большой файл. Пришлите сам лог или его конец.",
    ),
    "nested": Text(
        en="This is an archive in an archive. Send the log itself as text, .gz or .zip.",
        ru="Это архив в архиве. Пришлите сам лог текстом, .gz или .zip.",
    ),
    "crowd": Text(
        en="There are more than {limit} files in this archive. Send the one that matters.",
        ru="В этом архиве больше файлов, чем {limit}. Пришлите тот, который важен.",
    ),
    "locked": Text(
        en="This archive asks for a password. Send it without one.",
        ru="Этот архив закрыт паролем. Пришлите его без пароля.",
    ),
    "broken": Text(
        en="This archive is damaged, or was not sent to its end. Pack it again.",
        ru="Этот архив повреждён или дошёл не до конца. Упакуйте его ещё раз.",
    ),
    "format": Text(
        en="I can't open this kind of archive. Send the log as plain text, .gz or .zip.",
        ru="Такой архив я открыть не могу. Пришлите лог текстом, .gz или .zip.",
    ),
    "empty": Text(
        en=(
            "This file is empty: nothing was written to it. The platform may have the log, "
            "for example Render Dashboard → service → Logs: copy it from there."
        ),
        ru=(
            "Этот файл пуст: в него ничего не записано. Лог может быть у платформы, "
            "например Render Dashboard → сервис → Logs: скопируйте его оттуда."
        ),
    ),
    "slow": Text(
        en="This file took me too long. Send a shorter part: the end of the log is what matters most.",
        ru="Этот файл я читал слишком долго. Пришлите часть покороче: важнее всего конец лога.",
    ),
    "gone": Text(
        en="Telegram did not give me this file. Send it again.",
        ru="Telegram не отдал мне этот файл. Пришлите его ещё раз.",
    ),
}
NO_TEXT = Text(
    en=(
        "I read text only. Copy the lines of the log and paste them here, or send the log as a file: "
        "a picture can't be searched."
    ),
    ru=(
        "Я читаю только текст. Скопируйте строки лога и вставьте их сюда или пришлите лог файлом: "
        "по картинке искать нельзя."
    ),
)
WHY_USAGE = Text(
    en="Reply with /why to a message with a traceback or a log, or to a file.",
    ru="Ответьте командой /why на сообщение с traceback или логом либо на файл.",
)
BUSY = Text(
    en="Many files are waiting just now. Please send yours again in a minute.",
    ru="Сейчас у меня очередь из файлов. Пришлите ваш ещё раз через минуту, пожалуйста.",
)
SLOW_DOWN = Text(
    en=(
        "One moment, please: that was a lot at once, and I have left out the last of it. "
        "Send it again in half a minute; a long log goes best as a file."
    ),
    ru=(
        "Минутку: слишком много сразу, последнее я пропустил. "
        "Пришлите его ещё раз через полминуты; длинный лог лучше прислать файлом."
    ),
)
FAILED = Text(
    en="I stumbled over this one. My operator can see where; please try a shorter part of the log.",
    ru="На этом я споткнулся. Администратор увидит, где именно; попробуйте прислать часть покороче.",
)

# Inline
INLINE_NONE = Text("Nothing found", "Ничего не нашлось")
INLINE_NONE_TEXT = Text(
    en="I know no code for that. Write to me and paste the log: @{username}",
    ru="Кода для этого я не знаю. Напишите мне и пришлите лог: @{username}",
)

# The operator
NOT_OPERATOR = Text(
    en=(
        "This is for the operator of this bot. Paste a log, though, and I'll gladly help. "
        "Is the bot yours? Put your number, {number}, into BOT_ADMINS."
    ),
    ru=(
        "Это для администратора бота. А с логом я охотно помогу: пришлите его. "
        "Бот ваш? Впишите в BOT_ADMINS ваш номер: {number}."
    ),
)
STATUS = Text(
    en=(
        "<b>{service}</b>: {phase}, for {since}\n"
        "Lock: {holder}\n"
        "Last proof of the lock: {proof}\n"
        "Last answer to a poll: {poll}\n"
        "Open incidents: {incidents}\n"
        "Version: {version}, {instance}"
    ),
    ru=(
        "<b>{service}</b>: {phase}, уже {since}\n"
        "Блокировка: {holder}\n"
        "Последнее подтверждение блокировки: {proof}\n"
        "Последний ответ на опрос: {poll}\n"
        "Открытых инцидентов: {incidents}\n"
        "Версия: {version}, {instance}"
    ),
)
UNTOLD = Text(
    en="⚠️ Alerts that did not arrive: {count} ({sinks}): {why}\nMore: <code>logrules alerts</code>",
    ru="⚠️ Оповещений не дошло: {count} ({sinks}): {why}\nПодробнее: <code>logrules alerts</code>",
)
PHASES = {
    "preview": Text("a preview deploy, which does not poll", "preview-деплой, не опрашивает"),
    "delayed": Text("waits after its own fatal end", "выжидает после своего аварийного завершения"),
    "waiting": Text("waits, another instance holds the lock", "ждёт, блокировка у другого экземпляра"),
    "starting": Text("starting", "запускается"),
    "polling": Text("polling", "опрашивает Telegram"),
    "stalled": Text("stalled: polls get no answer", "замер: на опросы нет ответа"),
    "lost": Text("has lost the lock and takes it again", "потерял блокировку и берёт её снова"),
    "stopping": Text("stopping", "останавливается"),
    "parked": Text("parked for good", "остановлен насовсем"),
}
NOBODY = Text("nobody has it", "ни у кого")
NEVER = Text("never", "не было")
AGO = Text("{span} ago", "{span} назад")
NO_INCIDENTS = Text("✅ No incident is open.", "✅ Открытых инцидентов нет.")
INCIDENTS = Text("<b>Open incidents</b>", "<b>Открытые инциденты</b>")
INCIDENT = Text(
    en="{number}. <b>{code}</b> · {service} · {times}, for {since}, last {last} ago{silenced}",
    ru="{number}. <b>{code}</b> · {service} · {times}, уже {since}, последний {last} назад{silenced}",
)
SILENCED_MARK = " · 🔕"
NO_STORE = Text(
    en="I can't look into the store of incidents: {why}",
    ru="Не могу заглянуть в хранилище инцидентов: {why}",
)
EXPLAIN = Text("Explain {number}", "Объяснить {number}")
SILENCE = Text("Silence {number}", "Тишина {number}")
SILENCE_FOR = Text(
    en="For how long shall nobody be woken by <b>{code}</b>?",
    ru="На сколько отключить оповещения о <b>{code}</b>?",
)
HOURS = Text("{hours} h", "{hours} ч")
END_SILENCE = Text("Wake me again", "Снова будить")
BACK = Text("Back", "Назад")
SILENCED = Text(
    en="🔕 <b>{code}</b> wakes nobody until {until} UTC. It is counted and logged all the same.",
    ru="🔕 <b>{code}</b> до {until} UTC никого не будит. Подсчёт и записи в логе продолжаются.",
)
SILENCED_WORD = Text(
    en="🔕 {code} wakes nobody until {until} UTC.", ru="🔕 {code} до {until} UTC никого не будит."
)
WAKES_AGAIN = Text("🔔 {code} wakes you again.", "🔔 {code} снова будит.")
