"""Explanations by noise: left in the answers, or borne by a low input that nobody told the stage of."""

from __future__ import annotations

from collections.abc import Iterator

from dynaxx.lens.misfit import Pair, strayed
from dynaxx.lens.signs import band_amplitudes, shares
from dynaxx.lens.suspect import ALIKE, Explanation, Suspect, scored

WHITE = 0.9
"""The least share of the excess power that white noise explains, each band weighed by its chance error."""


def noise(suspect: Suspect) -> Iterator[Explanation]:
    """White noise in the answers: too much power in every band, in proportion to its modes, within chance."""
    excess = (band_amplitudes(suspect.pair.x) - band_amplitudes(suspect.pair.truth))[:, 1:]
    white, off = shares(suspect.pair.x)[1:], excess.mean(0)
    weight = 1 / (excess.var(0) / len(excess)).clamp_min(1e-20)
    variance = float((off * white * weight).sum() / (white.square() * weight).sum())
    if variance <= 0 or not {"band", "grain", "stray"} & suspect.alarms:
        return
    left = float(((off - variance * white).square() * weight).sum() / (off.square() * weight).sum())
    if 1 - left > WHITE and _strays_as(suspect.pair, variance):
        yield scored("noise-left", f"white noise of std {variance**0.5:.2f} is left in its answers", 1 - left)


def _strays_as(pair: Pair, variance: float) -> bool:
    """Whether white noise of that variance in the answers is what their straying from the low input comes from."""
    if pair.shrunk is None or pair.low is None:
        return True
    return strayed(pair) < ALIKE * variance * pair.low[0, 0].numel() / pair.x[0, 0].numel()


def hidden_noise(suspect: Suspect) -> Iterator[Explanation]:
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
        yield scored("noise-left", "noise is left in its answers", min(1.0, spread / wrong))
    else:
        yield scored("untold-noise", "its low input bears noise that it is not told of", min(1.0, spread / wrong))


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
