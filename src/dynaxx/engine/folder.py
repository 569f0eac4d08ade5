"""A cascade as a folder: `cascade.yaml`, a card, and each stage's weights, contract and lineage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dynaxx.errors import RunError, SpecError
from dynaxx.spec.bundled import FILE_NAME
from dynaxx.spec.card import card
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.contract import Contract, contract_of, mismatches
from dynaxx.spec.files import dump
from dynaxx.spec.graph import Node, first_nodes, nodes
from dynaxx.spec.identity import stage_weights_id, stage_weights_ids
from dynaxx.stage.build import weights_folder
from dynaxx.stage.codecs import Codecs
from dynaxx.stage.stage import SavesWeights, Stage
from dynaxx.stage.vocabulary import write_words
from dynaxx.store.atomic import make_folder, write_text

LINEAGE, CONTRACT, CODECS = "lineage.json", "contract.json", "codecs"


def check_lineage(spec: CascadeSpec, root: Path | None) -> None:
    """See that what lies in `stages/` was made for this spec, where its lineage says what for.

    Raises:
        SpecError: naming the stage whose weights were made for other settings.
    """
    for stage in spec.stages:
        file = weights_folder(stage, root) / LINEAGE
        if not file.is_file():
            continue
        have, want = json.loads(file.read_text("utf-8")).get("weights_id"), stage_weights_ids(spec, stage.name)
        if have not in (None, *want):
            told = _differences(spec, stage.name, file.parent)
            problem = f"{file.parent} holds weights for other settings (weights_id {have}, not {want[0]})."
            problem = " ".join([problem, *told])
            fix = "Set the stage back to what they were made with, or make them anew."
            raise SpecError(f"stage {stage.name!r}", problem, fix)


def weights_digest(folder: Path) -> str:
    """The sha256 of the weights that lie in a stage's folder, whatever their files are called; of nothing without."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()


def _differences(spec: CascadeSpec, name: str, folder: Path) -> list[str]:
    """Where the contract that was saved with a stage is not the one that the cascade asks for."""
    try:
        have = Contract.model_validate_json((folder / CONTRACT).read_text("utf-8"))
        want = contract_of(spec, first_nodes(nodes(spec))[name])
    except (OSError, ValueError):  # none was saved, or not by this version, or the size is given per run
        return []
    return mismatches(have, want)


def save(
    spec: CascadeSpec,
    stages: Mapping[str, Stage],
    folder: Path,
    *,
    codecs: Codecs,
    size: tuple[int, ...] | None = None,
    words: Sequence[str] | None = None,
) -> Path:
    """Write the cascade folder; stages and codecs write their own weights, so that nothing else is needed any more.

    `words` are those that it was trained with, where its text encoder brings others to them. `cascade.yaml` comes
    last: while it is missing, the folder is no cascade.

    Raises:
        RunError: if the folder cannot be written.
    """
    spec = house_codecs(spec, codecs)
    copy_codecs(spec, codecs, folder)
    for name, node in first_nodes(nodes(spec, size=size)).items():
        save_stage(spec, node, stages[name], folder)
    kept = [name for name, stage in stages.items() if isinstance(stage, SavesWeights)]
    write_words(words, folder)
    save_head(spec, folder, kept=kept, size=size)
    return folder


def house_codecs(spec: CascadeSpec, codecs: Codecs) -> CascadeSpec:
    """The cascade as its folder has it: codecs inside it, with identity, scale and shift written down.

    A codec that is nowhere on this machine stays what the file calls it.
    """
    found = dict(spec.codecs)
    for name in spec.codecs:
        with suppress(RunError):
            found[name] = codecs.settled(name).model_copy(update={"load": f"{CODECS}/{name}"})
    return spec.model_copy(update={"codecs": found})


def copy_codecs(housed: CascadeSpec, codecs: Codecs, folder: Path) -> None:
    """Copy codecs to where the cascade says that they are, unless they are there already.

    Raises:
        RunError: if the folder cannot be written.
    """
    for name, codec in housed.codecs.items():
        if codec.load == f"{CODECS}/{name}":
            codecs.copy(name, make_folder(folder / CODECS) / name)


def save_stage(
    spec: CascadeSpec, node: Node, stage: Stage, folder: Path, *, lineage: Mapping[str, Any] | None = None
) -> None:
    """Write one stage's weights, contract and, last of all, its lineage, with what else is known of its making."""
    place = make_folder(folder / "stages" / node.stage.name)
    if isinstance(stage, SavesWeights):
        stage.save(place)
    write_text(place / CONTRACT, contract_of(spec, node).model_dump_json(indent=2) + "\n")
    made = {"weights_id": stage_weights_id(spec, node.stage.name), **(lineage or {})}
    write_text(place / LINEAGE, json.dumps(made, indent=2) + "\n")


def save_head(
    spec: CascadeSpec, folder: Path, *, kept: Collection[str] = (), size: tuple[int, ...] | None = None
) -> None:
    """Write the card and, last, the cascade file; the weights of the stages in `kept` lie in the folder now."""
    stages = (s.model_copy(update={"weights": None}) if s.name in kept else s for s in spec.stages)
    own = spec.model_copy(update={"stages": tuple(stages)})
    write_text(folder / "README.md", card(own, size=size))
    write_text(folder / FILE_NAME, dump(own))
