"""What platforms read: the Blueprint against Render's own schema, the image's recipe against this tree."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from logrules import settings
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
    """Render waits longer for the end than the sidecar's own longest way there: grace, drain and flush."""
    longest = life.GRACE + life.DRAIN + standby.LEFT_BEHIND + settings.FLUSH

    assert longest < WORKER["maxShutdownDelaySeconds"]


def test_overlap_budget_covers_a_deploy() -> None:
    """A deploy on Render, 60 s of overlap and the shutdown delay, fits into the overlap budget."""
    assert 60 + WORKER["maxShutdownDelaySeconds"] < settings.OVERLAP


def test_image_runs_the_sidecar() -> None:
    """The image's command is `logrules run -- python -m bot` in exec form, so that SIGTERM arrives."""
    command = [step.form for step in FINAL.steps if step.word in {"CMD", "ENTRYPOINT"}]

    assert command == [["logrules", "run", "--", "python", "-m", "bot"]]
    assert FINAL.all("STOPSIGNAL") == ["SIGTERM"]


def test_image_is_not_root() -> None:
    """The process runs as a number other than 0, chosen after everything that needs root."""
    (user,) = FINAL.all("USER")
    after = FINAL.steps[FINAL.steps.index(Step("USER", user)) :]

    assert user.isdigit()
    assert int(user) > 0
    assert [step.word for step in after if step.word in {"RUN", "COPY", "ADD"}] == []


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
