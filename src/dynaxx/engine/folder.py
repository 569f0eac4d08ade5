"""A cascade as a folder: `cascade.yaml`, a card, and each stage's weights, contract and lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynaxx.spec.card import card
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.contract import contract_of
from dynaxx.spec.files import FILE_NAME, dump
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.identity import stage_weights_id
from dynaxx.stage.stage import SavesWeights, Stage
from dynaxx.store.atomic import write_text

LINEAGE = "lineage.json"


def save(spec: CascadeSpec, stages: Mapping[str, Stage], folder: Path) -> Path:
    """Write the cascade folder; each stage writes its own weights."""
    for node in nodes(spec):
        save_stage(spec, node, stages[node.stage.name], folder)
    save_head(spec, folder)
    return folder


def save_stage(
    spec: CascadeSpec, node: Node, stage: Stage, folder: Path, *, lineage: Mapping[str, Any] | None = None
) -> None:
    """Write one stage's weights, contract and, last of all, its lineage, with what else is known of its making."""
    place = folder / "stages" / node.stage.name
    place.mkdir(parents=True, exist_ok=True)
    if isinstance(stage, SavesWeights):
        stage.save(place)
    write_text(place / "contract.json", contract_of(spec, node).model_dump_json(indent=2) + "\n")
    made = {"weights_id": stage_weights_id(spec, node.stage.name), **(lineage or {})}
    write_text(place / LINEAGE, json.dumps(made, indent=2) + "\n")


def save_head(spec: CascadeSpec, folder: Path) -> None:
    """Write the card and the cascade file."""
    write_text(folder / "README.md", card(spec))
    write_text(folder / FILE_NAME, dump(spec))
