"""A cascade as a folder: `cascade.yaml`, a card, and each stage's weights, contract and lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dynaxx.spec.card import card
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.contract import contract_of
from dynaxx.spec.files import FILE_NAME, dump
from dynaxx.spec.graph import first_nodes, nodes
from dynaxx.spec.identity import stage_weights_id
from dynaxx.stage.stage import SavesWeights, Stage
from dynaxx.store.atomic import write_text


def save(spec: CascadeSpec, stages: Mapping[str, Stage], folder: Path, *, size: tuple[int, ...] | None = None) -> Path:
    """Write the cascade folder; each stage writes its own weights, so that nothing outside it is needed any more."""
    for node in first_nodes(nodes(spec, size=size)).values():
        place = folder / "stages" / node.stage.name
        place.mkdir(parents=True, exist_ok=True)
        stage = stages[node.stage.name]
        if isinstance(stage, SavesWeights):
            stage.save(place)
        write_text(place / "contract.json", contract_of(spec, node).model_dump_json(indent=2) + "\n")
        lineage = {"weights_id": stage_weights_id(spec, node.stage.name)}
        write_text(place / "lineage.json", json.dumps(lineage, indent=2) + "\n")
    own = spec.model_copy(update={"stages": tuple(s.model_copy(update={"weights": None}) for s in spec.stages)})
    write_text(folder / "README.md", card(own))
    write_text(folder / FILE_NAME, dump(own))
    return folder
