"""What platforms read: the Blueprint against Render's own schema, the image's recipe against this tree."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bot import texts
from logrules import settings
from logrules.core.guarding.health import Health, Phase, page
from logrules.core.guarding.lease import Timers
from logrules.core.model import Exit
from logrules.polling import life as guarded
from logrules.sidecar import life, standby
from tests.image.recipe import Step, ignored, stages

ROOT = Path(__file__).parent.parent
SCHEMA = Draft202012Validator(json.loads((ROOT / "tests/data/render.yaml.schema.json").read_text("utf-8")))
BLUEPRINT_TEXT = (ROOT / "render.yaml").read_text("utf-8")
BLUEPRINT = yaml.safe_load(BLUEPRINT_TEXT)
WORKER = BLUEPRINT["services"][0]
DATABASE = BLUEPRINT["databases"][0]
SECRET = re.compile(r"TOKEN|DSN|SECRET|PASSWORD|_KEY|CHAT")


IMAGE = stages((ROOT / "Dockerfile").read_text("utf-8"))
BUILD, FINAL = IMAGE


WAY_OUT = (
    max(life.GRACE, Timers().drain + guarded.LAST_ANSWER) + life.DRAIN + standby.LEFT_BEHIND + settings.FLUSH
)
"""Seconds from SIGTERM to the end, at most: a guarded bot under `run --lock`."""


def test_blueprint_is_valid() -> None:
    """Render's schema finds nothing wrong with render.yaml."""
    assert [error.message for error in SCHEMA.iter_errors(BLUEPRINT)] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("maxShutdownDelaySeconds: 60", "maxShutdownDelaySeconds: 301"),
        ('generation: "off"', "generation: off"),
        ("runtime: docker", "env: docker"),
        ("type: worker", "type: background"),
        ("numInstances: 1", "numInstances: 0"),
    ],
)
def test_schema_tells_right_from_wrong(right: str, wrong: str) -> None:
    """The schema that we compare with still refuses what Render refuses, for all that was taken out of it."""
    assert right in BLUEPRINT_TEXT

    assert list(SCHEMA.iter_errors(yaml.safe_load(BLUEPRINT_TEXT.replace(right, wrong)))) != []


def test_bot_is_a_worker_of_one() -> None:
    """A polling bot is one background worker built from our Dockerfile, and no preview polls beside it."""
    chosen = (WORKER["type"], WORKER["runtime"], WORKER["numInstances"], WORKER["previews"]["generation"])

    assert chosen == ("worker", "docker", 1, "off")
    assert BLUEPRINT["previews"]["generation"] == "off"


def test_lock_gets_the_direct_address() -> None:
    """DATABASE_URL is the direct address within one region: a pooler cannot keep an advisory lock."""
    sources = {env["key"]: env.get("fromDatabase") for env in WORKER["envVars"]}

    assert sources["DATABASE_URL"] == {"name": DATABASE["name"], "property": "connectionString"}
    assert DATABASE["region"] == WORKER["region"]
    assert int(DATABASE["postgresMajorVersion"]) >= 14


def test_database_is_private() -> None:
    """Nobody outside Render's private network reaches the database."""
    assert DATABASE["ipAllowList"] == []


def test_no_secret_in_the_blueprint() -> None:
    """Every secret is asked for in the Dashboard: none has a value in the file, none is synced."""
    secrets = [env for env in WORKER["envVars"] if SECRET.search(env["key"])]

    assert {env["key"] for env in secrets} >= {"BOT_TOKEN", "SENTRY_DSN", "LOGRULES_ALERT_TOKEN"}
    assert all(env.keys() == {"key", "sync"} and env["sync"] is False for env in secrets)


def test_shutdown_fits_into_the_delay() -> None:
    """Render waits longer for the end than the longest way there: the guard's or ours, drain and flush."""
    assert WORKER["maxShutdownDelaySeconds"] > WAY_OUT


def test_overlap_budget_covers_a_deploy() -> None:
    """A deploy on Render, 60 s of overlap and the shutdown delay, fits into the overlap budget."""
    assert 60 + WORKER["maxShutdownDelaySeconds"] < settings.OVERLAP


def test_image_runs_the_sidecar() -> None:
    """The image's command is `logrules run -- python -m bot` in exec form, so that SIGTERM arrives."""
    command = [step.form for step in FINAL.steps if step.word in {"CMD", "ENTRYPOINT"}]

    assert command == [["logrules", "run", "--", "python", "-m", "bot"]]
    assert FINAL.all("STOPSIGNAL") == ["SIGTERM"]


