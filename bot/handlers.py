"""What the bot does with what people send: texts and files are read, answers get buttons.

Nothing that they write goes into a log, an alert or a file: what fails is told by its place in the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from telegram import (
    BotCommand,
    CallbackQuery,
    Document,
    InlineQueryResultArticle,
    InputTextMessageContent,
    Message,
    Update,
)
from telegram.constants import ChatAction, ChatMemberStatus, ChatType, ParseMode
from telegram.error import BadRequest, TelegramError
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    InlineQueryHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot import answers, files, texts
from bot.archives import MEMBERS, RefusedError
from bot.memory import ANSWERS, DAY, Pace, Recent
from bot.reading import Reading, read_text
from bot.sending import PLAIN, heard, is_shut, keyboard, lang_of, reply, thread, turn
from bot.watch import AGAIN, Watch, megabytes
from logrules.rules import rules

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bot.answers import Page

Context = ContextTypes.DEFAULT_TYPE

logger = logging.getLogger(__name__)

FULL = 3500
"""Characters of a message that is probably a part: Telegram's clients cut what is longer than 4096."""
PATIENCE = 2.0
"""Seconds to wait for the next part. While one is in hand others are fetched once a second only."""
GATHERED = 0.5
"""Seconds between two answers to one paste: Telegram's limit for a chat."""
PASTED = 400_000
"""Characters of one pasted log; what is longer is a file's business."""
FIRST = "2026-01-01 00:00:00,000 ERROR bot: telegram.error.Conflict: Conflict: terminated by other getUpdates"
"""What the bot reads before anybody sends anything."""
HELD = 0.25
"""Seconds for which what is done apart comes again if the process is killed.

While an update is in hand others are fetched once a second only; what takes longer has a note with a button.
"""


_NO_TEXT = ("image/", "video/", "audio/")


class Said(NamedTuple):
    """An answer, as far as its buttons need it."""

    reading: Reading
    sources: tuple[int, ...]
    """The messages that were read, in the same chat."""
    author: int | None
    """Who wrote them."""


class _WhyBelow(filters.MessageFilter):
    """A file that comes with `/why` below it, as in a group."""

    def filter(self, message: Message) -> bool:
        first = (message.caption or "").split(maxsplit=1)[:1]
        return first in (["/why"], [f"/why@{message.get_bot().username}"])


class Paste:
    """A text that comes in parts, and the answer to all of them."""

    def __init__(self) -> None:
        self.parts: list[Message] = []
        self.answered: frozenset[int] = frozenset()
        """The parts that the answer knows of."""
        self.answer: Message | None = None
        self.turn = asyncio.Lock()
        self._until = 0.0
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing more belongs to it."""
        last = self.parts[-1:]
        whole = sum(map(len, map(_text, self.parts)))
        return bool(last) and (
            len(_text(last[0])) < FULL or whole >= PASTED or time.monotonic() >= self._until
        )

    def add(self, part: Message) -> None:
        """One more."""
        self.parts.append(part)
        self._until = time.monotonic() + PATIENCE
        self._news.set()

    def told(self) -> list[Message]:
        """All of them, in the order in which they were sent."""
        self._news.clear()
        return sorted(self.parts, key=lambda part: part.message_id)

    async def more(self, seconds: float) -> bool:
        """Wait so long for another part; whether one has come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        return self._news.is_set()


