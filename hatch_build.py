"""Puts what is read of the packs and derived from them into the wheel: no start need do that again.

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
        from logrules.kept import SHIPPED
        from logrules.rules import shipments

        self._folder = tempfile.TemporaryDirectory()
        for name, data in shipments().items():
            file = Path(self._folder.name, name)
            file.write_bytes(data)
            build_data["force_include"][str(file)] = (SHIPPED / name).relative_to(self.root).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """It is in the wheel now."""
        if version != "editable":
            self._folder.cleanup()
