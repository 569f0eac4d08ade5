"""Names a fault from what explains it: the explanation that takes most of the misfit away, if any takes enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from torch import Tensor

from dynaxx.lens.misfit import Pair, beyond_chance, gone, strayed
from dynaxx.lens.signs import band_amplitudes, shares
from dynaxx.lens.undo import equalised, fitted, fixed
from dynaxx.signal.resample import KERNELS, resample

ENOUGH, SURE = 0.7, 0.97
"""The least share of the misfit that an explanation takes away, and the share from which no other is looked for."""
CLEARLY = 0.95
"""The least share for a colour or a contrast that was fitted, since it takes something of any misfit."""
HANDICAP = 0.01
"""What a fitted number costs, in shares explained: of two that explain as much, the simpler one is named."""
TRIED = 0.8
"""The least share where such a change was tried on the input, and takes away more there than on the answers."""
PART = 0.3
"""The least share of the misfit from which the best of what does not explain enough is still worth a word."""
WHITE = 0.9
"""The least share of the excess power that white noise explains, each band weighed by its chance error."""
ALIKE, EMPTY = 1.25, 0.01
"""Powers by band within this factor of each other are alike; bands with a smaller share of all are left out."""
MOST_AREA = 0.5
"""A patch that covers more of the grid than this is no patch."""
Rerun = Callable[[Tensor], Tensor]
"""The stage's answers to another low input in the place of the true one."""


@final
@dataclass(frozen=True)
class Explanation:
    """`kind` of fault, what it says, the share of the misfit it explains, and whether it sits on the input.

    It counts from a share of `least` on. `part` is the kind of what explains most where nothing explains enough.
    """

    kind: str
    says: str
    share: float
    at_input: bool = False
    score: float = 0.0
    least: float = ENOUGH
    part: str | None = None


@final
@dataclass(frozen=True)
class Suspect:
    """A stage under suspicion: its answers to true inputs, and the means to try it again on `few` of them.

    `down` shrinks answers to the low grid; `rerun` answers to other low inputs with the same random numbers, `again`
    to the true ones with others; `blind` is the share of its low input that it does not look at, or what was not tried.
    """

    pair: Pair
    alarms: frozenset[str]
    strongest: str = ""
    down: Callable[[Tensor], Tensor] | None = None
    few: Pair | None = None
    rerun: Rerun | None = None
    again: Callable[[], Tensor] | None = None
    blind: Callable[[], float | str | None] | None = None
    kernel: tuple[str, ...] = ()

    def changed(self, x: Tensor, pair: Pair | None = None) -> Pair:
        """A pair, all of them or the few, with other answers."""
        return replace(pair or self.pair, x=x, shrunk=None if self.down is None else self.down(x))


def explain(suspect: Suspect) -> Explanation:
    """The best explanation that counts, or `weights`: the stage itself answers wrongly in no simple way.

    That it does not hear what it is asked for is said first where no other sign is stronger, and else where nothing
    else explains its answers.
    """
    if "exchanged" in suspect.alarms:
        return _scored("prompt-ignored", "its answers are those to other prompts", 1.0)
    unheard = _scored("prompt-ignored", "its answers stay as they are when it is asked for something else", 1.0)
    if suspect.strongest == "unheard":
        return unheard
    if suspect.alarms <= {"hidden"}:
        return _scored("level", "the noise on its low input hides what it should follow", 1.0)
    found = [*_on_answers(suspect), *_places(suspect), *_noise(suspect)]
    if _best(found).share < ENOUGH and suspect.few is not None and "grain" in suspect.alarms:
        found += _hidden_noise(suspect)
    if _best(found).share < SURE and suspect.few is not None and {"stray", "lost"} & suspect.alarms:
        found += [*_ignored(suspect), *_kernels(suspect)]
        if _best(found).share < SURE:
            found += [*_on_input(suspect, found), *_hidden_noise(suspect)]
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


def _scored(
    kind: str, says: str, share: float, free: float = 0, *, at_input: bool = False, least: float = ENOUGH
) -> Explanation:
    return Explanation(kind, says, share, at_input, share - HANDICAP * free, least)


