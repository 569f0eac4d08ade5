"""What is done to a signal where it is handed on: its scale and the order of its channels, told without any truth.

With u what left the low input's grid and v what came back of it there, both about their mean picture and without
their finest octave,

    order   the permutation p with the least   1 - R^2 = 1 - mean_c corr(v_c, u_p(c))^2
    scale   g = sum_c <v_c, u_p(c)> / sum_c <u_c, u_c>;   healthy: from w = P / (P + std^2), which noise excuses, to 1

A stage that adds detail of its own, or noise, leaves g as it is. One whose answers do not resemble its input (R below
0.5) says nothing about either.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import Final

import torch
from torch import Tensor

from dynaxx.lens.advice import advice
from dynaxx.lens.alarms import alarms
from dynaxx.lens.bench import Bench
from dynaxx.lens.crossing import Crossed, crossed, foreign
from dynaxx.lens.findings import Finding
from dynaxx.lens.heard import heard
from dynaxx.lens.outcome import Outcome, finding, unasked
from dynaxx.metrics.family import bonferroni
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.means import ratio_of_means
from dynaxx.signal.resample import resample
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import PIXELS

PROBE: Final = "hand_over"
RESEMBLES = 0.5
"""The least correlation from which something can be said."""
HIDDEN = 0.3
"""Noise that excuses a scale below this hides it."""
SCALE_OFF = 0.2
"""The least deviation of the scale, relative to what is healthy, that counts."""
EXPLAINED = 0.5
"""The least share that counts: of what the own order leaves open, or of what another explains and the own does not."""
DEAD = 1e-4
"""The share of the strongest channel's power below which a codec does not bring a channel back."""
MOST_CHANNELS = 4
"""More orders than those of so many channels are not tried one by one."""
SMALL = 4
"""Axes shorter than this have no octave to spare."""


def hand_over(bench: Bench, *, rows: int) -> Outcome:
    """Scale and order for every edge to a pretrained pipeline, or across spaces; what is not asked of it is said."""
    found = list[Finding]()
    for node in filter(foreign, bench.graph):
        came = crossed(bench, node)
        if isinstance(came, str):
            found.append(unasked(PROBE, node.name, "what comes back of its input", came))
        else:
            found += _said(node, came, _level(bench, node, rows), alarms(bench).confidence)
        if node not in bench.later():
            why = "its answers lie in another space than its input, or have other channels"
            found.append(unasked(PROBE, node.name, "consistency, restoration, gain", why, at="others"))
    return Outcome(tuple(found))


def _level(bench: Bench, node: Node, rows: int) -> tuple[float, bool]:
    """The std of the noise on the input, and whether the input itself brought it."""
    edge = node.inputs["low"].edge
    if edge.hand == "noisy":
        return edge.level or 0.0, False  # looked at alone, noise is put on a whole signal
    listened = heard(bench, node, rows=rows)
    if "denoising_start" in listened.call:
        return listened.std or 0.0, True
    begun = listened.std if edge.via == "start" or _starts(listened.call) else None
    return listened.put_on or begun or edge.level or 0.0, False


def _starts(call: object) -> bool:
    return isinstance(call, dict) and any(name in call for name in ("strength", "denoise_strength"))


def _said(node: Node, came: Crossed, level: tuple[float, bool], sure: float) -> list[Finding]:
    """Order and scale, each judged at the confidence `sure`."""
    u, v = (_coarse(x).double() for x in (came.left, came.back))
    u, v = (x - x.mean(dim=0, keepdim=True) for x in (u, v))
    order = best_order(u, v)
    likeness = float(_correlations(u[:, order], v)[_alive(u[:, order])].mean())
    name = "what comes back of its input"
    if likeness < RESEMBLES:
        why = f"what comes back does not resemble it (a correlation of {likeness:.2f})"
        return [unasked(PROBE, node.name, name, why)]
    return [_order(node, u, v, sure), _scale(node, u[:, order], v, level, sure)]