class Conversation:
    """Everything that people who are no operators can do."""

    def __init__(self, admins: frozenset[int] = frozenset()) -> None:
        self._admins = admins
        self._said: Recent[Said] = Recent(ANSWERS, DAY)
        self._pace = Pace(burst=20, rate=0.7)
        self._queue = files.Queue()
        self._at_work: set[tuple[int, int]] = set()
        """Files that are being read, or wait for it."""
        self._pastes: dict[tuple[int, int], Paste] = {}
        self._albums: Recent[bool] = Recent(ANSWERS, DAY)
        self._answers: Recent[int] = Recent(ANSWERS, DAY)
        """Their numbers, by the one message that each of them answers."""

    def register(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Add every handler, in the order in which they are asked."""
        private = filters.ChatType.PRIVATE & filters.UpdateType.MESSAGE
        new = filters.UpdateType.MESSAGE
        application.add_handler(TypeHandler(Update, self.paced), group=-1)
        application.add_handlers(
            [
                CommandHandler("start", self.start, new),
                CommandHandler("help", self.help_, new),
                CommandHandler("privacy", self.privacy, new),
                CommandHandler("codes", self.codes, new),
                CommandHandler("explain", self.explain, new),
                CommandHandler("why", self.why, new),
                MessageHandler(new & filters.Document.ALL & _WhyBelow(), self.why),
                InlineQueryHandler(self.inline),
                # A client may send what no button of ours says.
                CallbackQueryHandler(self.turned, r"^a:\d{1,3}:[ds]:(en|ru)$"),
                CallbackQueryHandler(self.explained, r"^e:\w+:[ds]:(en|ru)(:[\w-]*(:b)?)?$"),
                CallbackQueryHandler(self.delete, r"^x:(en|ru)$"),
                CallbackQueryHandler(self.again, rf"^{AGAIN}$"),
                CallbackQueryHandler(self.too_old),
                MessageHandler(private & filters.Document.ALL, self.sent_file),
                MessageHandler(private & (filters.TEXT | filters.CAPTION), self.pasted),
                MessageHandler(private & ~filters.StatusUpdate.ALL, self.no_text),
                MessageHandler(
                    filters.ChatType.PRIVATE & filters.UpdateType.EDITED_MESSAGE & filters.TEXT, self.edited
                ),
            ]
        )
        application.add_error_handler(self.failed)

    async def paced(self, update: Update, _context: Context) -> None:
        """Who sends faster than people read is told so once, and heard again in a while."""
        user = update.effective_user
        if user is None or self._pace.admits(user.id):
            return
        if update.message and self._pace.tells(user.id):
            await reply(update.message, answers.Page(texts.SLOW_DOWN(user.language_code)))
        elif update.callback_query:
            await heard(update.callback_query, texts.SLOW_DOWN(user.language_code))
        raise ApplicationHandlerStop

    async def start(self, update: Update, context: Context) -> None:
        """/start: what this bot is for; with a code, as behind `t.me/BOT?start=CODE`, what that means."""
        lang, chat = lang_of(update), update.effective_chat
        if update.message and context.args and context.args[0] in rules:
            await reply(update.message, answers.explain(context.args[0], lang))
        elif chat and chat.type != ChatType.PRIVATE:
            await self._say(update, texts.START_IN_GROUP(lang, username=context.bot.username))
        else:
            await self._say(update, texts.START(lang))

    async def help_(self, update: Update, context: Context) -> None:
        """/help: what else it can do."""
        lang, user = lang_of(update), update.effective_user
        more = texts.HELP_OPERATOR(lang) if user and user.id in self._admins else ""
        await self._say(update, texts.HELP(lang, username=context.bot.username) + more)

    async def privacy(self, update: Update, _context: Context) -> None:
        """/privacy: what becomes of what people send."""
        await self._say(update, texts.PRIVACY(lang_of(update)))

    async def codes(self, update: Update, _context: Context) -> None:
        """/codes: every code there is."""
        await self._say(update, answers.codes(lang_of(update)).html)

    async def explain(self, update: Update, context: Context) -> None:
        """/explain CODE: what it means and what to do."""
        if update.message:
            await reply(update.message, answers.explain(" ".join(context.args or []), lang_of(update)))

    async def why(self, update: Update, context: Context) -> None:
        """/why: what the message says to which this one replies, or what stands after the command."""
        message = update.message
        if message is None:
            return
        asked, quoted = message.reply_to_message, message.quote
        own = (message.text or "").partition("\n" if "\n" in (message.text or "") else " ")[2]
        file = asked.document if asked else message.document
        if file and not quoted:
            self._apart(update, context, self._read_file(asked or message, file, update))
        elif asked is not None and (text := quoted.text if quoted else asked.text or asked.caption):
            await self._read_text(asked, text, lang_of(update))
        elif own.strip():
            await self._read_text(message, own, lang_of(update))
        else:
            # All messages of a topic stand below the one that made it.
            is_picture = asked is not None and not asked.forum_topic_created
            told = texts.NO_TEXT if is_picture else texts.WHY_USAGE
            await reply(message, answers.Page(told(lang_of(update))))

    async def pasted(self, update: Update, context: Context) -> None:
        """A pasted or forwarded text. A long one comes in parts, which are read as one."""
        message = update.message
        if message is None or message.from_user is None:
            return
        if _is_command(message):
            await self._say(update, texts.UNKNOWN_COMMAND(lang_of(update)))
            return
        key = message.chat_id, message.from_user.id
        paste = self._pastes.get(key)
        if paste is None or paste.is_over:
            paste = self._pastes[key] = Paste()
        paste.add(message)
        asyncio.get_running_loop().call_later(PATIENCE, self._forget, key, paste)
        # It counts as handled when an answer knows of it: what a killed process has not answered comes again.
        self._apart(update, context, self._read_part(paste, message, lang_of(update)), held=None)

    async def edited(self, update: Update, context: Context) -> None:
        """A text that was put right, or whose secret was taken out: its answer is, too."""
        message = update.edited_message
        answer = self._answers.get((message.chat_id, message.message_id)) if message else None
        if message and answer:
            note = Message(answer, message.date, message.chat)
            note.set_bot(context.bot)
            await self._answer([message], await _read(_text(message)), lang_of(update), note)

    async def sent_file(self, update: Update, context: Context) -> None:
        """A file."""
        message = update.message
        if message and message.document:
            self._apart(update, context, self._read_file(message, message.document, update))

    async def again(self, update: Update, context: Context) -> None:
        """Read a file again of which nothing more was heard: the process that read it was killed."""
        query, lang = update.callback_query, lang_of(update)
        if query is None:
            return
        note = query.message if isinstance(query.message, Message) else None
        asked = note.reply_to_message if note else None
        if note is None or asked is None or asked.document is None:
            await heard(query, texts.TOO_OLD(lang))
        elif (asked.chat_id, asked.message_id) in self._at_work:
            await heard(query, texts.STILL_READING(lang))
        else:
            await heard(query)
            self._apart(update, context, self._read_file(asked, asked.document, update, note))

    async def no_text(self, update: Update, _context: Context) -> None:
        """A picture, a voice; of an album the first."""
        album = update.message.media_group_id if update.message else None
        if album is not None:
            if self._albums.get(album):
                return
            self._albums.keep(album, True)  # noqa: FBT003 - all there is to know
        await self._say(update, texts.NO_TEXT(lang_of(update)))

    async def inline(self, update: Update, context: Context) -> None:
        """`@bot 409` in any chat."""
        query = update.inline_query
        if query is None:
            return
        lang = query.from_user.language_code
        found = await asyncio.to_thread(answers.suggestions, query.query, lang)
        results = [_article(*each) for each in found]
        if not results:
            page = answers.Page(texts.INLINE_NONE_TEXT(lang, username=context.bot.username))
            results = [_article("none", texts.INLINE_NONE(lang), page.html, page)]
        with contextlib.suppress(BadRequest):  # who typed it has typed on
            await query.answer(results, cache_time=300, is_personal=True)  # the language is the person's

    async def turned(self, update: Update, _context: Context) -> None:
        """Details, the next incident, or the other language, of a log that was read."""
        query = update.callback_query
        if query is None or query.message is None:
            return
        said = self._said.get((query.message.chat.id, query.message.message_id))
        if said is None:
            await heard(query, texts.TOO_OLD(lang_of(update)))
            return
        _, at, depth, lang = (query.data or "").split(":")
        page = answers.log(said.reading, lang, int(at), detailed=depth == "d", deletable=bool(said.sources))
        await heard(query)
        await turn(query, page)

    async def explained(self, update: Update, _context: Context) -> None:
        """Details or the other language of a code: the button says it all, and works for ever."""
        query = update.callback_query
        if query is None:
            return
        await heard(query)
        if page := answers.explained(query.data or ""):
            await turn(query, page)

    async def too_old(self, update: Update, _context: Context) -> None:
        """A button of an earlier version, or of nobody's."""
        if update.callback_query:
            await heard(update.callback_query, texts.TOO_OLD(lang_of(update)))

    async def delete(self, update: Update, context: Context) -> None:
        """Delete what was read, for it shows a secret."""
        query = update.callback_query
        if query is None or query.message is None:
            return
        chat, key = query.message.chat, (query.message.chat.id, query.message.message_id)
        lang, said = lang_of(update), self._said.get(key)
        if said is None:
            await heard(query, texts.TOO_OLD(lang))
            return
        if not (query.from_user.id == said.author or await _is_administrator(context, chat, query)):
            await heard(query, texts.NOT_YOURS(lang))
            return
        try:
            for message_id in said.sources:
                await context.bot.delete_message(chat.id, message_id)
        except TelegramError:
            await heard(query, texts.NOT_DELETED(lang))
            return
        self._said.keep(key, said._replace(sources=()))
        await heard(query, texts.DELETED(lang))
        await turn(query, answers.log(said.reading, (query.data or "").partition(":")[2]))

    async def failed(self, update: object, context: Context) -> None:
        """An exception in a handler: the log tells the operator where, a message tells the user."""
        error = context.error
        if error is None:
            return
        _told(error)
        if isinstance(update, Update) and not isinstance(error, TelegramError):
            await self._say(update, texts.FAILED(lang_of(update)))

    def _apart(
        self,
        update: Update,
        context: Context,
        work: Coroutine[Any, Any, None],
        *,
        held: float | None = HELD,
    ) -> None:
        """Do what may take long in a task of its own; the update is in hand until then, or for `held` s."""

        async def safely() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - whatever it is, both sides are told
                _told(error)
                if not isinstance(error, TelegramError):
                    await self._say(update, texts.FAILED(lang_of(update)))

        task = context.application.create_task(safely())
        context.application.create_task(asyncio.wait({task}, timeout=held), update=update)

    def _forget(self, key: tuple[int, int], paste: Paste) -> None:
        if self._pastes.get(key) is paste and paste.is_over:
            del self._pastes[key]

    async def _read_part(self, paste: Paste, part: Message, lang: str | None) -> None:
        """Answer to all that has come of a paste; what has been answered is said anew with each part."""
        async with paste.turn:
            if part.message_id in paste.answered:
                return
            if paste.answer:
                await paste.more(0.0 if paste.is_over else GATHERED)
            sources, reading = await _read_parts(paste)
            while not (reading.is_trouble or paste.is_over) and await paste.more(PATIENCE):
                sources, reading = await _read_parts(paste)
            paste.answer = await self._answer(sources, reading, lang, paste.answer)
            paste.answered = frozenset(source.message_id for source in sources)

    async def _read_text(self, source: Message, text: str, lang: str | None) -> None:
        await self._answer([source], await _read(text), lang)

    async def _read_file(
        self, message: Message, document: Document, update: Update, note: Message | None = None
    ) -> None:
        lang, size = lang_of(update), document.file_size or 0
        if (document.mime_type or "").startswith(_NO_TEXT):
            await reply(message, answers.Page(texts.NO_TEXT(lang)))
            return
        if size > files.LARGEST:
            html = texts.TOO_LARGE(lang, size=megabytes(size), limit=files.LARGEST // 1_000_000)
            await reply(message, answers.Page(html))
            return
        key = message.chat_id, message.message_id
        self._at_work.add(key)
        try:
            await self._read_in_turn(message, document, update, note)
        finally:
            self._at_work.discard(key)

    async def _read_in_turn(
        self, message: Message, document: Document, update: Update, note: Message | None
    ) -> None:
        lang, size = lang_of(update), document.file_size or 0
        who = update.effective_user.id if update.effective_user else 0
        with contextlib.suppress(TelegramError):
            await message.chat.send_action(ChatAction.TYPING, message_thread_id=thread(message))
        watch = Watch(message, lang, size, note)
        try:
            async with watch, self._queue.turn(who, size or files.LARGEST):
                watch.share = 0.0
                reading = await files.read(lambda: _download(document), size, watch.tell)
        except files.BusyError:
            await reply(message, answers.Page(texts.BUSY(lang)), watch.note)
        except RefusedError as error:
            found = watch.cut_off() if error.why == "slow" else None
            if found:
                await self._answer([message], found, lang, watch.note)
            else:
                html = texts.REFUSED[error.why](lang, limit=MEMBERS)
                await reply(message, answers.Page(html), watch.note)
        else:
            await self._answer([message], reading, lang, watch.note)

    async def _answer(
        self, sources: list[Message], reading: Reading, lang: str | None, note: Message | None = None
    ) -> Message:
        is_picture = not sources[-1].text and not sources[-1].document
        if reading.is_empty and is_picture:  # which has it all
            return await reply(sources[-1], answers.Page(texts.NO_TEXT(lang)))
        page = answers.log(reading, lang, deletable=bool(reading.leaks))
        if reading.is_empty and len(sources) == 1 and not sources[0].document:
            page = answers.asked(_text(sources[0]), lang) or page
        answer = await reply(sources[-1], page, note)
        if len(sources) == 1 and sources[0].text:
            # Its number alone: the message itself may quote what people wrote, which is not kept.
            self._answers.keep((sources[0].chat_id, sources[0].message_id), answer.message_id)
        author = sources[-1].from_user
        ids = tuple(each.message_id for each in sources) if reading.leaks else ()
        if page.rows:
            said = Said(reading, ids, author.id if author else None)
            self._said.keep((answer.chat_id, answer.message_id), said)
        return answer

    async def _say(self, update: Update, html: str) -> None:
        if update.effective_message:
            await reply(update.effective_message, answers.Page(html))


async def introduce(application: Application[Any, Any, Any, Any, Any, Any]) -> None:
    """Tell Telegram the commands, in both languages; where that fails they work all the same.

    And read something, for the first to paste a log is not to wait for what is made ready once.
    """
    ready = asyncio.create_task(asyncio.to_thread(_try_out))
    for lang, code in (("en", None), *(("ru", code) for code in texts.RUSSIAN)):
        commands = [BotCommand(name, what(lang)) for name, what in texts.COMMANDS.items()]
        with contextlib.suppress(TelegramError):
            await application.bot.set_my_commands(commands, language_code=code)
    await ready


def _try_out() -> None:
    for lang in ("en", "ru"):
        answers.log(read_text(FIRST), lang)
        answers.suggestions(FIRST, lang)


def _told(error: BaseException) -> None:
    """Tell the operator what failed and where. An exception's words may be a user's: they are left out."""
    if is_shut(error):
        return
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).parent == Path(__file__).parent] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else "no frame"
    logger.error("A handler failed with %s in %s", type(error).__name__, place)


