"""An autoencoder's files: where they lie, who it is, and how it is opened and copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.errors import DataError, RunError
from dynaxx.spec.codec import CodecSpec
from dynaxx.stage.absent import ways_out
from dynaxx.stage.weights import CONFIG
from dynaxx.store.atomic import publish

WEIGHTS = "*.safetensors"
SHOWN = 3
"""How many names an error lists."""


def codec_folder(name: str, spec: CodecSpec, root: Path | None, *, allow_download: bool = False) -> Path:
    """Where an autoencoder lies: a folder beside the cascade file, else what the hub has under that id.

    Raises:
        RunError: if it is not there, and may not be downloaded.
    """
    beside = (root or Path()) / Path(spec.load).expanduser()
    if beside.is_dir():
        return beside
    owner, _, rest = spec.load.partition("/")
    repository, _, inner = rest.partition("/")
    where, ways = f"codecs.{name}.load", ["Name a folder that `save_pretrained` wrote"]
    if not repository or owner in ("", ".", "..", "~"):
        raise RunError(where, f"{spec.load!r} is no folder ({beside}).", f"{ways[0]}.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    within = f"{inner}/" if inner else ""
    try:
        found = snapshot_download(
            f"{owner}/{repository}", local_files_only=not allow_download,
            allow_patterns=[f"{within}{CONFIG}", f"{within}{WEIGHTS}"],
        )  # fmt: skip
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        problem = f"{spec.load!r} is no folder ({beside}), and is not on this machine."
        raise RunError(where, problem, ways_out(ways, spec.load, root, allow_download=allow_download)) from error
    return Path(found) / inner


def identity(folder: Path) -> str:
    """Who an autoencoder is: 16 hex digits of its configuration and of every weight's name, type, shape and bytes.

    What libraries note in a configuration (keys with an underscore, but for the class) is no part of it, nor is how
    the weights are spread over files.

    Raises:
        DataError: if a file is missing or damaged.
    """
    config = read_config(folder)
    own = {key: value for key, value in config.items() if key == "_class_name" or not key.startswith("_")}
    digest = blake2b(json.dumps(own, sort_keys=True).encode(), digest_size=8)
    for name, tensor in _tensors(folder):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def open_autoencoder(folder: Path) -> nn.Module:
    """The autoencoder in a folder, in evaluation mode on the CPU.

    Raises:
        DataError: if it is none, or its weights are missing, damaged or do not fit.
    """
    name = str(read_config(folder)["_class_name"])
    found, where = autoencoder_class(name), str(folder)
    if found is None:
        problem = f"holds {name!r}, which is no autoencoder of diffusers (one with `encode` and `decode`)."
        raise DataError(where, problem, "Name an autoencoder's folder.")
    try:
        network, told = found.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # whatever files of strangers make of a constructor: say whose they were
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise DataError(where, f"cannot be opened ({reason}).", "Save the autoencoder again.") from error
    _refuse_gaps(where, told)
    broken = [key for key, value in network.state_dict().items() if not torch.isfinite(value).all()]
    if broken:
        raise DataError(where, f"holds weights that are not finite ({_shown(broken)}).", "Save the autoencoder again.")
    opened: nn.Module = network.eval()
    return opened


def autoencoder_class(name: str) -> Any:
    """A class of diffusers that encodes and decodes, by name; None where there is none."""
    import diffusers

    found = getattr(diffusers, name, None)
    fits = isinstance(found, type) and issubclass(found, nn.Module)
    return found if fits and all(callable(getattr(found, key, None)) for key in ("encode", "decode")) else None


def copy_autoencoder(folder: Path, target: Path) -> None:
    """Copy an autoencoder's files as they are, whole or not at all."""
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        for file in (folder / CONFIG, *_weight_files(folder), *folder.glob("*.safetensors.index.json")):
            shutil.copyfile(file, aside / file.name)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        reason = (error.strerror or str(error)).lower()
        raise RunError(str(target), f"cannot be written: {reason}.", "Choose another folder.") from error
    publish(aside, target)


def read_config(folder: Path) -> dict[str, Any]:
    """An autoencoder's configuration.

    Raises:
        DataError: if it is missing or damaged.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(str(path), f"cannot be read ({error}).", "Name an autoencoder's folder.") from error
    if not isinstance(config, dict) or "_class_name" not in config:
        raise DataError(str(path), "names no network (`_class_name`).", "Name an autoencoder's folder.")
    return config


def _weight_files(folder: Path) -> list[Path]:
    """The files that `from_pretrained` reads: those without a variant in their name."""
    return sorted(file for file in folder.glob(WEIGHTS) if len(file.stem.split(".")) == 1)


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """All weights by name, in the order of their names."""
    from safetensors import SafetensorError, safe_open

    files = _weight_files(folder)
    if not files:
        raise DataError(str(folder), "holds no weights (*.safetensors).", "Save the autoencoder with safetensors.")
    try:
        opened = [safe_open(file, "pt") for file in files]
        places = {name: file for file in opened for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        for name in sorted(places):
            yield name, places[name].get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise DataError(str(folder), f"its weights are cut short or damaged ({error}).", "Copy them again.") from error


def _refuse_gaps(where: str, told: dict[str, Any]) -> None:
    for key, words in (("missing_keys", "missing"), ("unexpected_keys", "unknown"), ("mismatched_keys", "misshapen")):
        if names := [str(name) for name in told.get(key, ())]:
            problem = f"does not fit its configuration: {len(names)} {words} ({_shown(names)})."
            raise DataError(where, problem, "Use the weights that were saved with it.")


def _shown(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
