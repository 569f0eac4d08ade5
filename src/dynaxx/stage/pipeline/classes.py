"""The classes that a pipeline is made of, imported before its weights are moved, so that moving is what is timed."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from dynaxx.spec.facts import INDEX, folder_of
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline.calm import calm_diffusers

LIBRARIES = ("diffusers", "transformers")


def import_classes(spec: PipelineStage, root: Path | None) -> None:
    """Import what the folder's index names; what is not there, or damaged, is left to the opening to tell."""
    calm_diffusers()
    folder = folder_of(spec.load, root)
    if folder is None:
        return
    with suppress(OSError, ValueError, AttributeError):
        index = json.loads((folder / INDEX).read_text("utf-8"))
        own = ["diffusers", spec.pipeline or index.get("_class_name")]
        for part in [own, *index.values()]:
            if isinstance(part, list) and len(part) == 2 and part[0] in LIBRARIES:
                with suppress(ImportError, AttributeError, RuntimeError, TypeError):
                    getattr(import_module(part[0]), part[1])