async def _read(text: str) -> Reading:
    # Off the loop: a hostile text must not keep other users waiting.
    return await asyncio.to_thread(read_text, text[:PASTED])


async def _read_parts(paste: Paste) -> tuple[list[Message], Reading]:
    sources = paste.told()
    return sources, await _read("\n".join(map(_text, sources)))


async def _download(document: Document) -> bytearray:
    try:
        return await (await document.get_file()).download_as_bytearray()
    except TelegramError as error:
        raise RefusedError("gone") from error


async def _is_administrator(context: Context, chat: Any, query: CallbackQuery) -> bool:
    if chat.type == ChatType.PRIVATE:
        return True
    try:
        member = await context.bot.get_chat_member(chat.id, query.from_user.id)
    except TelegramError:
        return False
    return member.status in {ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.OWNER}


def _article(code: str, title: str, description: str, page: Page) -> InlineQueryResultArticle:
    content = InputTextMessageContent(page.html, ParseMode.HTML, link_preview_options=PLAIN)
    return InlineQueryResultArticle(
        code, title, content, description=description, reply_markup=keyboard(page)
    )


def _is_command(message: Message) -> bool:
    """Whether it is one, and no log whose first line begins with a path."""
    text = message.text or ""
    return text.startswith("/") and "\n" not in text and len(text.split()) == 1 and text.count("/") == 1


def _text(message: Message) -> str:
    return message.text or message.caption or ""
