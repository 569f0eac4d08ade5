"""Images per second of our training against a plain diffusers-style loop: same network, data and machine."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import timing
import torch
from PIL import Image
from torch.nn import functional as F

from dynaxx.data.shapes import Shapes
from dynaxx.noise.told import told
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.data import ShapesData
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes
from dynaxx.stage.build import build_stages
from dynaxx.train.fit import fit
from dynaxx.train.fitting import Fitting
from dynaxx.train.machine import Machine
from dynaxx.train.material import gather
from dynaxx.train.pairs import Pairs

EPOCHS = 20
"""Our decoding, done once, is spread over a training of so many epochs."""


@dataclass(frozen=True)
class Setting:
    """One measurement: pictures as files, the size they are trained at, a network, a batch."""

    pictures: int
    file_size: int
    size: int
    width: int
    batch: int
    steps: int
    repeats: int


def settings(quick: bool) -> Setting:
    """A base stage at 16 x 16 on pictures of 256 x 256; one epoch per round, so that decoding counts in full."""
    full = Setting(pictures=256, file_size=256, size=16, width=32, batch=32, steps=8, repeats=9)
    return replace(full, pictures=48, width=16, batch=16, steps=3, repeats=3) if quick else full


def write_pictures(setting: Setting, folder: Path) -> None:
    """The pictures as JPEG files, as most people's are."""
    data = Shapes(ShapesData(count=setting.pictures, size=(setting.file_size,) * 2))
    for i in range(len(data)):
        pixels = ((data[i].x + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{i:05d}.jpg", quality=92)


def cascade(setting: Setting, folder: Path) -> CascadeSpec:
    """One stage without a condition."""
    return parse(
        {
            "name": "bench",
            "data": {"kind": "folder", "path": str(folder)},
            "stages": [
                {
                    "name": "base", "role": "base", "prediction": "eps", "out": {"size": [setting.size] * 2},
                    "network": {"kind": "unet", "width": setting.width, "mults": [1, 2], "blocks": 1, "attention": [1]},
                    "train": {"steps": 10**6, "batch_size": setting.batch, "loss": {"weight": "eps"}},
                }
            ],
        }
    )  # fmt: skip


class Ours:
    """A training of ours; `run` is one epoch of it."""

    def __init__(self, spec: CascadeSpec, setting: Setting, device: torch.device, cache: Path) -> None:
        graph, self.steps = nodes(spec), setting.steps
        material = gather(spec, None, root=None, cache=cache)
        stage = build_stages(spec, graph, fresh=True)["base"]
        self.fitting = Fitting(stage, Machine(device))
        self.loop = fit(self.fitting, [Pairs(spec.condition, graph, graph[0], material, device=device)])

    def run(self) -> None:
        for _ in islice(self.loop, self.steps):
            pass


class Files(torch.utils.data.Dataset):
    """A folder of pictures, decoded, resized, cropped and brought to [-1, 1] for every item, as the examples do."""

    def __init__(self, folder: Path, size: int) -> None:
        self.files, self.size = sorted(folder.glob("*.jpg")), size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.files[index]) as image:
            small = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        x = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(self.size, self.size, 3)
        return x.permute(2, 0, 1).float() / 127.5 - 1


class Plain:
    """The loop of diffusers' unconditional example: DataLoader, DDPMScheduler, accelerate, AdamW, EMAModel."""

    def __init__(self, spec: CascadeSpec, setting: Setting, device: torch.device, folder: Path) -> None:
        from accelerate import Accelerator
        from diffusers import DDPMScheduler
        from diffusers.training_utils import EMAModel

        self.steps, self.scheduler = setting.steps, DDPMScheduler(num_train_timesteps=1000)
        network: Any = build_stages(spec, nodes(spec), fresh=True)["base"].network  # type: ignore[attr-defined]
        self.accelerator = Accelerator(cpu=device.type == "cpu")
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
        loader = torch.utils.data.DataLoader(Files(folder, setting.size), batch_size=setting.batch, shuffle=True)
        self.ema = EMAModel(network.parameters(), decay=0.9999, use_ema_warmup=True)
        self.network, self.optimiser, self.loader = self.accelerator.prepare(network, optimiser, loader)
        self.batches = self._endless()

    def _endless(self) -> Iterator[torch.Tensor]:
        while True:
            yield from self.loader

    def run(self) -> None:
        self.network.train()
        for x in islice(self.batches, self.steps):
            noise = torch.randn_like(x)
            timesteps = torch.randint(0, 1000, (len(x),), device=x.device)
            x_t = self.scheduler.add_noise(x, noise, timesteps)
            alphas = self.scheduler.alphas_cumprod.to(x.device)[timesteps]
            answer = self.network(x_t, told(((1 - alphas) / alphas).sqrt()))
            loss = F.mse_loss(answer, noise)
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
            self.ema.step(self.network.parameters())
            loss.detach().item()


def measure(setting: Setting, device: torch.device) -> list[timing.Result]:
    """Rounds of one epoch, ours and theirs in turn; a share of what ours does once is added to each of its rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "pictures"), Path(name, "cache")
        folder.mkdir()
        write_pictures(setting, folder)
        spec = cascade(setting, folder)
        once = timing.timed(lambda: gather(spec, None, root=None, cache=cache))
        ours, plain = Ours(spec, setting, device, cache), Plain(spec, setting, device, folder)
        times = timing.alternate({"ours": ours.run, "plain": plain.run}, setting.repeats)
        ours.loop.close()
    images, mine = setting.steps * setting.batch, [seconds + once / EPOCHS for seconds in times["ours"]]
    rate = timing.ratio("images_per_s_ratio", times["plain"], mine, target=1.15)
    speed = timing.median("images_per_s", [images / s for s in mine], "1/s", peer=images / median(times["plain"]))
    return [rate, speed, timing.Result("decode_once", once, "s", once, once, 1)]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device, before = torch.device(options.device), timing.load()
    results = measure(settings(options.quick), device)
    timing.report("training", timing.device_name(device), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
