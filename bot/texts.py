"""Every word that the bot says of its own, in each language. What codes mean comes from the packs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """One language. The fields with braces are filled with `str.format`; all are Telegram's HTML."""

    # What the bot is
    start: str
    help: str
    help_admin: str
    privacy: str
    commands: tuple[tuple[str, str], ...]
    unknown_command: str

    # Codes
    codes: str
    explain_usage: str
    unknown_code: str
    did_you_mean: str

    # What a log says
    nothing_found: str
    only_good: str
    times: str
    line: str
    lines: str
    position: str
    fatal: str
    what_to_do: str
    more_steps: str
    how_to_check: str
    what_not_to_do: str
    where_it_runs: str
    reasons: str

    # Secrets
    leak: str
    leaks: dict[str, str]
    leak_advice: dict[str, str]
    deleted: str
    not_deleted: str
    not_yours: str

    # Buttons
    more: str
    less: str
    next: str
    other_language: str
    delete: str
    too_old: str

    # Files
    reading: str
    read_so_far: str
    cut_short: str
    skipped: str
    too_large: str
    refused: dict[str, str]
    no_text: str
    why_usage: str
    busy: str
    slow_down: str
    failed: str

    # Inline
    inline_none: str
    inline_none_text: str

    # The operator
    not_admin: str
    status: str
    phases: dict[str, str]
    nobody: str
    never: str
    ago: str
    no_incidents: str
    incidents: str
    incident: str
    silenced_mark: str
    no_store: str
    explain: str
    silence: str
    silence_for: str
    hours: str
    back: str
    silenced: str


