"""Names a fault from what explains it: the explanation that takes most of the misfit away, if any takes enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynaxx.lens.by_input import ignored, kernels
from dynaxx.lens.by_noise import hidden_noise, noise
from dynaxx.lens.by_place import places
from dynaxx.lens.by_undoing import on_answers, on_input
from dynaxx.lens.suspect import ENOUGH, MOST_AREA, Explanation, Suspect, scored

SURE = 0.97
"""The share of the misfit from which no other explanation is looked for."""
PART = 0.3
"""The least share of the misfit from which the best of what does not explain enough is still worth a word."""


def explain(suspect: Suspect) -> Explanation:
    """The best explanation that counts, or `weights`: the stage itself answers wrongly in no simple way.

    That it does not hear what it is asked for is said first where no other sign is stronger, and else where nothing
    else explains its answers.
    """
    if "exchanged" in suspect.alarms:
        return scored("prompt-ignored", "its answers are those to other prompts", 1.0)
    unheard = scored("prompt-ignored", "its answers stay as they are when it is asked for something else", 1.0)
    if suspect.strongest == "unheard":
        return unheard
    if suspect.alarms <= {"hidden"}:
        return scored("level", "the noise on its low input hides what it should follow", 1.0)
    found = [*on_answers(suspect), *places(suspect), *noise(suspect)]
    drawn = _best(found).share < ENOUGH and suspect.few is not None and "grain" in suspect.alarms
    if drawn:
        found += hidden_noise(suspect)
    if _best(found).share < SURE and suspect.few is not None and {"stray", "lost"} & suspect.alarms:
        found += [*ignored(suspect), *kernels(suspect)]
        if _best(found).share < SURE:
            found += [*on_input(suspect, found), *([] if drawn else hidden_noise(suspect))]
        if _best(found).share < ENOUGH:
            return _blind(suspect, found)
    best = _best(found)
    return unheard if best.kind == "weights" and "unheard" in suspect.alarms else best


def _best(found: Sequence[Explanation]) -> Explanation:
    counting = [explanation for explanation in found if explanation.share >= explanation.least]
    return max(counting, key=lambda explanation: explanation.score, default=_unknown(found))


def _unknown(found: Sequence[Explanation]) -> Explanation:
    says, part = "no single simple change explains its answers", max(found, key=lambda e: e.share, default=None)
    if part is None or part.share < PART:
        return Explanation("weights", says, 0.0)
    says += f"; the largest part of it ({100 * part.share:.0f}%) is that {part.says}"
    return Explanation("weights", says, 0.0, part=part.kind)


def _blind(suspect: Suspect, found: Sequence[Explanation]) -> Explanation:
    """A part of the low input that the stage does not look at; else the best of the rest, and what was not tried."""
    assert suspect.blind is not None
    share, rest = suspect.blind(), _best(found)
    if isinstance(share, str):
        return replace(rest, says=f"{rest.says}; {share}")
    if share is not None and share <= MOST_AREA:
        return scored("missing-patch", f"it does not look at {100 * share:.0f}% of its low input", 1.0)
    return rest
