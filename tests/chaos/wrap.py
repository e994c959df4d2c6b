"""`logrules run --lock`, with the durations of the suite: not all of them are an operator's to set."""

from __future__ import annotations

import json
import os
import sys

from logrules import settings
from logrules.cli import main
from logrules.core.guarding.lease import Timers

settings._timers = lambda given: Timers(**json.loads(os.environ["TIMERS"]))
sys.exit(main(["run", "--lock", *sys.argv[1:]]))
