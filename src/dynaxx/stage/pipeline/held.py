"""A wrapped pipeline's weights: opened when needed, encoders dropped after use, let go of, read ahead, streamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch

from dynaxx.signal.device_memory import shares_memory
from dynaxx.spec.facts import NETWORKS, folder_of
from dynaxx.spec.families import FAMILIES, Family
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.absent import refuse_absent
from dynaxx.stage.mapped import empty, give_back, lie_on, on_its_own, read_ahead
from dynaxx.stage.memory import if_there_is_room
from dynaxx.stage.pinned import Pinned
from dynaxx.stage.pipeline.classes import import_classes
from dynaxx.stage.pipeline.coming import Coming
from dynaxx.stage.pipeline.open import WAYS, class_name, dtype_of, open_pipeline, pipeline_class
from dynaxx.stage.pipeline.refused import refusals
from dynaxx.stage.pipeline.text import TEXT_PARTS, Texts, encode_prompts, encoder_key, encoder_names
from dynaxx.stage.streaming import stop_streaming, stream_blocks, streams
from dynaxx.stage.weights import tensors_bytes

EXPERTS = ("transformer_2", "transformer")
"""What the upper and the lower of two experts do not need."""


@final
class Held:
    """A pipeline that is there while it is needed; `key` says who has encoded its prompts.

    `hands` says whether it hands over half-way, so that the second of two experts is not needed; `keeps` whether
    weights that leave a device stay in memory beside it.
    """

    def __init__(
        self, spec: PipelineStage, root: Path | None, texts: Texts, *, hands: bool, allow_download: bool, keeps: bool
    ) -> None:
        self.spec, self.root, self.texts = spec, root, texts
        self.hands, self.allow_download, self.keeps = hands, allow_download, keeps
        self.pipe: Any = None
        self.master: Pinned | None = None
        self._coming = Coming()
        self.streams = False
        self._imported = False
        self.key = f"{spec.name} {id(self)}"
        self._folder = folder_of(spec.load, root)
        self._keyed: Path | None = None

    def make_ready(self) -> None:
        """Import the classes of what will be opened, once; RunError where it is not here, and may not be fetched."""
        if self._imported:
            return
        where = f"stage {self.spec.name!r}"
        refuse_absent(where, self.spec.load, self.root, WAYS, allow_download=self.allow_download)
        import_classes(self.spec, self.root)
        self._imported = True

    def fetch(self, device: torch.device, texts: Sequence[str]) -> None:
        """Bring what these prompts need to `device`: encoders only for prompts that nobody has encoded yet.

        They are dropped as soon as they have done their work.
        """
        self._prepared(device, texts)
        if self._pins(device) and self.master is None:
            self.master = Pinned(self._modules())
        if self.master is not None:
            self.master.finish(device)
        elif not self.holds(device):
            self.pipe.to(device)  # even where all is there it would ask every layer

    def holds(self, device: torch.device) -> bool:
        """Whether the weights are on the device, or come there block by block."""
        if self.pipe is None or self.streams:
            return self.streams
        if self.master is not None:
            return self.master.on == device
        return all(lie_on(part, device) for part in self._modules())

    def encodes(self, device: torch.device, texts: Sequence[str]) -> bool:
        """Whether encoders would come to `device` beside what stayed there, or is begun ahead.

        Unknown, and so true, before the files are on this machine.
        """
        if not self._pins(device):
            return False
        if self._folder is None:
            return True
        family = self._family()
        return family is not None and bool(self.texts.missing(self.key, texts))

    def encode(self, device: torch.device, texts: Sequence[str]) -> None:
        """Have the prompts encoded on `device`, with the network left where it is."""
        self._prepared(device, texts)

    def _family(self) -> Family | None:
        """What is known of the pipeline, where it takes prompts encoded; `key` then says who encodes them."""
        name = class_name(self.spec, self._folder) or type(self.pipe).__name__
        family = FAMILIES.get(name)
        if family is None or not family.embeds:
            return None
        if self._folder is not None and self._folder != self._keyed:
            self.key = encoder_key(family, pipeline_class(name, self.spec), self._folder, self.spec)
            self._keyed = self._folder
        return family

    def _prepared(self, device: torch.device, texts: Sequence[str]) -> None:
        """Open the pipeline, have the prompts encoded, drop the encoders."""
        self._settle()
        if self.pipe is None and self._folder is None:  # not on this machine before it is opened
            self.pipe = self._opened(encoders=True)
            self._folder = folder_of(self.spec.load, self.root)
        family = self._family()
        encodes = family is not None
        missing = self.texts.missing(self.key, texts) if encodes else []
        if self.pipe is None or (missing and not encoder_names(self.pipe)):
            self.pipe = self._opened(encoders=bool(missing) or not encodes)
        if missing and family is not None:
            with refusals(self.spec.name, device):
                encoded = encode_prompts(self.pipe, family, self.spec.call, missing, device)
            self.texts.keep(self.key, missing, encoded)
        for encoder in encoder_names(self.pipe) if encodes else ():
            setattr(self.pipe, encoder, None)

    def evict(self) -> None:
        """Let go of the weights: of a device's copy where there is a master, else of the pipeline as a whole."""
        self._settle()
        for part in self._modules() if self.streams else ():
            stop_streaming(part)
        self.streams = False
        if self.master is not None:
            self.master.drop()
            return
        empty(self._modules())
        self.pipe = None
        give_back()

    def close(self) -> None:
        """Let go of the pipeline and of its master, to open another in its place."""
        self._settle()
        self.master = None
        self.evict()

    def ahead(self, device: torch.device, room_bytes: int | None) -> None:
        """Begin to copy the master to the device where it has room; without one, begin to make it.

        What has no room after all comes when it is fetched: others may have taken it. Where no master is needed, or the
        pipeline is not open, the system is asked to read the files.
        """
        if self.master is None and self.pipe is not None and self._pins(device):
            self._coming.begin(self._modules())
        elif self.master is None:
            read_ahead(self._weights())
        elif room_bytes is None or self.master.weights_bytes <= room_bytes:
            with if_there_is_room():
                self.master.begin(device)

    def stream(self, device: torch.device, texts: Sequence[str]) -> None:
        """Fetch with the network left where it is: its blocks come to `device` one after another as they run."""
        self._prepared(device, texts)
        if self.streams:
            return
        if self.master is not None:  # blocks have page-locked copies of their own
            self.master.drop()
            self.master = None
        try:
            for part in self._modules():
                stream_blocks(part, device) if part in self._blocked() else part.to(device)
        except BaseException:
            for part in self._modules():
                stop_streaming(part)
            raise
        self.streams = True

    @property
    def streamed(self) -> list[torch.nn.Module]:
        """The networks whose blocks come as they run."""
        return self._blocked() if self.streams else []

    def _blocked(self) -> list[torch.nn.Module]:
        parts = [getattr(self.pipe, name, None) for name in NETWORKS]
        return [part for part in parts if part is not None and streams(part)]

    def _pins(self, device: torch.device) -> bool:
        """Whether weights that leave the device stay in memory beside it: where that is the device's too, they go."""
        return self.keeps and on_its_own(device) and not shares_memory(device)

    def _settle(self) -> None:
        """Take up the master that is on its way."""
        self.master = self._coming.take() or self.master

    def _modules(self) -> list[torch.nn.Module]:
        parts = self.pipe.components.values() if self.pipe is not None else ()
        return [part for part in parts if isinstance(part, torch.nn.Module)]

    @property
    def weights_bytes(self) -> int | None:
        """The files of all parts but the encoders, at the width of the stage's number format."""
        files, width = self._weights(), dtype_of(self.spec).itemsize
        return sum(tensors_bytes(file, item_bytes=width) for file in files) if files else None

    def _weights(self) -> list[Path]:
        """The files that stay in memory while the stage runs."""
        if self._folder is None:
            return []
        spared = {name for name, is_spared in zip(EXPERTS, self.spares(), strict=True) if is_spared}
        parts = [part for part in sorted(self._folder.iterdir()) if part.is_dir() and part.name not in spared]
        kept = [part for part in parts if not part.name.startswith(TEXT_PARTS)]
        variant = f".{self.spec.variant}." if self.spec.variant else ""
        return [file for part in kept for file in sorted(part.glob("*.safetensors")) if variant in file.name]

    def to(self, device: torch.device) -> None:
        """Move what is held in memory; a master copy, which would not know, is let go of."""
        self._settle()
        if self.pipe is not None:
            self.master = None
            self.pipe.to(device)

    def _opened(self, *, encoders: bool) -> Any:
        """The pipeline; what is held already is used again, and what is not needed left out."""
        held = {} if self.pipe is None or self.spec.adapters else self.pipe.components
        self.master = self.master if held else None
        have = {name: part for name, part in held.items() if part is not None and not name.startswith(TEXT_PARTS)}
        if not encoders and self._folder is not None:
            have |= {part.name: None for part in self._folder.glob("text_encoder*")}
        have |= dict.fromkeys(part for part, spared in zip(EXPERTS, self.spares(), strict=True) if spared)
        return open_pipeline(self.spec, self.root, have=have, allow_download=self.allow_download)

    def spares(self) -> tuple[bool, bool]:
        """Which of two experts this half of a walk does without."""
        low = self.spec.inputs.get("low")
        both = self._folder is not None and (self._folder / EXPERTS[0]).is_dir()
        return both and self.hands, both and low is not None and low.hand == "noisy"
