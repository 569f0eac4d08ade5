"""Explanations by changes that are undone, on the answers or before the stage sees its low input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from dynaxx.lens.misfit import gone
from dynaxx.lens.signs import band_amplitudes
from dynaxx.lens.suspect import ALIKE, ENOUGH, Explanation, Suspect, scored
from dynaxx.lens.undo import equalised, fitted, fixed

CLEARLY = 0.95
"""The least share for a colour or a contrast that was fitted, since it takes something of any misfit."""
TRIED = 0.8
"""The least share where such a change was tried on the input, and takes away more there than on the answers."""
EMPTY = 0.01
"""Bands with a smaller share of all power are left out."""


def on_answers(suspect: Suspect) -> Iterator[Explanation]:
    """Changes undone on the answers, and the amplitudes of all frequencies brought to those of the truth."""
    pair = suspect.pair
    for undo in (*fixed(pair.x), *fitted(pair.x, pair.truth)):
        share = gone(suspect.changed(undo.apply(pair.x)), pair)
        yield scored(undo.kind, undo.says, share, undo.free, least=CLEARLY if undo.free else ENOUGH)
    undo = equalised(pair)
    share = gone(suspect.changed(undo.apply(pair.x)), pair)
    ours, theirs = (band_amplitudes(signals).mean(0)[1:] for signals in (pair.x, pair.truth))
    if share >= CLEARLY and _even((theirs / ours.clamp_min(1e-12))[theirs > EMPTY * theirs.sum()]):
        yield scored("contrast", "contrast is off in all bands alike", share)
    if float((theirs - ours).clamp_min(0).sum()) > 2 * float((ours - theirs).clamp_min(0).sum()):
        yield scored(undo.kind, undo.says, share, undo.free)


def _even(ratios: Tensor) -> bool:
    """Whether all bands that hold something differ from the truth by nearly the same factor, and not by none."""
    return bool(ratios.max() < ALIKE * ratios.min()) and abs(float(ratios.mean()) - 1) > ALIKE - 1


def on_input(suspect: Suspect, on_answers: Sequence[Explanation]) -> Iterator[Explanation]:
    """The same changes undone before the stage sees its low input, where its answers look like a changed input at all.

    Answers that follow a changed input are nearer to the true one once the change is undone on them.
    """
    few, rerun = suspect.few, suspect.rerun
    assert few is not None
    assert rerun is not None
    assert few.low is not None
    assert few.shrunk is not None
    astray = (few.shrunk - few.low).square().mean()
    for undo in (*fixed(few.low), *fitted(few.shrunk, few.low)):
        if (undo.apply(few.shrunk) - few.low).square().mean() >= astray:
            continue
        share = gone(suspect.changed(rerun(undo.apply(few.low)), few), few)
        more = share > max((e.share for e in on_answers if e.kind == undo.kind), default=0.0)
        least = ENOUGH if not undo.free else TRIED if more else CLEARLY
        yield scored(undo.kind, f"at its input, {undo.says}", share, undo.free, at_input=True, least=least)
