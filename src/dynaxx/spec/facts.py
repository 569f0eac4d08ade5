"""What a pipeline's configuration files state: its class, its parts, what follows from them. No weights are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from dynaxx.errors import DataError
from dynaxx.spec.families import FAMILIES, Family
from dynaxx.spec.stage import PipelineStage

INDEX = "model_index.json"
"""The file in a pipeline's folder that names its parts."""
CONFIGS = ("config.json", "scheduler_config.json", "preprocessor_config.json")
NETWORKS = ("unet", "transformer", "transformer_2", "latent_upsampler")
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


@final
@dataclass(frozen=True)
class Facts:
    """A pipeline as its files describe it; what they do not state is None.

    `beside` is its folder, where that lies beside the cascade file: of one in the hub's cache, more may be fetched.
    """

    pipeline: str
    index: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    beside: Path | None = None

    @property
    def family(self) -> Family | None:
        """What is known of pipelines of this class beyond their files."""
        return FAMILIES.get(self.pipeline)

    def get(self, part: str, *keys: str) -> Any:
        """The first of some keys that a part's configuration states."""
        config = self.parts.get(part, {})
        return next((config[key] for key in keys if config.get(key) is not None), None)

    @property
    def network(self) -> str | None:
        """The name of the part that denoises, or upsamples."""
        return next((name for name in NETWORKS if name in self.parts), None)

    def of_network(self, *keys: str) -> Any:
        """The first of some keys that the network's configuration states."""
        return self.get(self.network, *keys) if self.network else None

    @property
    def latent_channels(self) -> int | None:
        """Channels of the codec's latents."""
        found = self.get("vae", "latent_channels", "z_dim")
        return None if found is None else int(found)

    @property
    def spatial_factor(self) -> int | None:
        """Pixels per site of a latent, along each side."""
        said = self.get("vae", "spatial_compression_ratio", "scale_factor_spatial")
        if said is not None:
            return int(said)
        scaling = self.get("vae", "spatio_temporal_scaling")
        if scaling is not None:
            return int(self.get("vae", "patch_size") or 1) * 2 ** sum(map(bool, scaling))
        blocks = self.get("vae", "block_out_channels")
        return None if blocks is None else 2 ** (len(blocks) - 1)

    @property
    def temporal_factor(self) -> int | None:
        """Frames per site of a latent, after the first."""
        said = self.get("vae", "temporal_compression_ratio", "scale_factor_temporal")
        if said is not None:
            return int(said)
        scaling = self.get("vae", "spatio_temporal_scaling")
        return None if scaling is None else int(self.get("vae", "patch_size_t") or 1) * 2 ** sum(map(bool, scaling))

    @property
    def text_width(self) -> int | None:
        """The width that the text encoders give, side by side; T5 beside CLIP would not be, and no family has both."""
        widths = [self.get(name, "hidden_size", "d_model") for name in ENCODERS if name in self.parts]
        return sum(map(int, widths)) if widths and None not in widths else None


def beside_file(load: str, root: Path | None) -> Path:
    """Where a pipeline's folder would lie beside the cascade file."""
    return (root or Path()) / load


def folder_of(load: str, root: Path | None) -> Path | None:
    """Where a pipeline lies on this machine: a folder beside the cascade file, else the hub's cache, else nowhere."""
    if (beside := beside_file(load, root)).is_dir():
        return beside
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(load, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def facts_of(stage: PipelineStage, root: Path | None) -> Facts | None:
    """What the files of a stage's pipeline state; None where they are not on this machine.

    Raises:
        DataError: if a configuration file is damaged.
    """
    folder = folder_of(stage.load, root)
    if folder is None or not (folder / INDEX).is_file():
        return None
    index = _read(folder / INDEX)
    named = [name for name, value in index.items() if isinstance(value, list) and value[0] is not None]
    parts = {name: config for name in named if (config := _config(folder / name)) is not None}
    if stage.scheduler:
        settings = {key: value for key, value in stage.scheduler.items() if key != "kind"}
        parts["scheduler"] = {**parts.get("scheduler", {}), **settings, "_trained": parts.get("scheduler", {})}
    own = folder if folder == beside_file(stage.load, root) else None
    return Facts(stage.pipeline or str(index.get("_class_name", "")), index, parts, own)


def _config(folder: Path) -> dict[str, Any] | None:
    return next((_read(folder / name) for name in CONFIGS if (folder / name).is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(str(file), f"cannot be read ({error}).", "Download or save the pipeline again.") from error
    if not isinstance(found, dict):
        raise DataError(str(file), "holds no configuration.", "Download or save the pipeline again.")
    return found
