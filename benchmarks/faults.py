"""Faults planted in healthy cascades from outside: stages are wrapped, settings changed; the product knows nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.signal.blur import blur
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.stage import DenoisingStage
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.stage import Request, Stage

Change = Callable[[Tensor, Request], Tensor]
"""From a signal and the request it belongs to, to the faulty signal."""
Plant = Callable[[Cascade, str, float], Cascade]
"""From a healthy cascade, a stage and a strength to the faulty cascade."""


@final
@dataclass(frozen=True)
class Wrapped:
    """A stage whose inputs or answers are tampered with on the way."""

    inner: Stage
    before: Callable[[Request], Request] | None = None
    after: Change | None = None

    def run(self, request: Request) -> Tensor:
        """Run the stage inside."""
        answer = self.inner.run(self.before(request) if self.before else request)
        return self.after(answer, request) if self.after else answer

    def to(self, device: torch.device) -> None:
        """Move the stage inside."""
        self.inner.to(device)


@final
@dataclass(frozen=True)
class Fault:
    """A kind of fault: `plant` puts it in, `base` and `later` say in which stages it makes sense.

    `strengths` run from weak to strong; the first one that can be seen is taken.
    """

    name: str
    kind: str
    plant: Plant
    strengths: tuple[float, ...]
    base: bool = True
    later: bool = True
    graded: bool = True
    """Whether strengths are amounts, that could as well be others."""

    def scaled(self, by: float) -> Fault:
        """The same fault at other strengths, where they are amounts."""
        return replace(self, strengths=tuple(by * s for s in self.strengths)) if self.graded else self


def with_stage(cascade: Cascade, name: str, stage: Stage) -> Cascade:
    """The cascade with one live stage in another's place."""
    return Cascade(cascade.spec, {**cascade.stages, name: stage}, root=cascade.root, runtime=cascade.runtime)


def after(change: Callable[[float], Change]) -> Plant:
    """A fault on the answer."""
    return lambda cascade, name, strength: with_stage(
        cascade, name, Wrapped(cascade.stages[name], after=change(strength))
    )


def before(change: Callable[[float], Change]) -> Plant:
    """A fault on the low input, on both grids that it is seen on."""

    def plant(cascade: Cascade, name: str, strength: float) -> Cascade:
        def tamper(request: Request) -> Request:
            low, change_by = request.inputs["low"], change(strength)
            changed = replace(low, x=change_by(low.x, request), source=change_by(low.source, request))
            return replace(request, inputs={**request.inputs, "low": changed})

        return with_stage(cascade, name, Wrapped(cascade.stages[name], before=tamper))

    return plant


def set_to(path: str) -> Plant:
    """A fault in the settings: `path` below the stage, set to the strength."""
    return lambda cascade, name, strength: cascade.with_settings({f"{name}.{path}": strength})


def wrong_kernel(cascade: Cascade, name: str, strength: float) -> Cascade:
    """The low input brought up by another kernel; its noise stays what it was."""
    kernel = ("bilinear", "area", "nearest", "bilinear-corners")[int(strength)]

    def tamper(request: Request) -> Request:
        low, size = request.inputs["low"], request.grid.size
        noise = low.x / low.alpha - resample(low.source, size, low.kernel)
        changed = replace(low, x=low.alpha * (resample(low.source, size, kernel) + noise), source=low.source)
        return replace(request, inputs={**request.inputs, "low": changed})

    return with_stage(cascade, name, Wrapped(cascade.stages[name], before=tamper))


def shuffled(cascade: Cascade, name: str, strength: float) -> Cascade:
    """Every sample is given another one's low input."""

    def tamper(request: Request) -> Request:
        rolled = {
            key: replace(given, x=given.x.roll(1, 0), source=given.source.roll(1, 0))
            for key, given in request.inputs.items()
        }
        return replace(request, inputs=rolled)

    return with_stage(cascade, name, Wrapped(cascade.stages[name], before=tamper))


def prompt_shuffled(cascade: Cascade, name: str, strength: float) -> Cascade:
    """Every sample is asked for what another one should be."""

    def tamper(request: Request) -> Request:
        count = len(request.draws.ids)
        return replace(request, condition=request.condition.take([(i + 1) % count for i in range(count)]))

    return with_stage(cascade, name, Wrapped(cascade.stages[name], before=tamper))


def unasked(cascade: Cascade, name: str, strength: float) -> Cascade:
    """Prompts never arrive."""

    def tamper(request: Request) -> Request:
        return replace(request, condition=request.condition.null())

    return with_stage(cascade, name, Wrapped(cascade.stages[name], before=tamper))


