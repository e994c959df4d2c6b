"""Keeps one lock, in a thread and an event loop of its own: a handler that blocks the bot's loop keeps it.

It does what the state table says and brings back what came of it. How a lock is kept at all is the session's
business: a PostgreSQL connection or a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from logrules.core.guarding.lease import (
    LAST_WORD,
    SOFT,
    TABLE,
    Action,
    BrokenError,
    Event,
    Lease,
    OpeningError,
    RefusedError,
    State,
    Step,
    UnavailableError,
    is_clean,
    notice,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from logrules.core.guarding.lease import Fence, Holder, Runs, Session, Timers
    from logrules.core.model import Report

T = TypeVar("T")

_FENCED = Step(State.FAILED, None, Action.END)
"""What is left to do for a keeper that was fenced off: nothing that is worth a word."""

_GOOD = {State.GRACE, State.HOLDING, State.RELEASED}
"""What the wrapper says itself, where it is the one that holds the lock."""

CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
LEAST = 1.0
"""Seconds of permission below which a poll is not worth beginning."""
EVICTION = 2.0
"""Seconds for the server to end a session that we have told it to end."""


def steady() -> float:
    """Seconds on a clock that nobody sets and that goes on while the host sleeps, where there is one."""
    return time.clock_gettime(CLOCK)


class Keeper:
    """One lock from the first attempt to the last announcement.

    Args:
        session: what keeps it; used from the keeper's thread only.
        timers: all durations.
        report: where each code is said.
        changed: called with each step, in the keeper's thread or the watchdog's; must not block.
        runs: where it is noted that this run has begun, and that it has ended in order.
    """

    def __init__(
        self,
        session: Session,
        timers: Timers,
        report: Report,
        changed: Callable[[Step], None],
        *,
        runs: Runs | None = None,
    ) -> None:
        self.session = session
        self.timers = timers
        self.waited = False
        """Whether somebody else held the lock when we came: then this start is a handover."""
        self.epoch: int | None = None
        self.holder: str | None = None
        """Who held the lock when we last looked, while we wait for it."""
        self._report = report
        self._changed = changed
        self._fence: Fence | None = None
        self._runs = runs
        self._lease = Lease()
        self._thread = threading.Thread(target=self._run, name="logrules-lock", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mutex = threading.RLock()
        self._stopping = False
        self._asked: list[Future[bool]] = []
        self._polls = 0
        self._deadline = 0.0
        """Until when the last proof is good; 0 without the lock."""
        self._fenced_at: float | None = None
        """When the fence comes down; None while it is not up."""
        self._acquired = 0.0
        self._proved = 0.0
        self._settles = 0.0
        self._clean = True
        self._why: Exception | None = None
        self._loss: str | None = None
        self._started = 0.0
        self._notices = 0
        self._attempts = 0
        self._trouble: float | None = None
        self._told: set[tuple[Event, str | None]] = set()

    # For every thread

    def start(self, fence: Fence | None = None) -> None:
        """Begin to acquire; each change is told to `changed`.

        `fence` ends this process if it cannot prove the lock in time; its deadlines are on the clock `CLOCK`.
        """
        self._fence = fence
        self._thread.start()

    def remaining(self) -> float:
        """Seconds for which the last proof still allows to poll; 0 without the lock."""
        return max(0.0, self._deadline - SOFT - steady())

    def begin(self) -> float:
        """A poll may begin: for how many seconds, and `end` it; 0: it may not.

        From here to `end` the fence stays up, lock or no lock: what has passed this check can be sent later.
        """
        with self._mutex:
            left = self.remaining()
            if left < LEAST:
                return 0.0
            self._polls += 1
            return left

    def end(self) -> None:
        """A poll that could begin is over: nothing of it can be sent any more."""
        with self._mutex:
            self._polls -= 1
            self._mind_fence()

    def last_word(self) -> float | None:
        """When LOCK_FENCED is due unless a proof comes first; None while no fence is up, or it is said."""
        at = self._fenced_at
        expected = (self._lease.state, Event.FENCED) in TABLE
        return at - LAST_WORD if at is not None and expected else None

    def fence_off(self) -> None:
        """No proof has come and time is up: stop polling, say so, end. For any thread but the keeper's."""
        with self._mutex:
            due = self.last_word()
            if due is None or steady() < due:
                return  # a proof has come after all
            step = self._lease.on(Event.FENCED)
            self._set_deadline(0.0)
        self._why = None
        self._end_run()
        self._changed(step)
        self._answer(ours=False)
        self._say(step)

    def expired(self) -> bool:
        """Whether the fence has come down; who can ask lives without one, and must go."""
        return self._fenced_at is not None and steady() >= self._fenced_at

    def held_for(self) -> float:
        """Seconds since the lock was acquired."""
        return steady() - self._acquired

    def unproved_for(self) -> float | None:
        """Seconds since the last proof; None without the lock."""
        return steady() - self._proved if self._deadline else None

    def prove(self) -> Future[bool]:
        """Prove the lock now; the result is whether it is ours."""
        answer: Future[bool] = Future()
        with self._mutex:
            self._asked.append(answer)
        if not self._wake():
            self._answer(ours=False)
        return answer

    def release(self) -> None:
        """Let go as soon as may be, cleanly; also gives a wait up. Safe to call twice."""
        self._stopping = True
        self._wake()

    def join(self, seconds: float) -> bool:
        """Wait for the end; whether it came in time."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _set_deadline(self, deadline: float) -> None:
        with self._mutex:
            self._deadline = deadline
            self._mind_fence()

    def _mind_fence(self) -> None:
        """Up, with the mutex held, while anything may be polled under a lock that others can be given."""
        if not self.session.provable:
            return
        if self._deadline:
            self._fenced_at = self._deadline
            if self._fence is not None:
                self._fence.extend(self._deadline)
        elif self._polls == 0 and self._fenced_at is not None:
            self._fenced_at = None
            if self._fence is not None:
                with contextlib.suppress(
                    OSError
                ):  # what cannot be taken down comes down: we are safe, not alive
                    self._fence.disarm()

    def _wake(self) -> bool:
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # it has ended
            return False
        return True

    # In the keeper's thread from here on

    def _run(self) -> None:
        try:
            asyncio.run(self._drive())
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is told in full
            self._fail(error)
        finally:
            self._loop = None
            self._answer(ours=False)

    def _fail(self, error: Exception) -> None:
        """Whatever it was, nobody keeps the lock any more."""
        with self._mutex:
            self._set_deadline(0.0)
            fenced = self._lease.state is State.FAILED
            self._lease.state = State.FAILED
        if fenced:
            return  # it has been said
        self._why = error
        step = Step(State.FAILED, "LOCK_LOST", Action.END)
        self._changed(step)
        self._end_run()
        self._say(step)

    async def _drive(self) -> None:
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._started = steady()
        actions: dict[Action, Callable[[], Coroutine[Any, Any, Event]]] = {
            Action.CONNECT: lambda: self._unless_stopped(self._connect()),
            Action.TRY: lambda: self._unless_stopped(self._try()),
            Action.WAIT: lambda: self._unless_stopped(self._wait()),
            Action.PROVE: lambda: self._unless_stopped(self._prove()),
            Action.KEEP: self._keep,
            Action.REACQUIRE: lambda: self._unless_stopped(self._reacquire()),
            Action.UNLOCK: self._unlock,
        }
        event = Event.START
        try:
            while (step := await self._enter(event)).action is not Action.END:
                try:
                    event = await actions[step.action]()
                except BrokenError as error:
                    self._why = error
                    event = Event.BROKEN
        finally:
            self.session.terminate()

    async def _enter(self, event: Event) -> Step:
        with self._mutex:
            if self._lease.state is State.FAILED:  # fenced off meanwhile, and said
                return _FENCED
            step = self._lease.on(event)
            holding = step.state is State.HOLDING
            self._set_deadline(self._proved + self.timers.fence if holding else 0.0)
        if step.action in {Action.END, Action.UNLOCK}:
            self._end_run()  # before the unlock: then somebody else looks
        if step.action is Action.END:
            self._say(step)  # first: with the last change the process may end
            self._changed(step)
            return step
        self._changed(step)  # first: polling is cancelled at once, the line can wait
        if step.state is State.LOST:
            self._answer(ours=False)
        self._say(step, await self._holder() if step.state is State.WAITING else None)
        if step.state is State.GRACE:
            self._begin_run()
        return step

    async def _holder(self) -> Holder | None:
        try:
            holder = await self._ask(self.session.holder(), self.timers.answer)
        except BrokenError:
            return None  # the wait that follows finds it out as well
        self.holder = holder.instance if holder is not None else None
        return holder

    async def _ask(self, call: Awaitable[T], seconds: float) -> T:
        """The session's answer. On doubt the connection is dropped: a cancelled query could leak the lock."""
        task = asyncio.ensure_future(call)
        task.add_done_callback(_seen)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            self.session.terminate()
            task.cancel()
            raise BrokenError(f"no answer within {seconds:g} s")
        return task.result()

    async def _unless_stopped(self, work: Coroutine[Any, Any, Event]) -> Event:
        task = asyncio.ensure_future(work)
        task.add_done_callback(_seen)
        while not task.done() and not self._stopping:
            self._woken.clear()
            waker = asyncio.ensure_future(self._woken.wait())
            await asyncio.wait({task, waker}, return_when=asyncio.FIRST_COMPLETED)
            waker.cancel()
            if not self._lease.state.holds:
                self._answer(ours=False)
        if task.done():
            return task.result()
        self.session.terminate()  # first, so that cancelling finds no query to leak a grant from
        task.cancel()
        await asyncio.wait({task})
        return Event.STOP

    async def _connect(self) -> Event:
        """Until connected. Each kind of trouble is worth one line; the end of our patience is the last."""
        while True:
            if self._trouble is not None and steady() - self._trouble >= self.timers.patience:
                why = self._why
                return why.too_long if isinstance(why, UnavailableError) else Event.UNREACHABLE_TOO_LONG
            await asyncio.sleep(self._back_off())
            try:
                lacking = await self.session.connect(self._lost)
            except RefusedError as error:
                self._why = error
                return error.event
            except UnavailableError as error:
                self._why = error
                if self._is_new(error):
                    return error.event
                continue
            if lacking:
                self._say_lacking(lacking)
            return Event.CONNECTED

    def _back_off(self) -> float:
        self._attempts += 1
        if self._attempts == 1:
            return 0.0
        return min(5.0, 0.1 * 2.0**self._attempts) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret

    def _is_new(self, error: UnavailableError) -> bool:
        if self._trouble is None:
            self._trouble = steady()
        kind = error.event, error.reason
        is_new = kind not in self._told
        self._told.add(kind)
        return is_new

    def _calm(self) -> None:
        self._attempts = 0
        self._told.clear()
        self._trouble = None

    async def _try(self) -> Event:
        if self._trouble is None:
            self._trouble = steady()  # until it has shown that it works
        if await self._ask(self._take(), self.timers.answer):
            return Event.GRANTED
        self.waited = True
        self._notices = 1
        return Event.BUSY

    async def _take(self) -> bool:
        """The lock, if it is free or only a former session of ours is in the way."""
        session = self.session
        return await session.try_lock() or (await session.evict() and await session.wait_lock(EVICTION))

    async def _wait(self) -> Event:
        since = steady() - notice(self._notices - 1)
        while not await self._ask(
            self.session.wait_lock(self.timers.chunk), self.timers.chunk + self.timers.answer
        ):
            self._calm()
            if steady() - since >= notice(self._notices):
                self._notices += 1
                return Event.BUSY
        return Event.GRANTED

    async def _prove(self) -> Event:
        await self._beat()
        grant = await self._ask(self.session.granted(), self.timers.answer)
        self._calm()
        self._loss = self._why = None
        self.epoch = grant.epoch
        if self._lease.state is State.PROVING:
            self._acquired = steady()  # after a loss the lock is held since its first grant
        self._clean = is_clean(
            self.timers, announced=self.session.announced, waited=self.waited, server_age=grant.server_age
        )
        self._settles = steady() + (0.0 if self._clean else self.timers.grace)
        return Event.PROVED

    async def _beat(self) -> None:
        sent = steady()
        if not await self._ask(self.session.prove(), self.timers.answer):
            raise BrokenError("this session does not hold the lock any more")
        self._proved = sent
        with self._mutex:
            if self._deadline:
                self._set_deadline(sent + self.timers.fence)
        if self._fence is not None and not self.session.provable:
            self._fence.disarm()  # it sets no deadline, but who is to end what we run must be there
        if self._lease.state.holds:
            self._answer(ours=True)

    async def _keep(self) -> Event:
        while True:
            if self._loss is not None:
                raise BrokenError(self._loss)
            if self._stopping:
                return Event.STOP
            now = steady()
            due = self._proved + self.timers.keepalive
            if self._lease.state is State.GRACE:
                if now >= self._settles:
                    return Event.SETTLED
                due = min(due, self._settles)
            if self._asked or now >= self._proved + self.timers.keepalive:
                await self._beat()
            else:
                await self._doze(due - now)

    async def _doze(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def _lost(self, why: str) -> None:
        self._set_deadline(0.0)
        self._loss = why
        self._woken.set()

    async def _reacquire(self) -> Event:
        self._loss = None
        try:
            return await self._ask(self._regain(), self.timers.answer)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told in full and ends the process
            self._why = error
            return Event.BROKEN

    async def _regain(self) -> Event:
        await self.session.connect(self._lost)
        if not await self._take():
            self._why = BrokenError(_who_holds(await self.session.holder()))
            return Event.DENIED
        await self._prove()
        return Event.REGAINED

    async def _unlock(self) -> Event:
        await self._ask(self.session.unlock(), self.timers.connect)
        return Event.UNLOCKED

    def _answer(self, *, ours: bool) -> None:
        with self._mutex:
            asked, self._asked = self._asked, []
        for answer in asked:
            if answer.set_running_or_notify_cancel():
                answer.set_result(ours)

    # What is said

    def _say(self, step: Step, holder: Holder | None = None) -> None:
        if step.code is None or (self.session.kind == "wrapper" and step.state in _GOOD):
            return
        error = self._why if step.fatal and self._why is not None else None
        message, attrs = self._words(step, holder)
        reason = self._reason(step, holder)
        self._report(
            step.code, message, reason=reason, fatal=step.fatal, error=error, epoch=self.epoch, attrs=attrs
        )

    def _reason(self, step: Step, holder: Holder | None) -> str | None:
        if step.state is State.WAITING:
            return "foreign" if holder is not None and holder.foreign else None
        is_trouble = step.state is State.CONNECTING or step.fatal
        return self._why.reason if is_trouble and isinstance(self._why, OpeningError) else None

    def _say_lacking(self, lacking: tuple[str, ...]) -> None:
        words = (
            "This server cannot free the lock of a silent holder: a frozen instance keeps it until somebody "
            f"ends it, and one that is cut off keeps it for about {self.timers.dropped:g} s"
        )
        attrs = {"lacking": list(lacking), **self.session.facts()}
        self._report("LOCK_LEASE_UNSUPPORTED", words, attrs=attrs)

    def _begin_run(self) -> None:
        if self._runs is None:
            return
        for run in self._runs.begin(self.epoch or 0):
            words = (
                f"The run of {run.instance} before this one has not ended in order: it was killed, "
                "or its machine went away"
            )
            self._report("RUN_UNFINISHED", words, epoch=self.epoch, attrs={"run": run._asdict()})

    def _end_run(self) -> None:
        if self._runs is not None:
            self._runs.end()

    def _words(self, step: Step, holder: Holder | None) -> tuple[str, dict[str, Any]]:
        what = "PostgreSQL advisory lock" if self.session.kind == "postgres" else "File lock"
        kept = what.removeprefix("PostgreSQL ").capitalize()
        facts, timers = self.session.facts(), self.timers
        held = round(self.held_for(), 3) if self._acquired else 0.0
        grant = {
            "waited": round(self._acquired - self._started, 3),
            "clean": self._clean,
            "grace": max(0.0, round(self._settles - self._acquired, 3)),
        }
        keeping = {"keepalive": timers.keepalive, "lease": timers.lease}
        words: dict[str, tuple[str, dict[str, Any]]] = {
            "LOCK_WAITING": self._about(holder),
            "LOCK_ACQUIRED": (f"{what} acquired", {**facts, **grant}),
            "KEEPALIVE_STARTED": (
                f"{kept} keep-alive task started: a proof every {timers.keepalive:g} s",
                keeping,
            ),
            "LOCK_LOST": (f"{what} lost: {self._why}; polling has stopped", {"held": held, **facts}),
            "LOCK_FENCED": (
                f"{what} unproved for {steady() - self._proved:.1f} s: polling has stopped",
                {"held": held, "fence": timers.fence, **facts},
            ),
            "LOCK_REACQUIRED": (f"{what} acquired again; polling goes on", facts),
            "LOCK_REACQUIRE_FAILED": (f"Error reacquiring lock: {self._why}", facts),
            "LOCK_RELEASED": (f"{what} released", {"held": held, **facts}),
        }
        return words.get(step.code or "") or self._trouble_words(step)

    def _trouble_words(self, step: Step) -> tuple[str, dict[str, Any]]:
        facts = self.session.facts()
        if step.state is State.CONNECTING:
            patience = f"{self.timers.patience:g} s"
            return f"{self._why}; trying again for up to {patience}, not polling meanwhile", facts
        if step.code in {"DB_UNREACHABLE", "DB_TOO_MANY_CONNECTIONS"}:
            return f"{self._why}; given up after {self.timers.patience:g} s", facts
        return str(self._why), facts

    def _about(self, holder: Holder | None) -> tuple[str, dict[str, Any]]:
        waited = round(steady() - self._started, 1)
        if holder is None:
            return "Waiting for the lock", {"waited": waited, **self.session.facts()}
        message = f"Waiting for the lock: {_who_holds(holder)}"
        if holder.since is not None:
            message += f", connected for {holder.since:.0f} s"
        if holder.silent is not None and not holder.foreign:
            message += f", last proof {holder.silent:.0f} s ago"
            if holder.silent > self.timers.keepalive + self.timers.answer:
                rest = max(0.0, self.timers.lease - holder.silent)
                message += f"; it is stalled, and the server frees the lock in about {rest:.0f} s"
        known = {
            k: value for k, value in holder._asdict().items() if value is not None and value is not False
        }
        return message, {"holder": known, "waited": waited, **self.session.facts()}


def _seen(task: asyncio.Future[Any]) -> None:
    """An error nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()


def _who_holds(holder: Holder | None) -> str:
    if holder is None:
        return "another session holds it"
    if holder.former:
        return f"our own former session (backend {holder.pid}) still holds it"
    if holder.foreign:
        return f"{holder.instance} holds it, which is no bot of logrules"
    return f"{holder.instance} holds it"