def test_image_is_not_root() -> None:
    """The process runs as a number other than 0, chosen after everything that needs root.

    Behind it we run ourselves, and nothing else: what we keep is believed only if it is that user's own.
    """
    (user,) = FINAL.all("USER")
    after = FINAL.steps[FINAL.steps.index(Step("USER", user)) :]

    assert user.isdigit()
    assert int(user) > 0
    assert [step.word for step in after if step.word in {"COPY", "ADD"}] == []
    assert [step.rest.rpartition("| ")[2] for step in after if step.word == "RUN"] == ["logrules scan -"]


def test_image_is_slim_and_pinned() -> None:
    """Both stages start from the same slim Python, of a version that the project supports, on one Debian."""
    bases = {stage.base for stage in IMAGE}
    (version,) = (re.fullmatch(r"python:3\.(\d+)-slim-[a-z]+", base) for base in bases)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert version
    assert int(version[1]) >= int(project["requires-python"].rpartition(".")[2])
    assert f"Programming Language :: Python :: 3.{version[1]}" in project["classifiers"]


def test_image_installs_by_hash_and_leaves_its_tools_behind() -> None:
    """Everything in the image's environment has a known hash, the project brings nothing along, and what
    installs stays in the first stage: the environment has no pip, and only it goes into the last one.
    """
    installs = [
        shlex.split(command)
        for rest in BUILD.all("RUN")
        for command in rest.split("&&")
        if " install " in command
    ]

    assert [("--require-hashes" in words, "--no-deps" in words) for words in installs] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert [words[1:3] == ["--python", "/venv/bin/python"] for words in installs] == [True, False, True]
    assert "python -m venv --without-pip /venv" in BUILD.all("RUN")
    assert [rest for rest in FINAL.all("COPY") if rest.startswith("--from")] == ["--from=build /venv /venv"]
    assert not [rest for rest in FINAL.all("RUN") if "pip" in rest or "apt" in rest]


def test_image_rebuilds_little() -> None:
    """What changes with each commit is copied after the dependencies are installed: their layer is kept."""
    words = [step.rest for step in BUILD.steps]
    dependencies = next(at for at, rest in enumerate(words) if "requirements/run.txt" in rest)
    before = {source for rest in words[:dependencies] if " " in rest for source in rest.split()[:-1]}

    assert before & {"logrules", "pyproject.toml", "README.md", "bot", "."} == set()


def test_image_opens_what_the_bot_says_it_does() -> None:
    """All but Zstandard is Python's own."""
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "requirements/run.txt").read_text("utf-8"), re.MULTILINE)

    assert (".zst" in texts.HELP.en, "zstandard" in pinned) == (True, True)


def test_image_speaks_at_once() -> None:
    """Python in the image does not hold its output back: the sidecar sees each line when it is written."""
    assert any("PYTHONUNBUFFERED=1" in rest.split() for rest in FINAL.all("ENV"))


