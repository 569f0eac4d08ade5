"""A pretrained diffusers pipeline as a stage: it keeps its own loop, scheduler and number format."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.errors import RunError, SpecError
from dynaxx.signal.random import Draws
from dynaxx.spec.facts import folder_of
from dynaxx.spec.families import FAMILIES, Family
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline import call as calls
from dynaxx.stage.pipeline.hand import Memory, cleaned, fraction_of, start_share
from dynaxx.stage.pipeline.open import class_name, dtype_of, open_pipeline, pipeline_class
from dynaxx.stage.pipeline.text import TEXT_PARTS, Texts, encode_prompts, encoder_key, encoder_names
from dynaxx.stage.pipeline.walk import Stopped, Walk, first_below, walking
from dynaxx.stage.stage import Request

SEED_BITS = 53
"""Of a generator's seed: whole numbers that JSON and a reader's script hold exactly."""
EXPERTS = ("transformer_2", "transformer")
"""What the upper and the lower of two experts do not need."""


@final
class Wrapped:
    """Any diffusers pipeline behind the stage boundary; nothing is opened before it is fetched.

    `texts` are the encoded prompts of the cascade's pipelines, `above` what the scheduler of the stage that hands
    over remembers; `hands` says whether this one hands over half-way, and `below` is where it leaves its own.
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
    ) -> None:
        self.spec, self.root, self.texts = spec, root, texts or Texts()
        self.above, self.below, self.hands, self.allow_download = above, Memory(), hands, allow_download
        self.pipe: Any = None
        self._folder = folder_of(spec.load, root)
        self._key = f"{spec.name} {id(self)}"

    def fetch(self, device: torch.device, texts: Sequence[str]) -> None:
        """Bring what these prompts need to `device`: encoders only for prompts that nobody has encoded yet.

        They are dropped as soon as they have done their work.
        """
        name = class_name(self.spec, self._folder)
        family = FAMILIES.get(name)
        encodes = family is not None and bool(family.embeds)
        if family is not None and encodes and self._folder is not None:
            self._key = encoder_key(family, pipeline_class(name, self.spec), self._folder, self.spec)
        missing = self.texts.missing(self._key, texts) if encodes else []
        if self.pipe is None or (missing and not encoder_names(self.pipe)):
            self.pipe = self._opened(encoders=bool(missing) or not encodes)
        if missing and family is not None:
            self.texts.keep(self._key, missing, encode_prompts(self.pipe, family, self.spec.call, missing, device))
        for name in encoder_names(self.pipe) if encodes else ():
            setattr(self.pipe, name, None)
        self.pipe.to(device)

    def evict(self) -> None:
        """Let go of the pipeline, and give what it took back to the system."""
        self.pipe = None
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)

    def to(self, device: torch.device) -> None:
        """Move what is held in memory."""
        if self.pipe is not None:
            self.pipe.to(device)

    @torch.no_grad()
    def run(self, request: Request) -> Tensor:
        """Call the pipeline on a batch: `(B, *request.grid.shape)`, pixels in [-1, 1] or the codec's latents.

        Raises:
            SpecError: if the pipeline does not take what the file gives it.
            RunError: if it refuses sizes, inputs or arguments.
        """
        spec = request.spec
        assert isinstance(spec, PipelineStage)
        if self.pipe is None or self._lacks_expert(request):
            self.hands = self.hands and request.stop_std is not None
            self.evict()
            self.fetch(request.device, request.condition.texts)
        calls.check_call(self.pipe, spec)
        alone = self._family().single and len(request.draws.ids) > 1
        parts = [calls.taken(request, row) for row in range(len(request.draws.ids))] if alone else [request]
        return torch.cat([self._batch(part, spec) for part in parts])

    def _batch(self, request: Request, spec: PipelineStage) -> Tensor:
        family, seeds = self._family(), seeds_of(request.draws)
        said = {**spec.call, **calls.sizes(self.pipe, spec, request.grid)}
        said |= calls.level(family, request)
        given = {**said, **self._prompts(family, request), **calls.output(family, request.grid)}
        for name in ("negative_prompt", "negative_prompt_2", "prompt_2") if family.embeds else ():
            given.pop(name, None)  # they are part of the encoded prompts
        if "generator" in calls.parameters(self.pipe):
            given["generator"] = [torch.Generator().manual_seed(seed) for seed in seeds]
        given |= calls.signals(self.pipe, family, request, dtype_of(self.spec))
        walk, more = self._walk(family, request, said, given)
        if request.on_call:
            request.on_call({"pipeline": type(self.pipe).__name__, "seeds": seeds, **said, **more})
        return self._called({**given, **more}, family, walk, request)

    def _walk(
        self, family: Family, request: Request, said: Mapping[str, Any], given: dict[str, Any]
    ) -> tuple[Walk, dict[str, Any]]:
        """Where the walk begins and ends: as arguments where the pipeline has them, else by its scheduler.

        A state that is taken up unfinished is scaled in `given` as its level asks.
        """
        walk = Walk(request.on_step, view=partial(calls.unpacked, self.pipe, grid=request.grid))
        low, stop, more = request.spec.inputs.get("low"), request.stop_std, dict[str, Any]()
        begins = low is not None and low.via == "start" and (low.hand == "noisy" or low.noise is not None)
        if stop is None and not begins:
            return walk, more
        walk.levels = self._rehearsed(given)
        if stop is not None:
            more |= {"denoising_end": fraction_of(self._scheduler, stop)} if family.fraction else {}
            walk.stop_std = None if family.fraction else stop
        if low is not None and low.hand == "noisy" and low.hand_std:
            argument = family.latents
            given[argument] = given[argument] * walk.levels[first_below(walk.levels, low.hand_std)].alpha
            more |= {"denoising_start": fraction_of(self._scheduler, low.hand_std)} if family.fraction else {}
            if not family.fraction:
                walk.start_std = low.hand_std
                walk.history = self.above.take(request.draws.ids, self._scheduler) if self.above else None
        elif low is not None and begins and low.noise is not None:
            more |= self._share(family, walk, said, low.noise.std)
        return walk, more

    def _share(self, family: Family, walk: Walk, said: Mapping[str, Any], std: float) -> dict[str, float]:
        if not family.start:
            what = f"{type(self.pipe).__name__} cannot begin at its input."
            raise SpecError(
                f"stage {self.spec.name!r}, inputs.low.via", what, "Use `via: concat`, or another pipeline."
            )
        steps = said.get("num_inference_steps", calls.parameters(self.pipe)["num_inference_steps"].default)
        return {family.start: start_share(walk.levels, int(steps), std)}

    def _rehearsed(self, given: Mapping[str, Any]) -> list[Any]:
        """The levels of the walk, asked of the pipeline itself: it is called, and left before its first step."""
        walk = Walk(rehearse=True)
        again = {**given, "generator": [torch.Generator().manual_seed(0) for _ in given.get("generator", ())]}
        try:
            with walking(self._scheduler, walk):
                self.pipe(**again)
        except Stopped:
            pass
        return walk.levels

    def _called(self, given: Mapping[str, Any], family: Family, walk: Walk, request: Request) -> Tensor:
        try:
            with walking(self._scheduler, walk):
                found = calls.answer(self.pipe, family, request.grid, self.pipe(**given))
        except Stopped:
            self.below.leave(request.draws.ids, self._scheduler, walk.left)
            found = cleaned(calls.unpacked(self.pipe, walk.state, request.grid), walk.levels[walk.index])
        except (ValueError, TypeError) as error:
            said = str(error).strip().splitlines()[0].rstrip(".")
            fix = "Change `call`, `inputs` or `out` as it asks."
            raise RunError(f"stage {self.spec.name!r}", f"the pipeline refuses ({said}).", fix) from error
        if family.fraction and request.stop_std is not None:
            found = cleaned(found, walk.levels[walk.index])
        return found.to(request.dtype)

    def _prompts(self, family: Family, request: Request) -> dict[str, Any]:
        texts = request.condition.texts
        if not family.embeds:
            return {"prompt": list(texts)} if "prompt" in calls.parameters(self.pipe) else {}
        rows = self.texts.rows(self._key, texts)
        return {name: x.to(request.device) for name, x in zip(family.embeds, rows, strict=True) if x is not None}

    def _opened(self, *, encoders: bool) -> Any:
        """The pipeline; what is held already is used again, and what is not needed left out."""
        held = {} if self.pipe is None or self.spec.adapters else self.pipe.components
        have = {name: part for name, part in held.items() if part is not None and not name.startswith(TEXT_PARTS)}
        if not encoders and self._folder is not None:
            have |= {part.name: None for part in self._folder.glob("text_encoder*")}
        low = self.spec.inputs.get("low")
        resumes = low is not None and low.hand == "noisy"
        for part, spared in zip(EXPERTS, (self.hands, resumes), strict=True):
            if spared and self._folder is not None and (self._folder / EXPERTS[0]).is_dir():
                have[part] = None
        return open_pipeline(self.spec, self.root, have=have, allow_download=self.allow_download)

    def _lacks_expert(self, request: Request) -> bool:
        """Whether a walk that was to be handed over goes on to its end after all."""
        left_out = self._folder is not None and (self._folder / EXPERTS[0]).is_dir()
        return self.hands and request.stop_std is None and left_out

    @property
    def _scheduler(self) -> Any:
        return getattr(self.pipe, "scheduler", None)

    def _family(self) -> Family:
        """What is known of the pipeline; else what its call's arguments say."""
        known = FAMILIES.get(type(self.pipe).__name__)
        if known is not None:
            return known
        takes = calls.parameters(self.pipe)
        low = next((name for name in ("image", "video") if name in takes), "")
        start = next((name for name in ("strength", "denoise_strength") if name in takes), "")
        return Family(low=low, latents="latents" if "latents" in takes else "", start=start)


def seeds_of(draws: Draws) -> list[int]:
    """The seed of each sample's generator, from the counter-based stream of its stage."""
    words = draws.bits("generator", (2,)).tolist()
    return [(high & (1 << SEED_BITS - 32) - 1) << 32 | low for high, low in words]
