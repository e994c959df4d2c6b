"""`make image`: builds and runs the image of the Dockerfile without a Docker engine.

Each stage is a root directory of its own, an overlay over this machine's, with Python in /usr/local as the
official image has it, none of this machine's environment and none of its home directories. The steps of the
Dockerfile are carried out in it one after the other. Then the image's own command is run as process 1 of a
PID namespace, as the image's user, against a double of Telegram's Bot API: it must poll, and end with 0 on
SIGTERM; then it goes the way that docs/render.md leads, to the alert in a chat. All of it happens in a mount
namespace, which leaves nothing behind.

What this cannot tell: whether the base image has what a step needs (this machine has more), and how Docker
itself behaves. It needs root, `unshare`, overlayfs, and the package registry.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.testing import BotApiServer, PostgresServer
from tests.image.recipe import ROOT, Stage, context, stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
REGISTRY = re.compile(r"PIP_|SSL_CERT_|REQUESTS_CA|https?_proxy|HTTPS?_PROXY")
"""Variables by which this machine reaches a package registry, and nothing else."""
HIDDEN = ("root", "home", "tmp", "srv", "var/tmp")
"""Folders of this machine that no image has anything in."""
DEVICES = ("null", "zero", "full", "random", "urandom")
PATIENCE = 60
"""Seconds: Render's delay between SIGTERM and SIGKILL, as render.yaml asks for it."""
ALERTS = "987654321:" + "A" * 35
"""The token of the bot that tells; nobody's."""
CHAT = "42"
BUILDERS = ("pip", "hatchling", "setuptools", "wheel")
INSIDE = "LOGRULES_IMAGE_INSIDE"