def worn(cascade: Cascade, name: str, strength: float) -> Cascade:
    """Every step takes a little detail away, so that too many of them smooth it away."""

    def change(x: Tensor, request: Request) -> Tensor:
        assert isinstance(request.spec, DenoisingStage)
        return blur(x, strength * request.spec.solver.steps / 24)

    return with_stage(cascade, name, Wrapped(cascade.stages[name], after=change))


def half_trained(cascade: Cascade, name: str, strength: float) -> Cascade:
    """A network whose weights are off; an exact stage, which has none, is followed by a random layer."""
    stage = cascade.stages[name]
    if not isinstance(stage, Diffusion):
        return after(convolved)(cascade, name, strength)
    spoilt = copy.deepcopy(stage)
    draws = Draws(5, name, (0,))
    with torch.no_grad():
        for key, weight in spoilt.network.named_parameters():
            noise = draws.normal(key, tuple(weight.shape), device=weight.device)[0]
            weight += 0.1 * strength * noise * weight.std(correction=0)
    return with_stage(cascade, name, spoilt)


def convolved(strength: float) -> Change:
    """Something random of every channel, and of its neighbours, bent, is added to every channel."""

    def change(x: Tensor, request: Request) -> Tensor:
        rank, channels = x.ndim - 2, x.shape[1]
        draws = Draws(5, "spoilt", tuple(range(channels)))
        filters = draws.normal("filters", (channels, *[5] * rank), device=x.device)
        padded = torch.nn.functional.pad(x, (2, 2) * rank, mode="circular")
        convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[rank - 1]
        unit = filters / filters.flatten(1).norm(dim=1).reshape(-1, *[1] * (rank + 1))
        return x + strength / 2 * torch.tanh(3 * convolve(padded, unit))

    return change


def cast(strength: float) -> Change:
    """The first channel brighter, the last darker."""

    def change(x: Tensor, request: Request) -> Tensor:
        shift = torch.linspace(1, -1, x.shape[1], device=x.device) if x.shape[1] > 1 else x.new_ones(1)
        return x + strength * shift.reshape(1, -1, *[1] * (x.ndim - 2))

    return change


