"""What a training learns from: the data of a cascade on the grids of its stages, and what the samples are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from dynaxx.data.open import open_data
from dynaxx.data.sample import Dataset
from dynaxx.data.split import Part, belongs
from dynaxx.errors import DataError, SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.data import BundledData, DataSpec, EmojiData, FolderData
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.identity import digest
from dynaxx.spec.plain import plain
from dynaxx.spec.stage import TRAINABLE
from dynaxx.spec.training import TrainingSpec
from dynaxx.stage.codecs import Codecs
from dynaxx.stage.condition import Condition, encode
from dynaxx.stage.text_encoder import make_text_encoder
from dynaxx.train.carried import Carrier, Carry, Kept
from dynaxx.train.signals import Signals, Size, keep_signals, read_signals

KERNEL = "bicubic-antialias"
PICTURES = FolderData, BundledData, EmojiData
CHUNK = 256
GIVEN = "given"


@final
@dataclass(frozen=True)
class Material:
    """The signals, and one condition per different caption and label: sample i is asked for `condition[asked[i]]`.

    A share `withheld` of the groups is for those stages only that learn from `all` of the data. `truths` are the
    signals on the grids of the stages, `carried` those that a stage reads of a parent, by (node, input, parent), where
    they are decoded or encoded first; `carrier` does the same to what a parent makes of the data.
    """

    signals: Signals
    condition: Condition
    asked: tuple[int, ...]
    withheld: float
    truths: Mapping[Grid, Kept]
    carried: Mapping[tuple[str, str, str], Kept]
    carrier: Carrier

    @property
    def codecs(self) -> Codecs:
        """The codecs of the cascade."""
        return self.carrier.codecs

    def truth(self, grid: Grid) -> Kept:
        """The data on a stage's grid."""
        return self.truths[grid]

    def groups(self, part: Part) -> dict[int, str]:
        """The group of each sample in a part of the data, by the sample's index."""
        facts = enumerate(self.signals.facts)
        return {index: fact.group for index, fact in facts if belongs(fact.group, self.withheld, part)}


def gather(
    spec: CascadeSpec,
    data: Dataset | None,
    *,
    root: Path | None,
    cache: Path,
    kept: bool = False,
    codecs: Codecs | None = None,
    device: torch.device = torch.device("cpu"),
    note: Callable[[str], None] = lambda text: None,
) -> Material:
    """Decode or reopen the data of a cascade, check that it fits, and encode its captions and labels.

    Files on disk are decoded again only where they changed; a dataset that is given, always, unless it was just `kept`.
    Latents are made of the decoded data once per codec.

    Raises:
        SpecError: where no data is named, or the grids do not fit it.
        DataError: where it cannot be used.
        RunError: where it cannot be written.
    """
    graph = nodes(spec)
    sizes = tuple(dict.fromkeys((node.decoded or node.grid).size for node in graph))
    signals = (read_signals(cache / GIVEN) if kept and data is not None else None) or _signals(
        spec, data, sizes, root, cache
    )
    _check_channels(graph, signals)
    _check_asked(spec.condition, signals)
    withheld = 0.0 if data is not None else getattr(spec.data, "withheld", 0.0)
    _check_parts(spec, signals, withheld)
    dtype = next(iter(signals.arrays.values())).dtype
    carrier = Carrier(cache, codecs or Codecs(spec.codecs, root), dtype, device, note)
    truths = _truths(graph, signals, carrier, getattr(spec.data, "kernel", KERNEL))
    carried = _carried(graph, truths, carrier)
    return Material(
        signals, *_condition(spec.condition, signals, carrier.codecs.allow_download), withheld, truths, carried, carrier
    )


def _truths(graph: Sequence[Node], signals: Signals, carrier: Carrier, kernel: str) -> dict[Grid, Kept]:
    """The data on every grid that a stage answers on: as it is, or encoded."""
    facts = [signals.fingerprint, kernel, sorted(signals.arrays), carrier.pixels.str]
    pixels = {size: Kept(values, digest([*facts, size])) for size, values in signals.arrays.items()}
    return {
        node.grid: carrier.made(pixels[(node.decoded or node.grid).size], Carry(PIXELS, node.grid.space))
        for node in graph
    }


def _carried(graph: Sequence[Node], truths: Mapping[Grid, Kept], carrier: Carrier) -> dict[tuple[str, str, str], Kept]:
    """What the stages that are trained read of their parents."""
    grids = {node.name: node.grid for node in graph}
    return {
        (node.name, name, parent): carrier.made(truths[grids[parent]], Carry.over(node, name, parent))
        for node in graph
        if isinstance(node.stage, TRAINABLE)
        for name, given in node.inputs.items()
        for parent in given.parents
        if parent in grids
    }


