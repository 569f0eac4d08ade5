"""The peer of `crash.py`: a training that saves and goes on as diffusers' training examples do on accelerate."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

EVERY, LIMIT, STEPS, BATCH, COUNT = 2, 2, 12, 4, 24


class Peer:
    """Oldest checkpoint removed, then the new one written in place by `save_state`; the newest by name is taken up.

    `--checkpointing_steps 2 --checkpoints_total_limit 2 --resume_from_checkpoint latest`.
    """

    def run(self, folder: Path) -> None:
        """Train to the end, from the newest checkpoint if there is one."""
        from accelerate import Accelerator
        from accelerate.utils import ProjectConfiguration, set_seed
        from diffusers import UNet2DModel
        from diffusers.training_utils import EMAModel

        set_seed(0)
        config = ProjectConfiguration(project_dir=str(folder))
        accelerator = Accelerator(cpu=True, project_config=config)
        network = UNet2DModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, dropout=0.1,
            down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, attention_head_dim=8,
        )  # fmt: skip
        average = EMAModel(network.parameters(), decay=0.9)
        accelerator.register_for_checkpointing(average)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        data = torch.linspace(-1, 1, COUNT * 3 * 64).view(COUNT, 3, 8, 8)
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data), batch_size=BATCH, shuffle=True)
        network, optimiser, loader = accelerator.prepare(network, optimiser, loader)
        done = self._resume(accelerator, folder)
        self._loop(accelerator, network, average, optimiser, loader, folder, done)
        torch.save([network.state_dict(), average.state_dict(), optimiser.state_dict()], folder / "end.pt")

    def _resume(self, accelerator: Any, folder: Path) -> int:
        names = self._names(folder)
        if not names:
            return 0
        accelerator.load_state(str(names[-1]))
        return int(names[-1].name.split("-")[1])

    def _loop(
        self, accelerator: Any, network: Any, average: Any, optimiser: Any, loader: Any, folder: Path, done: int
    ) -> None:
        each = len(loader)
        first, skip = divmod(done, each)
        for epoch in range(first, -(-STEPS // each)):
            for index, (x,) in enumerate(loader):
                if epoch == first and index < skip:
                    continue
                noise, t = torch.randn_like(x), torch.rand(len(x))
                noisy = x + t.view(-1, 1, 1, 1) * noise
                loss = F.mse_loss(network(noisy, 1000 * t).sample, noise)
                accelerator.backward(loss)
                optimiser.step()
                optimiser.zero_grad()
                average.step(network.parameters())
                done += 1
                if done % EVERY == 0:
                    self._save(accelerator, folder, done)

    def _save(self, accelerator: Any, folder: Path, step: int) -> None:
        for name in self._names(folder)[: max(0, len(self._names(folder)) - LIMIT + 1)]:
            shutil.rmtree(name)
        accelerator.save_state(str(folder / f"checkpoint-{step}"))

    def _names(self, folder: Path) -> list[Path]:
        return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))

    def loadable(self, folder: Path) -> bool:
        """Whether going on takes up what is there: asked of a child, as loading changes the process."""
        from forks import forked

        return not self._names(folder) or forked(lambda: self._load_only(folder)) is True

    def _load_only(self, folder: Path) -> None:
        class LoadedError(Exception):
            pass

        def stop(*arguments: object) -> None:
            raise LoadedError

        self._loop = stop  # type: ignore[method-assign]
        try:
            self.run(folder)
        except LoadedError:
            return

    def result(self, folder: Path) -> str:
        """A digest of weights, average and optimiser at the end."""
        found = hashlib.sha256()
        network, average, optimiser = torch.load(folder / "end.pt", weights_only=True)
        moments = [state[key] for state in optimiser["state"].values() for key in sorted(state)]
        for value in [*network.values(), *average["shadow_params"], *moments]:
            found.update(value.numpy(force=True).tobytes())
        return found.hexdigest()