def _on_answers(suspect: Suspect) -> Iterator[Explanation]:
    pair = suspect.pair
    for undo in (*fixed(pair.x), *fitted(pair.x, pair.truth)):
        share = gone(suspect.changed(undo.apply(pair.x)), pair)
        yield _scored(undo.kind, undo.says, share, undo.free, least=CLEARLY if undo.free else ENOUGH)
    undo = equalised(pair)
    share = gone(suspect.changed(undo.apply(pair.x)), pair)
    ours, theirs = (band_amplitudes(signals).mean(0)[1:] for signals in (pair.x, pair.truth))
    if share >= CLEARLY and _even((theirs / ours.clamp_min(1e-12))[theirs > EMPTY * theirs.sum()]):
        yield _scored("contrast", "contrast is off in all bands alike", share)
    if float((theirs - ours).clamp_min(0).sum()) > 2 * float((ours - theirs).clamp_min(0).sum()):
        yield _scored(undo.kind, undo.says, share, undo.free)


def _even(ratios: Tensor) -> bool:
    """Whether all bands that hold something differ from the truth by nearly the same factor, and not by none."""
    return bool(ratios.max() < ALIKE * ratios.min()) and abs(float(ratios.mean()) - 1) > ALIKE - 1


def _on_input(suspect: Suspect, on_answers: Sequence[Explanation]) -> Iterator[Explanation]:
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
        yield _scored(undo.kind, f"at its input, {undo.says}", share, undo.free, at_input=True, least=least)


def _places(suspect: Suspect) -> Iterator[Explanation]:
    """A part of the grid that is wrong while the rest is right."""
    pair, material = suspect.pair, 1.0
    if _astray(pair) and pair.shrunk is not None and pair.low is not None:
        wrong = ((pair.shrunk - pair.low).double().square().mean(dim=(0, 1)) - pair.excused).clamp_min(0)
    else:
        means = [signals.double().mean(0) for signals in (pair.x, pair.truth)]
        spreads = [signals.double().std(0) for signals in (pair.x, pair.truth)]
        chance = 3 * spreads[1].square() / len(pair.x)  # what two sets of one kind differ by
        wrong = ((means[0] - means[1]).square() + (spreads[0] - spreads[1]).square() - chance).mean(0).clamp_min(0)
        material = min(1.0, float(wrong.mean()) / max(beyond_chance(pair), 1e-12))
    share, area = concentrated(wrong)
    if area <= MOST_AREA:
        says = f"{100 * area:.0f}% of the grid is wrong"
        yield _scored("missing-patch", says, material * (share - area) / (1 - area), 1)


def _astray(pair: Pair) -> bool:
    """Whether straying from the low input is most of what is wrong."""
    return strayed(pair) > beyond_chance(pair) / 2