def test_image_finds_its_files() -> None:
    """All that the Dockerfile copies exists and passes .dockerignore; tests, secrets and git stay outside."""
    copied = [
        source
        for stage in IMAGE
        for rest in stage.all("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]

    assert [source for source in copied if not (ROOT / source).exists() or ignored(source)] == []
    assert all(ignored(path) for path in (".git", ".venv", ".env", "tests/conftest.py", "render.yaml"))
    assert ignored("logrules/core/__pycache__/model.cpython-313.pyc")


def _snippets(page: str) -> dict[str, str]:
    """The files that a page shows, by the name in their first line."""
    fences = re.findall(
        r"^```\w*\n# ([^\s,]+)[^\n]*\n(.*?)^```$",
        (ROOT / "docs" / page).read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return {Path(name).name: body for name, body in fences}


HOMES = _snippets("homes.md")
HEALTH = ("/healthz", 8080)


def test_free_variant_is_valid() -> None:
    """The web service that the page shows is a Blueprint of Render's, free, and green while it waits."""
    (free,) = yaml.safe_load(_snippets("render.md")["render.yaml"])
    whole = BLUEPRINT | {"services": [free | {"envVars": WORKER["envVars"]}]}
    waiting = Health(phase=Phase.WAITING, service="s", instance="i", version="1", since=0)

    assert [error.message for error in SCHEMA.iter_errors(whole)] == []
    assert (free["type"], free["plan"], free["previews"]) == ("web", "free", WORKER["previews"])
    assert free["maxShutdownDelaySeconds"] > WAY_OUT
    assert page(free["healthCheckPath"], waiting).status == 200
    assert page("/readyz", waiting).status == 503


def test_compose() -> None:
    """One container with time for its end, and a health check that this image can run."""
    bot = yaml.safe_load(HOMES["compose.yaml"])["services"]["bot"]
    kind, program, flag, code = bot["healthcheck"]["test"]

    assert int(bot["stop_grace_period"].removesuffix("s")) > WAY_OUT
    assert (kind, program, flag) == ("CMD", "python", "-c")
    assert f":{bot['environment']['PORT']}{HEALTH[0]}" in code
    compile(code, "healthcheck", "exec")


def test_kubernetes() -> None:
    """One replica, never two at once, nobody special, and restarted only for what a restart cures."""
    spec = yaml.safe_load(HOMES["deployment.yaml"])["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    probe = container["livenessProbe"]

    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert pod["terminationGracePeriodSeconds"] > WAY_OUT
    assert (probe["httpGet"]["path"], probe["httpGet"]["port"]) == HEALTH
    assert container["env"] == [{"name": "PORT", "value": str(HEALTH[1])}]
    assert container["securityContext"]["runAsUser"] == int(*FINAL.all("USER"))
    assert "readinessProbe" not in container


class _Unit(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """Names keep their case."""
        return optionstr


def test_systemd(tmp_path: Path) -> None:
    """TERM for the wrapper alone, time for its end, no restart that cures nothing; systemd agrees."""
    unit = _Unit(interpolation=None)
    unit.read_string(HOMES["my-bot.service"])
    service = unit["Service"]

    assert int(service["TimeoutStopSec"]) > WAY_OUT
    assert (service["KillMode"], service["Restart"]) == ("mixed", "always")
    assert int(service["RestartPreventExitStatus"]) == Exit.CONFIG
    assert service["Environment"].endswith(f"/{service['StateDirectory']}/state.sqlite3")
    if checker := shutil.which("systemd-analyze"):
        file = tmp_path / "my-bot.service"
        file.write_text(HOMES["my-bot.service"].replace("/opt/my-bot/.venv/bin/logrules", sys.executable))
        done = subprocess.run([checker, "verify", file], capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if file.name in line] == []


def test_railway_and_fly() -> None:
    """One instance, time for its end in the form that each takes, and a green health check while it waits."""
    railway = tomllib.loads(HOMES["railway.toml"])["deploy"]
    fly = tomllib.loads(HOMES["fly.toml"])

    assert (railway["numReplicas"], railway["healthcheckPath"]) == (1, HEALTH[0])
    assert isinstance(railway["drainingSeconds"], int)
    assert railway["drainingSeconds"] > WAY_OUT
    assert fly["kill_signal"] == "SIGTERM"
    assert int(fly["kill_timeout"].removesuffix("s")) > WAY_OUT
    assert (fly["checks"]["health"]["path"], fly["checks"]["health"]["port"]) == HEALTH
    assert fly["env"]["PORT"] == str(HEALTH[1])
    assert "http_service" not in fly


def test_heroku() -> None:
    """A worker, told to end by Heroku itself, whose way out fits into the 30 s that nobody can change."""
    text = (ROOT / "docs" / "homes.md").read_text("utf-8")
    (drain,) = re.findall(r"LOGRULES_DRAIN=(\d+)", text)

    assert HOMES["Procfile"] == "worker: python -m bot\n"
    assert int(drain) + guarded.LAST_ANSWER + settings.FLUSH < 30


@pytest.mark.parametrize("name", ["homes", "render"])
def test_both_languages_show_the_same(name: str) -> None:
    """Files and commands are the same in both languages, and so are the seconds that we need."""
    english, russian = ((ROOT / "docs" / f"{name}{lang}.md").read_text("utf-8") for lang in ("", ".ru"))
    commands = [
        sorted(re.findall(r"`((?:heroku|fly|kubectl|docker|sudo|curl|logrules|render) .*?)`", text))
        for text in (english, russian)
    ]

    assert _snippets(f"{name}.md") == _snippets(f"{name}.ru.md")
    assert commands[0] == commands[1]
    assert (f"{WAY_OUT:g} s" in english) == (f"{WAY_OUT:g} с" in russian) == (name == "homes")