def patch(strength: float) -> Change:
    """A square of that share of each axis is grey."""

    def change(x: Tensor, request: Request) -> Tensor:
        changed = x.clone()
        window = tuple(slice(n // 4, n // 4 + max(1, round(strength * n))) for n in x.shape[2:])
        changed[(slice(None), slice(None), *window)] = 0.0
        return changed

    return change


def contrast(strength: float) -> Change:
    """Squeezed about grey."""
    return lambda x, request: x * (1 - strength)


def smoothed(strength: float) -> Change:
    """What too many steps, or a start at too much noise, end in: detail is gone."""
    return lambda x, request: blur(x, strength)


def noisy(strength: float) -> Change:
    """White noise that the stage is not told of."""

    def change(x: Tensor, request: Request) -> Tensor:
        return x + strength * request.draws.scoped("planted").normal("noise", tuple(x.shape[1:]), device=x.device)

    return change


def in_range(strength: float) -> Change:
    """[0, 1] where [-1, 1] is due (0), or the other way round (1)."""
    return lambda x, request: (x + 1) / 2 if strength == 0 else 2 * x - 1


def reordered(strength: float) -> Change:
    """BGR for RGB."""
    return lambda x, request: x.flip(1)


def mirrored(strength: float) -> Change:
    """Left is right."""
    return lambda x, request: x.flip(-1)


def untold(cascade: Cascade, name: str, strength: float) -> Cascade:
    """Noise on the low input that nobody is told of."""

    def tamper(request: Request) -> Request:
        low, size = request.inputs["low"], request.grid.size
        eps = request.draws.scoped("planted").normal("noise", tuple(low.source.shape[1:]), device=low.x.device)
        up = resample(strength * eps, size, low.kernel)
        changed = replace(low, x=low.x + up, source=low.source + strength * eps)
        return replace(request, inputs={**request.inputs, "low": changed})

    return with_stage(cascade, name, Wrapped(cascade.stages[name], before=tamper))


def posterised(strength: float) -> Change:
    """A few grey levels only."""
    return lambda x, request: (x / strength).round() * strength


def rolled(strength: float) -> Change:
    """Moved along the last axis, around the border."""
    return lambda x, request: x.roll(int(strength), -1)


def ringing(strength: float) -> Change:
    """Detail exaggerated."""
    return lambda x, request: x + strength * (x - blur(x, 1.0))


def striped(strength: float) -> Change:
    """Every other line is darker."""

    def change(x: Tensor, request: Request) -> Tensor:
        changed = x.clone()
        changed[..., ::2] -= strength
        return changed

    return change


def blocky(strength: float) -> Change:
    """As if drawn on half the grid."""
    return lambda x, request: resample(resample(x, [n // 2 for n in x.shape[2:]], "area"), x.shape[2:], "nearest")


def grey(strength: float) -> Change:
    """Colours gone."""
    return lambda x, request: x.mean(dim=1, keepdim=True).expand_as(x).contiguous()


def alike(strength: float) -> Change:
    """Every answer is drawn towards the mean of all."""
    return lambda x, request: (1 - strength) * x + strength * x.mean(dim=0, keepdim=True)


def bent(strength: float) -> Change:
    """A gamma."""
    return lambda x, request: ((x.clamp(-1, 1) + 1) / 2) ** strength * 2 - 1


FAULTS = (
    Fault("wrong resize kernel", "resize-kernel", wrong_kernel, (0, 2, 3), base=False, graded=False),
    Fault("level too high", "level", set_to("inputs.low.noise.std"), (0.4, 0.6, 0.9), base=False),
    Fault("untold noise", "untold-noise", untold, (0.1, 0.2, 0.4, 0.8, 1.6), base=False),
    Fault("colour cast", "colour-cast", after(cast), (0.1, 0.2)),
    Fault("colour cast at the edge", "colour-cast", before(cast), (0.2, 0.4), base=False),
    Fault("missing patch", "missing-patch", after(patch), (0.25, 0.5), graded=False),
    Fault("missing patch at the edge", "missing-patch", before(patch), (0.5,), base=False, graded=False),
    Fault("low input shuffled", "low-ignored", shuffled, (1,), base=False, graded=False),
    Fault("detail smoothed away", "over-smoothed", after(smoothed), (0.7, 1.0, 1.5)),
    Fault("contrast squeezed", "contrast", after(contrast), (0.2, 0.4)),
    Fault("weights off", "weights", half_trained, (1.0, 1.5)),
    Fault("wrong range at the edge", "range", before(in_range), (0, 1), base=False, graded=False),
    Fault("wrong range of the answer", "range", after(in_range), (0,), graded=False),
    Fault("channel order at the edge", "channel-order", before(reordered), (1,), base=False, graded=False),
    Fault("channel order of the answer", "channel-order", after(reordered), (1,), graded=False),
    Fault("noise left in the answer", "noise-left", after(noisy), (0.1, 0.2)),
    Fault("mirrored answer", "geometry", after(mirrored), (1,), base=False, graded=False),
    Fault("prompts shuffled", "prompt-ignored", prompt_shuffled, (1,), later=False, graded=False),
    Fault("prompts dropped", "prompt-ignored", unasked, (1,), later=False, graded=False),
    Fault("too many steps", "over-smoothed", worn, (0.8, 1.2, 2.0), base=False),
)  # fmt: skip
"""All kinds that the lens has a name for."""

STRANGERS = (
    Fault("posterised", "", after(posterised), (0.4, 0.8)),
    Fault("moved by two sites", "", after(rolled), (2,), base=False),
    Fault("ringing", "", after(ringing), (1.0, 2.0)),
    Fault("striped", "", after(striped), (0.2, 0.4)),
    Fault("blocky", "", after(blocky), (1,)),
    Fault("grey", "", after(grey), (1,)),
    Fault("all alike", "", after(alike), (0.3, 0.6)),
    Fault("gamma", "", after(bent), (1.8, 2.5)),
)
"""Faults that it has no name for, and should still put in the right stage."""


def damage(healthy: Tensor, faulty: Tensor) -> float:
    """PSNR in dB of the faulty samples against the healthy ones at equal seeds; 30 and less can be seen."""
    return float(10 * torch.log10(4 / (healthy - faulty).square().mean().clamp_min(1e-12)))


def planted(
    cascade: Cascade,
    name: str,
    fault: Fault,
    samples: Mapping[str, Any],
    *,
    healthy: Tensor | None = None,
    most_db: float = 30.0,
) -> tuple[Cascade, float, float] | None:
    """The cascade with the fault at the first strength that can be seen: (cascade, strength, dB); None if none can.

    `healthy` are the samples without it, where they are known.
    """
    before = cascade.sample(**samples).x if healthy is None else healthy
    for strength in fault.strengths:
        faulty = fault.plant(cascade, name, strength)
        if (db := damage(before, faulty.sample(**samples).x)) <= most_db:
            return faulty, strength, db
    return None
