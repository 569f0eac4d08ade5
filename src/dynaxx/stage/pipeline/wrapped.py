"""A pretrained diffusers pipeline as a stage: it keeps its own loop, scheduler and number format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.spec.families import FAMILIES, Family
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline import call as calls
from dynaxx.stage.pipeline.asked import Asked
from dynaxx.stage.pipeline.bounded import bounded
from dynaxx.stage.pipeline.cache import forget_answers
from dynaxx.stage.pipeline.drawn import drawing_ahead
from dynaxx.stage.pipeline.guided import check_interval, limited
from dynaxx.stage.pipeline.hand import Memory, cleaned
from dynaxx.stage.pipeline.held import Held
from dynaxx.stage.pipeline.noising import hearing
from dynaxx.stage.pipeline.open import dtype_of
from dynaxx.stage.pipeline.refused import refusals
from dynaxx.stage.pipeline.text import Texts
from dynaxx.stage.pipeline.tried import Tried
from dynaxx.stage.pipeline.walk import Stopped, Walk, walking
from dynaxx.stage.stage import Request
from dynaxx.stage.streaming import begun_anew


@final
class Wrapped:
    """Any diffusers pipeline behind the stage boundary; nothing is opened before it is fetched.

    `texts` are the encoded prompts of the cascade's pipelines, `above` what the scheduler of the stage that hands
    over remembers; `hands` says whether this one hands over half-way, and `below` is where it leaves its own. `keeps`
    says whether weights stay in memory beside the device that they leave.
    """

    def __init__(
        self,
        spec: PipelineStage,
        *,
        root: Path | None = None,
        texts: Texts | None = None,
        above: Memory | None = None,
        hands: bool = False,
        allow_download: bool = False,
        keeps: bool = False,
    ) -> None:
        self.spec, self.above, self.below, self._hands = spec, above, Memory(), hands
        self._tried, self._on = Tried(), torch.device("cpu")
        self.held = Held(spec, root, texts or Texts(), hands=hands, allow_download=allow_download, keeps=keeps)

    @property
    def pipe(self) -> Any:
        """The pipeline itself, while it is held."""
        return self.held.pipe

    def make_ready(self) -> None:
        """Import what the pipeline is made of.

        Raises:
            RunError: if it is not on this machine, and may not be fetched.
        """
        self.held.make_ready()

    def fetch(self, device: torch.device, texts: Sequence[str]) -> None:
        """Bring what these prompts need to `device`."""
        self._ready(texts)
        self.held.fetch(device, texts)

    def holds(self, device: torch.device) -> bool:
        """Whether the weights are on the device, or come there block by block."""
        return self.held.holds(device)

    def encodes(self, device: torch.device, texts: Sequence[str]) -> bool:
        """Whether encoders would come to `device` beside what stayed there, or is begun ahead."""
        return self.held.encodes(device, texts)

    def encode_prompts(self, device: torch.device, texts: Sequence[str]) -> None:
        """Have the prompts of a run encoded, before any weights are fetched for it."""
        self._ready(texts)
        self.held.encode(device, texts)

    def stream(self, device: torch.device, texts: Sequence[str]) -> None:
        """Make ready to bring the network's blocks to `device` one after another."""
        self._ready(texts)
        self.held.stream(device, texts)

    def ahead(self, device: torch.device, room_bytes: int | None) -> None:
        """Begin to bring the weights, to the device where it has room."""
        self.held.ahead(device, room_bytes)

    def evict(self) -> None:
        """Let go of the pipeline, and of what was remembered above it."""
        if self.above:
            self.above.clear()
        self.held.evict()

    def to(self, device: torch.device) -> None:
        """Move what is held in memory."""
        self.held.to(device)

    @property
    def weights_bytes(self) -> int | None:
        """What is held in memory while the stage runs."""
        return self.held.weights_bytes

    @torch.no_grad()
    def run(self, request: Request) -> Tensor:
        """Call the pipeline on a batch: `(B, *request.grid.shape)`, pixels in [-1, 1] or the codec's latents.

        Raises:
            SpecError: if the pipeline does not take what the file gives it.
            RunError: if it refuses sizes, inputs or arguments.
        """
        spec = request.spec
        assert isinstance(spec, PipelineStage)
        self._on = request.device
        if self.pipe is None or self._lacks_expert(request):
            self.held.hands = self._hands and request.stop_std is not None
            self.held.close()
            self.held.fetch(request.device, request.condition.texts)
        calls.check_call(self.pipe, spec)
        check_interval(spec, self._family(), type(self.pipe).__name__)
        alone = self._family().single and len(request.draws.ids) > 1
        parts = [calls.taken(request, row) for row in range(len(request.draws.ids))] if alone else [request]
        with begun_anew(self.held.streamed, request.device):
            return torch.cat([self._batch(part, spec) for part in parts])

    def _batch(self, request: Request, spec: PipelineStage) -> Tensor:
        family, seeds = self._family(), calls.seeds_of(request.draws)
        said = {**spec.call, **calls.sizes(self.pipe, spec, request.grid)}
        said |= calls.level(family, request)
        given = {**said, **self._prompts(family, request), **calls.output(family, request.grid)}
        for name in ("negative_prompt", "negative_prompt_2", "prompt_2") if family.embeds else ():
            given.pop(name, None)  # they are part of the encoded prompts
        if "generator" in calls.parameters(self.pipe) and request.device.type != "meta":  # nothing is drawn there
            given["generator"] = [torch.Generator().manual_seed(seed) for seed in seeds]
        given |= calls.signals(self.pipe, family, request, dtype_of(self.spec))
        walk, more = bounded(self._asked(), family, request, said, given, self.above)
        if request.levers and not self.held.streams:
            self._pull(request, {**given, **more}, walk)
        heard = list[float]()
        limits = limited(self.pipe, family, spec, said, walk, len(seeds))
        with hearing(self.pipe, heard), limits as guided:
            found = self._called({**given, **more}, family, walk, request)
        if request.on_call:
            put_on = {"put_on_std": heard[-1]} if heard else {}
            pulled = {"levers": self._tried.told()} if request.levers else {}
            steps = {} if spec.guidance_interval is None else {"guided_steps": len(guided)}
            measured = put_on | pulled | steps
            request.on_call({"pipeline": type(self.pipe).__name__, "seeds": seeds, **said, **more, **measured})
        return found

    def _asked(self) -> Asked:
        return Asked(self.pipe, self.spec.name, self._on)

    def _pull(self, request: Request, given: Mapping[str, Any], walk: Walk) -> None:
        """Choose levers for the network on the first call of it that this batch makes; once for a pipeline."""

        def begin() -> None:
            asked = self._asked()
            with walking(asked.scheduler, Walk(start_std=walk.start_std)):
                asked.aside(given)

        moves = self.held.master is not None
        with refusals(self.spec.name, request.device):
            found = self._tried.pull(self.pipe, begin, request.levers, moves=moves)
        if found and self.held.master is not None:
            self.held.master.lay_out()

    def _called(self, given: Mapping[str, Any], family: Family, walk: Walk, request: Request) -> Tensor:
        asked = self._asked()
        forget_answers(self.pipe)
        try:
            with walking(asked.scheduler, walk), drawing_ahead(asked.scheduler, given.get("generator", ()), self._on):
                found = calls.answer(self.pipe, family, request.grid, asked.ask(given))
        except Stopped:
            found = cleaned(calls.unpacked(self.pipe, walk.state, request.grid), walk.levels[walk.index])
            self.below.leave(request.draws.ids, asked.scheduler, walk.left, found)
        if family.fraction and request.stop_std is not None:
            found = cleaned(found, walk.levels[walk.index])
        return found.to(request.dtype)

    def _prompts(self, family: Family, request: Request) -> dict[str, Any]:
        texts = request.condition.texts
        if not family.embeds:
            return {"prompt": list(texts)} if "prompt" in calls.parameters(self.pipe) else {}
        rows = self.held.texts.rows(self.held.key, texts)
        return {name: x.to(request.device) for name, x in zip(family.embeds, rows, strict=True) if x is not None}

    def _ready(self, texts: Sequence[str]) -> None:
        """For a run of these prompts, which hands over again if the last one did not."""
        if self.held.hands != self._hands:
            self.held.close()
            self.held.hands = self._hands
        self.held.texts.forget(texts)

    def _lacks_expert(self, request: Request) -> bool:
        """Whether a walk that was to be handed over goes on to its end after all."""
        return self.held.spares()[0] and request.stop_std is None

    def _family(self) -> Family:
        """What is known of the pipeline; else what its call's arguments say."""
        return FAMILIES.get(type(self.pipe).__name__) or calls.guessed(self.pipe)