class Root:
    """One stage's root directory."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.path = folder / "root"
        self.environ = {"PATH": PATH, "LANG": "C.UTF-8"}
        self.user = "0"
        self.place = "/"
        self.command: list[str] = []
        _overlay(Path("/"), folder / "system", self.path)
        for name in HIDDEN:
            if (self.path / name).is_dir():
                _mount("-t", "tmpfs", "tmpfs", self.path / name)
        for name in DEVICES:
            (self.path / "dev" / name).touch()
            _mount("--bind", f"/dev/{name}", self.path / "dev" / name)
        _overlay(python, folder / "python", self.path / "usr/local")
        subprocess.run(["chroot", self.path, "/sbin/ldconfig"], check=True)
        pip = self.path / "usr/local/bin/pip"
        pip.unlink(missing_ok=True)
        pip.write_text('#!/bin/sh\nexec /usr/local/bin/python -m pip "$@"\n')
        pip.chmod(0o755)

    def carry_out(self, stage: Stage, others: Mapping[str, Root]) -> None:
        """Every step of a stage. Raises CalledProcessError."""
        for step in stage.steps:
            started = time.monotonic()
            getattr(self, f"_{step.word.lower()}")(step.rest, others)
            if step.word in {"RUN", "COPY"}:
                print(f"  {time.monotonic() - started:5.1f} s  {step.word} {step.rest[:80]}", flush=True)

    def within(self, *command: str, **more: str) -> list[str]:
        """`command` as it is run in here, by the user and in the folder of the step before."""
        environ = [f"{name}={value}" for name, value in (self.environ | more).items()]
        into = ["chroot", f"--userspec={self.user}:{self.user}", str(self.path), "/usr/bin/env", "-i"]
        return [*into, f"--chdir={self.place}", f"HOME={self._home()}", *environ, *command]

    def of(self, path: str) -> Path:
        """A path in here, as it is seen from outside."""
        return self.path / path.lstrip("/")

    def _home(self) -> str:
        lines = self.of("/etc/passwd").read_text().splitlines()
        homes = {fields[2]: fields[5] for fields in (line.split(":") for line in lines)}
        return homes.get(self.user, "/")

    def _env(self, rest: str, _others: Mapping[str, Root]) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.environ[name] = re.sub(r"\$(\w+)", lambda found: self.environ.get(found[1], ""), value)

    def _workdir(self, rest: str, _others: Mapping[str, Root]) -> None:
        self.place = rest
        self.of(rest).mkdir(parents=True, exist_ok=True)

    def _user(self, rest: str, _others: Mapping[str, Root]) -> None:
        self.user = rest

    def _run(self, rest: str, _others: Mapping[str, Root]) -> None:
        registry = {name: value for name, value in os.environ.items() if REGISTRY.match(name)}
        subprocess.run(self.within("/bin/sh", "-c", rest, **registry), check=True, stdout=subprocess.DEVNULL)

    def _copy(self, rest: str, others: Mapping[str, Root]) -> None:
        *sources, target = rest.split()
        to = self.of(target if target.startswith("/") else f"{self.place}/{target}")
        if sources[0].startswith("--from="):
            subprocess.run(["cp", "-a", others[sources[0][7:]].of(sources[1]), to], check=True)
            return
        for source in sources:
            for name in context():
                if name == source or name.startswith(f"{source}/"):
                    inner = name[len(source) :].lstrip("/") or (source if target.endswith("/") else "")
                    (to / inner).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, to / inner)

    def _cmd(self, rest: str, _others: Mapping[str, Root]) -> None:
        self.command = json.loads(rest)

    def _stopsignal(self, rest: str, _others: Mapping[str, Root]) -> None:
        assert rest == "SIGTERM"


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def _overlay(lower: Path, folder: Path, target: Path) -> None:
    for name in ("up", "work"):
        (folder / name).mkdir(parents=True)
    target.mkdir(parents=True, exist_ok=True)
    _mount("-t", "overlay", "-o", f"lowerdir={lower},upperdir={folder}/up,workdir={folder}/work", "x", target)


def python_like(base: str) -> Path:
    """The prefix of a Python of the version that an image asks for, or else of this one."""
    version = base.partition(":")[2].partition("-")[0]
    asked = [
        f"python{version}",
        *sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))),
    ]
    for each in [*asked, sys.executable]:
        told = "import sys; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
        done = (
            subprocess.run([each, "-c", told], capture_output=True, text=True, check=False)
            if shutil.which(each)
            else None
        )
        if done and not done.returncode and not done.stdout.startswith("/usr "):
            prefix, found = done.stdout.split()
            print(f"{base}: Python {found}{'' if found == version else ', for want of ' + version}")
            return Path(prefix)
    raise SystemExit("needs a Python with a prefix of its own, such as pyenv's")


def build(folder: Path) -> Root:
    """The last stage, ready to run."""
    made: dict[str, Root] = {}
    for stage in stages((ROOT / "Dockerfile").read_text("utf-8")):
        root = made[stage.name] = Root(folder / stage.name, python_like(stage.base))
        root.carry_out(stage, made)
    return root


@contextmanager
def process_1(root: Root, environ: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The image's command in a PID namespace of its own; with its number as it is seen from here."""
    into = ["unshare", "--pid", "--fork", f"--mount-proc={root.of('/proc')}", "--kill-child"]
    command = [*into, *root.within(*root.command, **environ)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as outer:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        while not (inner := children.read_text()) and outer.poll() is None:
            time.sleep(0.01)
        try:
            yield outer, int(inner)
        finally:
            outer.kill()


def run(root: Root) -> None:
    """The command polls as process 1, as nobody special, and ends in order when it is told to."""
    with BotApiServer() as api:
        environ = {"BOT_TOKEN": api.token, "LOGRULES_BOT_API": api.url, "LOGRULES_FLUSH": "1"}
        with process_1(root, environ) as (outer, number):
            said: list[str] = []
            reader = threading.Thread(target=lambda: said.extend(outer.stdout or ()))
            reader.start()
            api.wait_for(lambda: len(api.polls) > 1, PATIENCE)
            uids = re.findall(r"^Uid:\t(\d+)", Path(f"/proc/{number}/status").read_text(), re.MULTILINE)
            told = time.monotonic()
            os.kill(number, signal.SIGTERM)
            status = outer.wait(PATIENCE)
            reader.join()
        text = "".join(said)
    lasted = time.monotonic() - told
    check("polls as process 1, as user 10001", uids == ["10001"], text)
    check(f"SIGTERM ends it with 0, in {lasted:.1f} s", status == 0 and "SHUTDOWN_CLEAN" in text, text)
    check("its state file has a place", "STATE_EPHEMERAL" not in text and "memory" not in text, text)
    check("no token in what it says", api.token.partition(":")[2] not in text, "a secret was printed")


def walk(root: Root) -> None:
    """The walk of docs/render.md to its last step: a second poller, and the alert in a chat.

    Its settings are those of render.yaml, but for the overlap that the page waits for.
    """
    page = (ROOT / "docs" / "render.md").read_text("utf-8")
    (loop,) = re.findall(r"^ +(for n in .*)$", page, re.MULTILINE)
    with PostgresServer() as postgres, BotApiServer() as api:
        api.add_bot(ALERTS)
        environ = {
            "BOT_TOKEN": api.token,
            "DATABASE_URL": postgres.url,
            "LOGRULES_STATE_URL": postgres.url,
            "LOGRULES_ALERT_TOKEN": ALERTS,
            "LOGRULES_ALERT_CHAT": CHAT,
            "LOGRULES_BOT_API": api.url,
            "LOGRULES_OVERLAP": "0",
        }
        with process_1(root, environ) as (outer, _):
            said: list[str] = []
            reader = threading.Thread(target=lambda: said.extend(outer.stdout or ()))
            reader.start()
            api.wait_for(lambda: len(api.polls) > 1, PATIENCE)
            typed = loop.replace("https://api.telegram.org", api.url).replace("<BOT TOKEN>", api.token)
            subprocess.run(["sh", "-c", typed], check=True)
            status = outer.wait(PATIENCE)
            reader.join()
        told = [each.text for each in api.sent if each.chat_id == CHAT]
    text = "".join(said)
    well = status == 75 and all(code in text for code in ("CONFLICT_SUSPECTED", "CONFLICT_409"))
    check("a second poller, as docs/render.md has it, ends it with 75", well, text)
    check("the chat is told of it", any("CONFLICT_409" in each for each in told), text)


def examine(root: Root) -> None:
    """What is in the last stage, and what is not."""
    packages = {path.name.partition("-")[0] for path in root.of("/venv").rglob("*.dist-info")}
    check("no build tools in it", not packages & set(BUILDERS), f"{sorted(packages & set(BUILDERS))}")
    for words in ("--version", "explain CONFLICT_409", "codes"):
        done = subprocess.run(
            root.within("logrules", *words.split()), capture_output=True, text=True, check=False
        )
        check(f"logrules {words}", done.returncode == 0 and bool(done.stdout), done.stderr)
    sizes = subprocess.run(
        ["du", "-sm", root.of("/venv"), root.of("/app")], capture_output=True, text=True, check=True
    )
    venv, app = (line.split()[0] for line in sizes.stdout.splitlines())
    print(f"adds {venv} MB in /venv and {app} MB in /app to the base image")


def check(what: str, well: bool, why: str) -> None:
    """Say what was found. Raises SystemExit where it is not well."""
    print(f"  {'ok' if well else 'NOT OK':6}  {what}", flush=True)
    if not well:
        raise SystemExit(why)


def main() -> None:
    """Build and run, in a mount namespace that is gone afterwards."""
    if os.geteuid() or not shutil.which("unshare"):
        raise SystemExit("make image: needs root and unshare, for overlays and namespaces of its own")
    if INSIDE not in os.environ:
        folder = tempfile.mkdtemp()
        own = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.image"]
        status = subprocess.run(own, env={**os.environ, INSIDE: folder}, check=False).returncode
        Path(folder).rmdir()  # empty once more: all that was in it has gone with the namespace
        sys.exit(status)
    folder = os.environ[INSIDE]
    _mount("-t", "tmpfs", "tmpfs", folder)  # the upper half of an overlay cannot lie on an overlay
    root = build(Path(folder))
    examine(root)
    run(root)
    walk(root)
    print("image: built and run")


if __name__ == "__main__":
    main()
