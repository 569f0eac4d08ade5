"""Rules on one edge: what its keys ask of each other. Each yields (key below the edge, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.passes import levels
from dynaxx.spec.stage import FOREIGN, DenoisingStage, StageSpec
from dynaxx.spec.topology import INPUT, reads

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec

Fault = tuple[str, str, str]


def merge(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """Several parents are merged, one is not, none is named twice."""
    count = len(edge.parents)
    if len(set(edge.parents)) < count:
        yield "from", f"names a parent twice ({', '.join(edge.parents)}).", "Name each parent once."
    if count > 1 and edge.merge is None:
        yield "merge", f"is missing, with {count} parents.", "Set it to concat, mean, weighted, mask or bands."
    if count == 1 and edge.merge is not None:
        yield "merge", f"is {edge.merge!r}, but there is one parent.", "Remove it, or name several in `from`."
    if edge.merge in ("mask", "bands") and count not in (1, 2):
        yield "from", f"names {count} parents, but merge {edge.merge!r} joins two.", "Name two parents."


def weights(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """`weights` go with `weighted`: one per parent, and their sum is not 0."""
    if edge.merge != "weighted":
        if edge.weights is not None:
            yield "weights", f"are given, but merge is {edge.merge!r}.", "Set `merge: weighted`, or remove them."
        return
    given, parents = edge.weights, len(edge.parents)
    if given is None:
        yield "weights", "are missing for merge 'weighted'.", f"Give {parents} numbers, one per parent."
    elif len(given) != parents:
        yield "weights", f"has {len(given)} numbers for {parents} parents.", "Give one per parent."
    elif abs(sum(given)) < 1e-12:
        yield "weights", f"{list(given)} add up to 0, and the merge divides by that.", "Change one."


def mask(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """`mask` goes with `merge: mask` and names a user input of one channel, or of as many as the parents."""
    if edge.merge != "mask":
        if edge.mask is not None:
            yield "mask", f"is given, but merge is {edge.merge!r}.", "Set `merge: mask`, or remove it."
        return
    if edge.mask is None:
        yield "mask", "is missing for merge 'mask'.", "Name a user input: `mask: input.mask`."
    elif edge.mask in {other.name for other in spec.stages}:
        yield "mask", f"{edge.mask!r} is no user input.", f"Declare one under `inputs` and name it `{INPUT}<name>`."


def cutoff(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """`cutoff` goes with `merge: bands`."""
    if edge.merge == "bands" and edge.cutoff is None:
        yield "cutoff", "is missing for merge 'bands'.", "Give the share of Nyquist where the bands part, say 0.5."
    if edge.merge != "bands" and edge.cutoff is not None:
        yield "cutoff", f"is given, but merge is {edge.merge!r}.", "Set `merge: bands`, or remove it."


def trained_range(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """A level lies in the range that the stage is trained on; those of `repeat.std` are asked about there."""
    run = {"noise": levels(stage, edge)[0], "blur": edge.blur_std}
    for key, given in (("noise", edge.noise), ("blur", edge.blur)):
        if given is None or given.train_std is None or (key == "noise" and _by_pass(stage, edge)):
            continue
        low, high = given.train_std
        if not low <= run[key] <= high:
            what = f"{run[key]:g} lies outside train_std [{low:g}, {high:g}]."
            yield f"{key}.std", what, f"Set it within, or widen `{key}.train_std` and train again."


def _by_pass(stage: StageSpec, edge: EdgeSpec) -> bool:
    return stage.repeat is not None and stage.repeat.std is not None and edge is stage.inputs.get("low")


def range_to_train_on(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """A stage that is trained draws its levels from a range."""
    if getattr(stage, "train", None) is None:
        return
    for key, given in (("noise", edge.noise), ("blur", edge.blur)):
        if given is not None and given.train_std is None:
            fix = f"Give [low, high], around the {given.std:g} it runs at, or remove `train`."
            yield f"{key}.train_std", "is missing, and the stage is trained.", fix


def start(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """Denoising begins at an input only in a stage that denoises, once, and with noise to remove."""
    if edge.via != "start":
        return
    if isinstance(stage, FOREIGN):
        return
    if not isinstance(stage, DenoisingStage):
        yield "via", f"is 'start', but a {stage.kind!r} stage does not denoise.", "Use `via: concat`."
        return
    if sum(other.via == "start" for other in stage.inputs.values()) > 1:
        yield "via", "is 'start' on several inputs.", "Keep one; the others use `via: concat`."
    if stage.process.kind == "truncated":
        yield "via", "is 'start', but a truncated process starts at its low input anyway.", "Use `via: concat`."
    if edge.hand == "clean" and 0 in levels(stage, edge):
        where = "noise.std" if edge.std == 0 else "noise"
        what = "is 0" if edge.std == 0 else "bears `repeat.std` 0 at some pass"
        yield where, f"{what}, so `via: start` leaves nothing to denoise.", "Set a level, say 0.5."


def hand_over(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """A noisy hand-over says at which level, begins the reader's path, and adds nothing on the way."""
    if edge.hand == "clean":
        if edge.hand_std is not None:
            yield "hand_std", f"is {edge.hand_std:g}, but the hand-over is clean.", "Set `hand: noisy`, or remove it."
        return
    if not edge.hand_std:
        yield "hand_std", "is missing for `hand: noisy`.", "Give the level above 0 at which the reader takes over."
    if edge.via != "start":
        yield "via", f"is {edge.via!r}, but a noisy hand-over is where the reader starts.", "Set `via: start`."
    if len(edge.parents) > 1:
        yield "hand", "is 'noisy' with several parents.", "Unfinished states cannot be merged: name one parent."
    if edge.noise is not None or edge.blur is not None:
        yield "hand", "is 'noisy', so nothing may be put on the edge.", "Remove `noise` and `blur`."


def hand_partner(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec) -> Iterator[Fault]:
    """Both sides of a noisy hand-over denoise, as far as is known, and nobody else needs the unfinished state."""
    if edge.hand == "clean" or len(edge.parents) > 1:
        return
    name = edge.parents[0]
    above = next((other for other in spec.stages if other.name == name), None)
    if not isinstance(above, (DenoisingStage, *FOREIGN)):
        yield "hand", f"is 'noisy', but {name!r} does not denoise.", "Use `hand: clean`."
        return
    edges = [other for reader in spec.stages for other in reader.inputs.values() if name in reads(other)]
    if len(edges) > 1:
        yield "hand", f"is 'noisy', but {name!r} has other readers.", "Hand over clean, or cut the other edges."
    if above.repeat or stage.repeat:
        yield "hand", "is 'noisy' beside `repeat`.", "Only stages that are applied once can share a path."


RULES = (merge, weights, mask, cutoff, trained_range, range_to_train_on, start, hand_over, hand_partner)
