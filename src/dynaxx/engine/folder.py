"""A cascade as a folder: `cascade.yaml`, a card, and each stage's weights, contract and lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from dynaxx.errors import DataError
from dynaxx.spec.card import card
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.contract import contract_of
from dynaxx.spec.files import FILE_NAME, dump
from dynaxx.spec.graph import nodes
from dynaxx.spec.identity import stage_weights_id
from dynaxx.stage.stage import SavesWeights, Stage
from dynaxx.store.atomic import write_text


def bundled() -> dict[str, Path]:
    """The cascades that travel with the package, by name."""
    folder = Path(str(files("dynaxx"))) / "bundled"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def resolve(path: str | Path) -> Path:
    """The cascade file that a folder, a file or a bundled name stands for.

    Raises:
        DataError: if it is none of them.
    """
    found = Path(path)
    if found.is_dir():
        found = found / FILE_NAME
    if found.is_file():
        return found
    if str(path) in bundled():
        return bundled()[str(path)]
    fix = f"Name a cascade folder, a cascade file, or a bundled cascade: {', '.join(bundled())}."
    raise DataError(str(path), "no cascade is there.", fix)


def save(spec: CascadeSpec, stages: Mapping[str, Stage], folder: Path) -> Path:
    """Write the cascade folder; each stage writes its own weights."""
    for node in nodes(spec):
        place = folder / "stages" / node.stage.name
        place.mkdir(parents=True, exist_ok=True)
        stage = stages[node.stage.name]
        if isinstance(stage, SavesWeights):
            stage.save(place)
        write_text(place / "contract.json", contract_of(spec, node).model_dump_json(indent=2) + "\n")
        lineage = {"weights_id": stage_weights_id(spec, node.stage.name)}
        write_text(place / "lineage.json", json.dumps(lineage, indent=2) + "\n")
    write_text(folder / "README.md", card(spec))
    write_text(folder / FILE_NAME, dump(spec))
    return folder