EN = Texts(
    start=(
        "Hello! Paste your bot's log here, forward it, or send it as a file, "
        "and I'll tell you what happened and what to do.\n\n"
        "/help shows what else I can do, /privacy what becomes of your text."
    ),
    help=(
        "<b>Paste a log</b>, forward a message with one, or send a file (text, .gz or .zip, up to 20 MB): "
        "I answer with what happened, how often, when, and what to do.\n"
        "<b>In a group</b> reply to a traceback with /why\n"
        "<b>In any chat</b> type @{username} and a code or an error, for example: @{username} 409\n\n"
        "/explain CODE: what a code means, for example /explain CONFLICT_409\n"
        "/codes: every code I know\n"
        "/privacy: what becomes of what you send\n\n"
        "Before you paste: cut out tokens and passwords."
    ),
    help_admin="\n\nFor you as the operator: /status, /incidents",
    privacy=(
        "<b>What becomes of what you send</b>\n"
        "I read it in memory, answer, and forget it. I write neither texts nor files to a disk, a database, "
        "a log or an alert, and pass them on to nobody.\n"
        "For the buttons below an answer I remember which codes I found, how often and when, and the numbers "
        "of your messages; in memory only, for a day at most, gone with a restart.\n"
        "Telegram itself keeps the chat: what you delete there is gone there too."
    ),
    commands=(
        ("why", "what went wrong in the message you reply to"),
        ("explain", "what a code means and what to do"),
        ("codes", "every code I know"),
        ("help", "what I can do"),
        ("privacy", "what becomes of what you send"),
    ),
    unknown_command="I don't know this command. /help shows what I can do; a log you can simply paste.",
    codes="<b>The codes I know</b>\n{codes}\n\n/explain CODE tells more.",
    explain_usage="Tell me which code, for example: /explain CONFLICT_409\n/codes lists them all.",
    unknown_code="I don't know the code <code>{code}</code>.",
    did_you_mean="Did you mean {codes}?",
    nothing_found=(
        "I found nothing in it that I know.\n"
        "Send the lines around the error too: the whole traceback, from “Traceback” to its last line. "
        "A long log goes best as a file."
    ),
    only_good="Nothing in it asks for action.",
    times="{count} times",
    line="line {first}",
    lines="lines {first}–{last}",
    position="{number} of {count}",
    fatal="does not heal by itself",
    what_to_do="What to do",
    more_steps="… {count} more under “Details”.",
    how_to_check="How to make sure",
    what_not_to_do="What not to do",
    where_it_runs="Where your bot runs",
    reasons="Told apart",
    leak="🔐 <b>Careful: this contains what looks like {what}.</b>\n{advice}",
    leaks={
        "token": "a live bot token",
        "url": "an address with a password or key in it",
        "other": "a password or a key",
    },
    leak_advice={
        "token": (
            "Whoever has read it has your bot. Open @BotFather, /revoke, choose the bot, "
            "and give it the new token."
        ),
        "url": "Change that password or key now: whoever has read it can use it.",
        "other": "Change it now: whoever has read it can use it.",
    },
    deleted="Deleted. Change the secret all the same: somebody may have read it.",
    not_deleted="I may not delete it here. Please delete it yourself, and change the secret.",
    not_yours="Only who wrote it, or an administrator of the group, may have it deleted.",
    more="Details",
    less="Less",
    next="Next: {code}",
    other_language="По-русски",
    delete="Delete the message",
    too_old="This answer is too old for me to remember. Paste the log again.",
    reading="Reading your file, {size} MB…",
    read_so_far="Reading your file, {size} MB: {percent} %",
    cut_short="I have read the first {size} MB; the end of the file may say more.",
    skipped="Not read: {count} files inside the archive (archives in archives, pictures, programs).",
    too_large=(
        "This file has {size} MB, and Telegram hands a bot at most {limit} MB.\n"
        "Send the end of it: <code>tail -c 15M bot.log &gt; end.log</code>, or compress it: "
        "<code>gzip -k bot.log</code>"
    ),
    refused={
        "binary": "This is no text that I could read. Send the log as plain text, .gz or .zip.",
        "bomb": "This archive unpacks to far more than a log would. Send the log itself, or the end of it.",
        "nested": "This is an archive in an archive. Send the log itself as text, .gz or .zip.",
        "crowd": "There are more than {limit} files in this archive. Send the one that matters.",
        "locked": "This archive asks for a password. Send it without one.",
        "broken": "This archive is damaged, or was not sent to its end. Pack it again.",
        "format": "I can't open this kind of archive. Send the log as plain text, .gz or .zip.",
        "empty": "This file is empty.",
        "slow": "This file took me too long. Send a shorter part: the end of the log is what matters most.",
        "gone": "Telegram did not give me this file. Send it again.",
    },
    no_text=(
        "I read text only. Copy the lines of the log and paste them here, or send the log as a file: "
        "a picture can't be searched."
    ),
    why_usage="Reply with /why to a message with a traceback or a log, or to a file.",
    busy="Many files are waiting just now. Please send yours again in a minute.",
    slow_down="One moment, please: that was a lot at once. I'll read on in half a minute.",
    failed="I stumbled over this one. My operator can see where; please try a shorter part of the log.",
    inline_none="Nothing found",
    inline_none_text="I know no code for that. Write to me and paste the log: @{username}",
    not_admin="This command is for the operator of this bot. Paste a log, though, and I'll gladly help.",
    status=(
        "<b>{service}</b>: {phase}, for {since}\n"
        "Lock: {holder}\n"
        "Last proof of the lock: {proof}\n"
        "Last answer to a poll: {poll}\n"
        "Open incidents: {incidents}\n"
        "Version: {version}, {instance}"
    ),
    phases={
        "delayed": "waits after its own fatal end",
        "waiting": "waits, another instance holds the lock",
        "starting": "starting",
        "polling": "polling",
        "stalled": "stalled: polls get no answer",
        "lost": "has lost the lock and takes it again",
        "stopping": "stopping",
        "parked": "parked for good",
    },
    nobody="nobody",
    never="never",
    ago="{span} ago",
    no_incidents="✅ No incident is open.",
    incidents="<b>Open incidents</b>",
    incident="{number}. <b>{code}</b> · {service} · {count}×, for {since}, last {last} ago{silenced}",
    silenced_mark=" · 🔕",
    no_store="I can't look into the store of incidents: {why}",
    explain="Explain {number}",
    silence="Silence {number}",
    silence_for="For how long shall nobody be woken by <b>{code}</b>?",
    hours="{hours} h",
    back="Back",
    silenced="🔕 <b>{code}</b> wakes nobody until {until} UTC. It is counted and logged all the same.",
)