def concentrated(wrong: Tensor) -> tuple[float, float]:
    """The share of a map `(*size)` that lies in the smallest box around its worst sites, and the box's area."""
    total, best = float(wrong.sum()), (0.0, 1.0)
    if total <= 0:
        return best
    for level in (0.1, 0.25, 0.5):
        worst = (wrong > level * wrong.max()).nonzero()
        low, high = worst.min(0).values, worst.max(0).values + 1
        box = wrong[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
        share, area = float(box.sum()) / total, box.numel() / wrong.numel()
        if share - area > best[0] - best[1]:
            best = (share, area)
    return best


def _noise(suspect: Suspect) -> Iterator[Explanation]:
    """White noise in the answers: too much power in every band, in proportion to its modes, within chance."""
    excess = (band_amplitudes(suspect.pair.x) - band_amplitudes(suspect.pair.truth))[:, 1:]
    white, off = shares(suspect.pair.x)[1:], excess.mean(0)
    weight = 1 / (excess.var(0) / len(excess)).clamp_min(1e-20)
    variance = float((off * white * weight).sum() / (white.square() * weight).sum())
    if variance <= 0 or not {"band", "grain", "stray"} & suspect.alarms:
        return
    left = float(((off - variance * white).square() * weight).sum() / (off.square() * weight).sum())
    if 1 - left > WHITE and _strays_as(suspect.pair, variance):
        yield _scored("noise-left", f"white noise of std {variance**0.5:.2f} is left in its answers", 1 - left)


def _strays_as(pair: Pair, variance: float) -> bool:
    """Whether white noise of that variance in the answers is what their straying from the low input comes from."""
    if pair.shrunk is None or pair.low is None:
        return True
    return strayed(pair) < ALIKE * variance * pair.low[0, 0].numel() / pair.x[0, 0].numel()


def _ignored(suspect: Suspect) -> Iterator[Explanation]:
    """Answers that have no more to do with their own low input than with any other."""
    share = 1 - dependence(suspect.pair)
    yield _scored("low-ignored", "its answers do not follow its low input", share)


def dependence(pair: Pair) -> float:
    """`1 - E |v_i - u_i|^2 / E |v_i - u_j|^2` of shrunk answers v and low inputs u: 0 where they are unrelated."""
    assert pair.shrunk is not None
    assert pair.low is not None
    v, u = pair.shrunk.flatten(1).double(), pair.low.flatten(1).double()
    own = (v - u).square().sum(1).mean()
    n = len(v)
    squares = v.square().sum(1)[:, None] + u.square().sum(1)[None] - 2 * v @ u.T
    others = (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))
    return float(1 - own / others)


def _kernels(suspect: Suspect) -> Iterator[Explanation]:
    """The low input brought up by another kernel than the stage was made for."""
    pair, down = suspect.pair, suspect.down
    assert down is not None
    assert pair.low is not None
    assert pair.shrunk is not None
    own = strayed(pair)
    if not _astray(pair):  # all in all it strays no further than noise excuses, or something else is wrong
        return
    for kernel in (other for other in KERNELS if other not in suspect.kernel):
        seen = down(resample(pair.low, pair.x.shape[2:], kernel))
        left = float((pair.shrunk - seen).double().square().mean()) - pair.excused
        yield _scored("resize-kernel", f"its low input is brought up by {kernel!r}", 1 - max(left, 0.0) / own)


def _hidden_noise(suspect: Suspect) -> Iterator[Explanation]:
    """Answers that differ from draw to draw by as much as they are wrong, and so are right on average."""
    few, down, again = suspect.few, suspect.down, suspect.again
    assert few is not None
    assert down is not None
    assert again is not None
    assert few.shrunk is not None
    assert few.low is not None
    spread = float((down(again()) - few.shrunk).double().square().mean()) / 2
    wrong = max(float((few.shrunk - few.low).double().square().mean()), 1e-12)
    if _reaches_above(suspect.pair):
        yield _scored("noise-left", "noise is left in its answers", min(1.0, spread / wrong))
    else:
        yield _scored("untold-noise", "its low input bears noise that it is not told of", min(1.0, spread / wrong))


def _reaches_above(pair: Pair) -> bool:
    """Whether there is as much excess power per mode in the highest band as the straying of shrunk answers implies.

    White noise of variance s^2 in the answers leaves s^2 N_low / N of itself when they are shrunk; noise on the input
    does not reach above the input's Nyquist.
    """
    assert pair.shrunk is not None
    assert pair.low is not None
    implied = strayed(pair) * pair.x[0, 0].numel() / pair.low[0, 0].numel()
    excess = (band_amplitudes(pair.x) - band_amplitudes(pair.truth)).mean(0)[-1] / shares(pair.x)[-1]
    return float(excess) > implied / 2


def _blind(suspect: Suspect, found: Sequence[Explanation]) -> Explanation:
    """A part of the low input that the stage does not look at; else the best of the rest, and what was not tried."""
    assert suspect.blind is not None
    share, rest = suspect.blind(), _best(found)
    if isinstance(share, str):
        return replace(rest, says=f"{rest.says}; {share}")
    if share is not None and share <= MOST_AREA:
        return _scored("missing-patch", f"it does not look at {100 * share:.0f}% of its low input", 1.0)
    return rest
