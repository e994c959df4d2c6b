"""End to end against Bugsink, a real server of Sentry's protocol: what people see of an alert.

It runs where Bugsink is installed; elsewhere these tests are skipped, with the reason.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import URLError

import pytest

from logrules.rules import rules
from logrules.testing.ports import free_port

BIN = os.environ.get("LOGRULES_BUGSINK_BIN") or os.path.dirname(shutil.which("bugsink-manage") or "")  # noqa: PTH120
INSTALL = (
    "Bugsink is not installed: python3 -m venv ../bugsink; ../bugsink/bin/pip install 'bugsink>=2.6.1,<2.7'; "
    "then LOGRULES_BUGSINK_BIN=../bugsink/bin"
)
pytestmark = [pytest.mark.bugsink, pytest.mark.skipif(not BIN, reason=INSTALL)]

MAIL, PASSWORD = "admin@example.org", "a-password-for-tests"
LINES = {
    "CONFLICT_409": "telegram.ext.Updater - ERROR - Error while getting Updates: Conflict: "
    "terminated by other getUpdates request; make sure that only one bot instance is running",
    "TOKEN_INVALID": "telegram.ext.Updater - ERROR - Invalid token; aborting",
    "LOCK_REACQUIRE_FAILED": "bot - ERROR - ❌ Error reacquiring lock: connection is closed",
}
RUN = (sys.executable, "-m", "logrules", "run", "--", sys.executable, "-c")
LIMITS = {
    "PHONEHOME": False,
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES": 100_000,
    "MAX_EVENTS_PER_5_MINUTES": 100_000,
    "MAX_EVENTS_PER_PROJECT_PER_HOUR": 100_000,
    "MAX_EVENTS_PER_HOUR": 100_000,
}


class Bugsink:
    """A server with one project. A request returns when what it brought is in its issue."""

    def __init__(self, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._configure(port)
        self._manage("migrate")
        self._manage("migrate", "snappea", "--database=snappea")
        self._manage("prestart", CREATE_SUPERUSER=f"{MAIL}:{PASSWORD}")
        self._token = self._manage("create_auth_token").split()[-1]
        command = [
            sys_of("gunicorn"),
            f"--bind=127.0.0.1:{port}",
            "--workers=1",
            "--threads=4",
            "bugsink.wsgi",
        ]
        self._server = subprocess.Popen(
            command, cwd=folder, env=self._environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def _environ(self, **more):
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bugsink_conf",
            "PYTHONPATH": str(self._folder),
            **more,
        }

    def _configure(self, port):
        command = [sys_of("bugsink-create-conf"), "--template=local", "--host", "127.0.0.1"]
        subprocess.run(
            [*command, "--port", str(port), "-o", "bugsink_conf.py"],
            cwd=self._folder,
            check=True,
            capture_output=True,
        )
        with (self._folder / "bugsink_conf.py").open("a", encoding="utf-8") as file:
            file.write(f"\nBUGSINK.update({LIMITS!r})\n")

    def _manage(self, *arguments, **more):
        command = [sys_of("bugsink-manage"), *arguments]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environ(**more), capture_output=True, text=True, check=True
        )
        return done.stdout

    def _wait(self):
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                    return
            except URLError:
                assert time.monotonic() < until, "Bugsink does not answer"
                assert self._server.poll() is None
                time.sleep(0.1)

    def api(self, path, **fields):
        """An answer of its REST API; with fields, to a POST."""
        data = json.dumps(fields).encode() if fields else None
        head = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/canonical/0/{path}", data, head)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def project(self, name):
        """A new project: its number and DSN."""
        team = self.api("teams/", name=name)["id"]
        number = self.api("projects/", team=team, name=name)["id"]
        return number, self.api(f"projects/{number}/")["dsn"]

    def issues(self, project):
        """The issues of a project."""
        return self.api(f"issues/?project={project}")["results"]

    def events(self, issue):
        """The events of an issue, as they are kept."""
        listed = self.api(f"events/?issue={issue['id']}")["results"]
        return [self.api(f"events/{event['id']}/")["data"] for event in listed]

    def page(self, path):
        """The text of a page, for somebody who has logged in."""
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = browser.open(f"{self.url}/accounts/login/", timeout=30).read().decode()
        csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        fields = {
            "username": MAIL,
            "password": PASSWORD,
            **({"csrfmiddlewaretoken": csrf[1]} if csrf else {}),
        }
        browser.open(
            f"{self.url}/accounts/login/", urllib.parse.urlencode(fields).encode(), timeout=30
        ).close()
        seen = browser.open(f"{self.url}{path}", timeout=30).read().decode()
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", seen)).split())

    def close(self):
        self._server.terminate()
        self._server.wait()


def sys_of(command):
    return str(Path(BIN).absolute() / command)


@pytest.fixture(scope="module")
def bugsink(tmp_path_factory):
    server = Bugsink(tmp_path_factory.mktemp("bugsink"))
    yield server
    server.close()


def crash(code, dsn, state):
    """A bot that says the words of this code and ends of it."""
    ours = ("LOGRULES_", "SENTRY_", "RENDER")
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
        "SENTRY_DSN": dsn,
        "LOGRULES_STATE": str(state),
        "LOGRULES_SERVICE": "bot",
        "LOGRULES_FLUSH": "20",
        "LOGRULES_LANG": "en",
    }
    said = f"2026-01-15 08:29:41,511 - {LINES[code]}"
    done = subprocess.run(
        [*RUN, f"print({said!r}); raise SystemExit(3)"], env=environ, check=False, timeout=60
    )
    assert done.returncode == 3


def test_one_issue_for_each_code(bugsink, tmp_path):
    """Bots that crash again and again: one issue a code, one event in it, the code in its title."""
    project, dsn = bugsink.project("codes")
    for _ in range(3):
        for code in LINES:
            crash(code, dsn, tmp_path / "state.db")
    issues = bugsink.issues(project)

    titles = sorted(f"{issue['calculated_type']} {issue['calculated_value']}" for issue in issues)
    assert [code for code in sorted(LINES) for title in titles if code in title] == sorted(LINES)
    assert len(issues) == len(LINES)
    assert [issue["digested_event_count"] for issue in issues] == [1] * len(LINES)


def test_restarts_without_a_disk_are_one_event(bugsink):
    """Nothing survives a restart but the event's id: the server counts it once within a repeat interval."""
    project, dsn = bugsink.project("no disk")
    repeat = rules["CONFLICT_409"].alert.repeat
    if time.time() % repeat > repeat - 60:
        pytest.skip("the repeat interval ends within a minute")
    for _ in range(3):
        crash("CONFLICT_409", dsn, ":memory:")
    (issue,) = bugsink.issues(project)

    assert issue["digested_event_count"] == 1


def test_remediation_is_readable(bugsink, tmp_path):
    """The page of the issue shows every step, whole, and the event says what people filter by."""
    project, dsn = bugsink.project("page")
    crash("CONFLICT_409", dsn, tmp_path / "state.db")
    (issue,) = bugsink.issues(project)
    (event,) = bugsink.events(issue)
    page = bugsink.page(f"/issues/issue/{issue['id']}/event/last/details/")
    code = rules.specs["CONFLICT_409"].why("other_getupdates")

    assert event["tags"]["code"] == "CONFLICT_409"
    assert event["level"] == "fatal"
    for step in code.remediation_lines("en").splitlines():
        assert " ".join(step.split()) in page