RU = Texts(
    start=(
        "Здравствуйте! Вставьте сюда лог вашего бота, перешлите его или пришлите файлом, "
        "и я скажу, что случилось и что делать.\n\n"
        "/help покажет, что ещё я умею, /privacy — что станет с вашим текстом."
    ),
    help=(
        "<b>Пришлите лог</b>: вставьте, перешлите или отправьте файлом (текст, .gz или .zip, до 20 МБ). "
        "Отвечу, что случилось, сколько раз, когда и что делать.\n"
        "<b>В группе</b> ответьте на traceback командой /why\n"
        "<b>В любом чате</b> наберите @{username} и код или ошибку, например: @{username} 409\n\n"
        "/explain КОД: что значит код, например /explain CONFLICT_409\n"
        "/codes: все коды, которые я знаю\n"
        "/privacy: что станет с присланным\n\n"
        "Перед отправкой вырежьте токены и пароли."
    ),
    help_admin="\n\nВам как администратору: /status, /incidents",
    privacy=(
        "<b>Что станет с присланным</b>\n"
        "Я читаю его в памяти, отвечаю и забываю. Ни тексты, ни файлы не попадают на диск, в базу, "
        "в журнал или в оповещения и никому не передаются.\n"
        "Для кнопок под ответом я помню, какие коды нашёл, сколько раз и когда, и номера ваших сообщений; "
        "только в памяти, не дольше суток и до перезапуска.\n"
        "Сам Telegram переписку хранит: что вы удалите там, исчезнет и там."
    ),
    commands=(
        ("why", "что случилось в сообщении, на которое вы отвечаете"),
        ("explain", "что значит код и что делать"),
        ("codes", "все коды, которые я знаю"),
        ("help", "что я умею"),
        ("privacy", "что станет с присланным"),
    ),
    unknown_command="Такой команды я не знаю. /help покажет, что я умею; лог можно просто вставить.",
    codes="<b>Коды, которые я знаю</b>\n{codes}\n\n/explain КОД расскажет подробнее.",
    explain_usage="Укажите код, например: /explain CONFLICT_409\nВсе коды: /codes",
    unknown_code="Я не знаю кода <code>{code}</code>.",
    did_you_mean="Может быть, {codes}?",
    nothing_found=(
        "Я не нашёл здесь ничего знакомого.\n"
        "Пришлите и строки вокруг ошибки: весь traceback, от слова «Traceback» до последней строки. "
        "Длинный лог лучше прислать файлом."
    ),
    only_good="Ничто здесь не требует действий.",
    times="раз: {count}",
    line="строка {first}",
    lines="строки {first}–{last}",
    position="{number} из {count}",
    fatal="само не пройдёт",
    what_to_do="Что делать",
    more_steps="… ещё {count}: «Подробнее».",
    how_to_check="Как убедиться",
    what_not_to_do="Чего не делать",
    where_it_runs="Там, где работает ваш бот",
    reasons="Различаем причины",
    leak="🔐 <b>Осторожно: здесь, похоже, {what}.</b>\n{advice}",
    leaks={
        "token": "действующий токен бота",
        "url": "адрес с паролем или ключом",
        "other": "пароль или ключ",
    },
    leak_advice={
        "token": (
            "Кто его прочёл, владеет вашим ботом. Откройте @BotFather, /revoke, выберите бота "
            "и дайте боту новый токен."
        ),
        "url": "Смените этот пароль или ключ сейчас: кто его прочёл, может им воспользоваться.",
        "other": "Смените его сейчас: кто его прочёл, может им воспользоваться.",
    },
    deleted="Удалено. Секрет всё равно смените: его могли прочесть.",
    not_deleted="Здесь мне нельзя удалять. Удалите, пожалуйста, сами и смените секрет.",
    not_yours="Удалить может только автор сообщения или администратор группы.",
    more="Подробнее",
    less="Короче",
    next="Дальше: {code}",
    other_language="In English",
    delete="Удалить сообщение",
    too_old="Этого ответа я уже не помню. Пришлите лог ещё раз.",
    reading="Читаю файл, {size} МБ…",
    read_so_far="Читаю файл, {size} МБ: {percent} %",
    cut_short="Я прочёл первые {size} МБ; в конце файла может быть ещё что-то.",
    skipped="Не прочитано файлов в архиве: {count} (архивы в архивах, картинки, программы).",
    too_large=(
        "В этом файле {size} МБ, а Telegram отдаёт ботам не больше {limit} МБ.\n"
        "Пришлите его конец: <code>tail -c 15M bot.log &gt; end.log</code>, или сожмите: "
        "<code>gzip -k bot.log</code>"
    ),
    refused={
        "binary": "Это не текст, прочесть его я не могу. Пришлите лог текстом, .gz или .zip.",
        "bomb": "Этот архив распаковывается в слишком большой файл. Пришлите сам лог или его конец.",
        "nested": "Это архив в архиве. Пришлите сам лог текстом, .gz или .zip.",
        "crowd": "В этом архиве больше файлов, чем {limit}. Пришлите тот, который важен.",
        "locked": "Этот архив закрыт паролем. Пришлите его без пароля.",
        "broken": "Этот архив повреждён или дошёл не до конца. Упакуйте его ещё раз.",
        "format": "Такой архив я открыть не могу. Пришлите лог текстом, .gz или .zip.",
        "empty": "Этот файл пуст.",
        "slow": "Этот файл я читал слишком долго. Пришлите часть покороче: важнее всего конец лога.",
        "gone": "Telegram не отдал мне этот файл. Пришлите его ещё раз.",
    },
    no_text=(
        "Я читаю только текст. Скопируйте строки лога и вставьте их сюда или пришлите лог файлом: "
        "по картинке искать нельзя."
    ),
    why_usage="Ответьте командой /why на сообщение с traceback или логом либо на файл.",
    busy="Сейчас ждёт очередь файлов. Пришлите ваш, пожалуйста, через минуту ещё раз.",
    slow_down="Минутку: слишком много сразу. Продолжу через полминуты.",
    failed="На этом месте я споткнулся. Администратор увидит где; попробуйте прислать часть покороче.",
    inline_none="Ничего не нашлось",
    inline_none_text="Кода для этого я не знаю. Напишите мне и пришлите лог: @{username}",
    not_admin="Эта команда для администратора бота. А с логом я охотно помогу: пришлите его.",
    status=(
        "<b>{service}</b>: {phase}, уже {since}\n"
        "Блокировка: {holder}\n"
        "Последнее подтверждение блокировки: {proof}\n"
        "Последний ответ на опрос: {poll}\n"
        "Открытых инцидентов: {incidents}\n"
        "Версия: {version}, {instance}"
    ),
    phases={
        "delayed": "ждёт после собственного фатального конца",
        "waiting": "ждёт, блокировка у другого экземпляра",
        "starting": "запускается",
        "polling": "опрашивает Telegram",
        "stalled": "замер: на опросы нет ответа",
        "lost": "потерял блокировку и берёт её снова",
        "stopping": "останавливается",
        "parked": "остановлен насовсем",
    },
    nobody="никого",
    never="никогда",
    ago="{span} назад",
    no_incidents="✅ Открытых инцидентов нет.",
    incidents="<b>Открытые инциденты</b>",
    incident=(
        "{number}. <b>{code}</b> · {service} · раз: {count}, уже {since}, последний {last} назад{silenced}"
    ),
    silenced_mark=" · 🔕",
    no_store="Не могу заглянуть в хранилище инцидентов: {why}",
    explain="Объяснить {number}",
    silence="Тишина {number}",
    silence_for="На сколько отключить оповещения о <b>{code}</b>?",
    hours="{hours} ч",
    back="Назад",
    silenced="🔕 <b>{code}</b> до {until} UTC никого не будит. Подсчёт и записи в логе продолжаются.",
)


def texts(lang: str | None) -> Texts:
    """The texts for a Telegram language code such as `ru` or `en-GB`."""
    return RU if language(lang) == "ru" else EN


def language(lang: str | None) -> str:
    """`ru` or `en` for a Telegram language code."""
    return "ru" if (lang or "").lower().startswith("ru") else "en"


def other(lang: str) -> str:
    """The other language."""
    return "en" if language(lang) == "ru" else "ru"
