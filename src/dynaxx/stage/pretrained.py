"""A pretrained diffusers network for a stage of ours: its class and configuration, and its weights to begin with."""

from __future__ import annotations

import json
from pathlib import Path

from dynaxx.errors import DataError
from dynaxx.spec.network import DiffusersNetworkSpec, NetworkSpec
from dynaxx.stage.weights import CONFIG


def described(spec: NetworkSpec, root: Path | None) -> NetworkSpec:
    """The spec with class and configuration as its `load` states them; what the file says goes before that.

    Raises:
        DataError: if the folder has no configuration that can be read.
    """
    place = place_of(spec, root)
    if not isinstance(spec, DiffusersNetworkSpec) or place is None:
        return spec
    file = place / CONFIG
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        fix = "Name a network's folder (`network.load`), such as MODEL/unet."
        raise DataError(str(file), f"cannot be read ({error}).", fix) from error
    theirs = {key: value for key, value in found.items() if not key.startswith("_")}
    model = spec.model or str(found.get("_class_name", ""))
    return spec.model_copy(update={"model": model, "config": {**theirs, **spec.config}})


def place_of(spec: NetworkSpec, root: Path | None) -> Path | None:
    """The folder of the weights that a network begins with, beside the cascade file where it is there; None without."""
    if not isinstance(spec, DiffusersNetworkSpec) or spec.load is None:
        return None
    beside = (root or Path()) / spec.load
    return beside if beside.exists() else Path(spec.load)