def _coarse(x: Tensor) -> Tensor:
    """Without the finest octave, in which stages add what is theirs."""
    return resample(x, [n // 2 if n >= SMALL else n for n in x.shape[2:]], "area")


def best_order(u: Tensor, v: Tensor) -> list[int]:
    """For each channel of v the channel of u that it follows: a permutation, or the order as it is."""
    count, own = u.shape[1], list(range(u.shape[1]))
    likeness = torch.stack([_correlations(u.roll(-k, 1), v) for k in own])  # by shift, and channel of v
    table = torch.stack([likeness[(torch.arange(count) - c) % count, c] for c in own])  # by channel of v, and of u
    if count <= MOST_CHANNELS:
        return list(max(permutations(own), key=lambda order: float(table[own, list(order)].sum())))
    nearest: list[int] = table.argmax(1).tolist()
    return nearest if sorted(nearest) == own else own


def _correlations(u: Tensor, v: Tensor) -> Tensor:
    """By channel, over samples and sites."""
    a, b = (x.transpose(0, 1).flatten(1) for x in (u, v))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp_min(1e-12)


def _alive(u: Tensor) -> Tensor:
    """Which channels bear something."""
    power = u.transpose(0, 1).flatten(1).square().mean(1)
    return power > DEAD * power.max()


def _shared(u: Tensor, v: Tensor) -> float:
    """R^2, the mean over the channels that bear something."""
    return float(_correlations(u, v)[_alive(u)].square().mean())


def _order(node: Node, u: Tensor, v: Tensor, sure: float) -> Finding:
    """How much more another order of the channels explains than their own, with a jackknife's interval.

    The order is chosen anew without each sample: what the choice itself owes to chance varies with it. The confidence
    `sure` is shared by all orders that are chosen from.
    """
    order, own = best_order(u, v), list(range(u.shape[1]))

    def explained(keep: Tensor) -> float:
        best, kept = (_shared(u[keep][:, o], v[keep]) for o in (best_order(u[keep], v[keep]), own))
        return max(1 - (1 - best) / max(1 - kept, 1e-12), 1 - kept / max(best, 1e-12))

    n = len(u)
    every = torch.arange(n)
    without = torch.tensor([explained(every[every != i]) for i in range(n)])
    variance = (n - 1) / n * float((without - without.mean()).square().sum())
    estimate = Estimate(explained(every), variance, n)
    share = estimate.interval()
    wrong = order != own and share.value >= EXPLAINED and estimate.interval(bonferroni(sure, _others(len(own)))).low > 0
    says = f"Its channels come back in the order {order}." if wrong else "Its channels come back in their order."
    return finding(
        PROBE, node.name, "the order of channels", share, unit="share", says=says, at="order", reference=0.0,
        least=EXPLAINED, level="fault" if wrong else "healthy", kind="channel-order" if wrong else None,
        advice=advice("channel-order") if wrong else None,
    )  # fmt: skip


def _others(channels: int) -> int:
    """How many other orders are chosen from; of many channels, how many may be taken for another."""
    return max(1, math.factorial(channels) - 1 if channels <= MOST_CHANNELS else channels * (channels - 1))


def _scale(node: Node, u: Tensor, v: Tensor, level: tuple[float, bool], sure: float) -> Finding:
    (std, brought), grid = level, node.inputs["low"].grid
    power, noise = float(u.square().mean()), std**2 * u[0, 0].numel() / grid.sites  # it is averaged with the octave
    clean = max(power - noise, 0.0) if brought else power
    least = clean / max(clean + noise, 1e-12)
    if least < HIDDEN:
        why = f"the noise on its input (std {std:.3g}) hides it"
        return unasked(PROBE, node.name, "the scale of what comes back", why, at="scale")
    top, bottom = (u * v).flatten(1).sum(1), u.square().flatten(1).sum(1)
    g, ends = ratio_of_means(top, bottom), ratio_of_means(top, bottom, sure)
    low, high = least * (1 - SCALE_OFF), 1 + SCALE_OFF
    off = g.value > high and ends.low > 1 or g.value < low and ends.high < least
    says = f"Its input comes back at {g.value:.2f} of its scale"
    says += f", where {least:.2f} to 1 is healthy." if off else "."
    kind = "contrast" if grid.space == PIXELS else "latent-scale"
    return finding(
        PROBE, node.name, "the scale of what comes back", g, unit="ratio", says=says, at="scale", reference=1.0,
        least=SCALE_OFF, level="fault" if off else "healthy", kind=kind if off else None,
        advice=advice(kind) if off else None,
    )  # fmt: skip