def _signals(
    spec: CascadeSpec, data: Dataset | None, sizes: tuple[Size, ...], root: Path | None, cache: Path
) -> Signals:
    if data is not None:
        return keep_signals(data, sizes, KERNEL, cache / GIVEN, as_bytes=False)
    if spec.data is None:
        fix = "Add `data` to the cascade file, or name a folder (--data DIR, data=...)."
        raise SpecError("data", "is not given, so there is nothing to train on.", fix)
    part = _part(spec)
    folder = cache / _stamp(spec.data, part, sizes, root)
    if (kept := read_signals(folder)) is not None:
        return kept
    largest = max(sizes, key=lambda size: (len(size), *size))
    pictures, kernel = isinstance(spec.data, PICTURES), getattr(spec.data, "kernel", KERNEL)
    whole = None if pictures else largest  # pictures are as large as they are
    opened = open_data(spec.data, size=whole, root=root, part=part)
    return keep_signals(opened, sizes, kernel, folder, as_bytes=pictures)


def _part(spec: CascadeSpec) -> Part:
    """All of the data where some stage learns from all of it."""
    trained = [stage.train for stage in spec.stages if isinstance(stage, TRAINABLE) and stage.train]
    return "all" if any(train.part == "all" for train in trained) else "used"


def _check_parts(spec: CascadeSpec, signals: Signals, withheld: float) -> None:
    for stage in spec.stages:
        part = (getattr(stage, "train", None) or TrainingSpec()).part
        if isinstance(stage, TRAINABLE) and not any(belongs(fact.group, withheld, part) for fact in signals.facts):
            problem = f"no sample is left for {stage.name!r}: all are withheld."
            raise DataError("data", problem, "Set a smaller data.withheld, or train.part: all.")


def _stamp(spec: DataSpec, part: Part, sizes: tuple[Size, ...], root: Path | None) -> str:
    """A name for the recipe, the grids, and the files as they lie on disk."""
    known: list[object] = [plain(spec), part, sizes]
    if (path := getattr(spec, "path", None)) is not None:
        place = (root or Path()) / Path(path).expanduser()
        files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
        known += [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
    return hashlib.blake2b(json.dumps(known).encode(), digest_size=8).hexdigest()


def _check_channels(graph: Sequence[Node], signals: Signals) -> None:
    have = next(iter(signals.arrays.values())).shape[1]
    for node in graph:
        if node.decoded is not None and node.decoded.channels != have:
            problem = f"is {node.decoded.channels}, but the data has {have}."
            fix = "Use a codec for signals like these."
            raise SpecError(f"codecs.{node.grid.space}.signal_channels", problem, fix)
        if node.decoded is None and node.grid.channels != have:
            problem = f"is {node.grid.channels}, but the data has {have}."
            raise SpecError(f"stages.{node.index}.out.channels", problem, f"Set it to {have}.")


def _check_asked(spec: ConditionSpec, signals: Signals) -> None:
    if spec.field is not None:
        raise SpecError("condition.field", "data brings no fields to train with.", "Remove it.")
    if spec.text is not None and not any(fact.caption for fact in signals.facts):
        fix = "Add captions (metadata.jsonl, .txt files, or a folder per class), or remove condition.text."
        raise DataError("data", "has no captions, but the cascade takes text.", fix)
    if spec.label is None:
        return
    for fact in signals.facts:
        if fact.label is None:
            raise DataError(f"sample {fact.id!r}", "has no label, but the cascade takes one.", "Label it.")
        if not 0 <= fact.label < spec.label.classes:
            fix = f"Set condition.label.classes to more than {fact.label}."
            raise DataError(f"sample {fact.id!r}", f"has label {fact.label} of {spec.label.classes} classes.", fix)


def _condition(spec: ConditionSpec, signals: Signals, allow_download: bool) -> tuple[Condition, tuple[int, ...]]:
    """All that samples are asked for, each different one encoded once."""
    places: dict[tuple[str, int | None], int] = {}
    for fact in signals.facts:
        places.setdefault((fact.caption if spec.text else "", fact.label if spec.label else None), len(places))
    encoder = make_text_encoder(spec.text, allow_download=allow_download) if spec.text else None
    kinds, whole = list(places), None
    for start in range(0, len(kinds), CHUNK):
        texts, labels = zip(*kinds[start : start + CHUNK], strict=True)
        numbers = [-1 if label is None else label for label in labels] if spec.label else None
        part = encode(spec, prompts=list(texts), labels=numbers, count=len(texts), encoder=encoder)
        whole = part if whole is None else whole.joined(part)
    assert whole is not None
    asked = [places[fact.caption if spec.text else "", fact.label if spec.label else None] for fact in signals.facts]
    return whole, tuple(asked)
