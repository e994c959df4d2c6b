"""Puts what is derived from the packs into the wheel: a start on a fresh disk then need not derive it.

That is four seconds of a whole processor, and most of a minute of the tenth of one that small plans have.
https://hatch.pypa.io/latest/plugins/build-hook/reference/
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface[Any]):
    """Runs at each build of a wheel; an editable install derives for itself, whenever its packs change."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Derive it from the tree that is built."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from logrules import derived
        from logrules.rules import rules

        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(derived.shipment(rules.rulebook.expressions))
        self._file = Path(file.name)
        build_data["force_include"][file.name] = derived.SHIPPED.relative_to(self.root).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """It is in the wheel now."""
        if version != "editable":
            self._file.unlink()
