"""The page on pretrained pipelines: its cascades of pixels are drawn as they stand there, on tiny pipelines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.spec.files import parse

PAGE = Path(__file__).parents[2] / "docs" / "pipelines.md"
TINY = {
    "DeepFloyd/IF-I-XL-v1.0": "if-1",
    "DeepFloyd/IF-II-L-v1.0": "if-2",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd",
    "stabilityai/stable-diffusion-x4-upscaler": "x4",
}
HELD = ("variant", "dtype")
"""How published weights are held; the tiny ones are small anyway."""


LINES = 15
"""The most that a cascade of published pipelines may take to say."""


def blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_every_family_is_said_in_few_lines() -> None:
    lines = {yaml.safe_load(text)["name"]: len(text.strip().splitlines()) for text in blocks()}
    assert {"deepfloyd", "sdxl", "sd-x2", "sd-x4", "ltx", "wan"} <= set(lines)
    assert max(lines.values()) <= LINES, lines


def shown(name: str) -> dict[str, Any]:
    """A cascade of the page with tiny pipelines, the smallest sizes and two steps; all else is as it stands there."""
    data: Any = next(found for text in blocks() if (found := yaml.safe_load(text))["name"] == name)
    for stage in data["stages"]:
        stage["load"] = TINY[stage["load"]]
        stage["call"] = stage.get("call", {}) | {"num_inference_steps": 2}
        stage["out"] = {"size": [16, 16]} if "size" in stage["out"] else stage["out"]
        for key in HELD:
            stage.pop(key, None)
    for given in data.get("inputs", {}).values():
        given["size"] = [n // 8 for n in given["size"]]
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "size"), [("deepfloyd", 256), ("sd-x4", 64), ("if-inpaint", 128)])
def test_a_cascade_of_the_page_is_drawn(name: str, size: int, tmp_path: Path) -> None:
    data = shown(name)
    for stage in data["stages"]:
        saved(stage["load"], tmp_path)
    spec = parse(data)
    given = {
        f"input.{key}": torch.rand(1, grid.channels, *grid.size, generator=torch.Generator().manual_seed(1)) * 2 - 1
        for key, grid in spec.inputs.items()
    }
    samples = Cascade.from_spec(spec, root=tmp_path).sample("a red apple", given=given)
    assert samples.x.shape == (1, 3, size, size)
    assert samples.x.std() > 0.01
    if name == "sd-x4":
        call = samples.trace.nodes[1].calls[0]
        assert call["noise_level"] == 100
        assert call["put_on_std"] == pytest.approx(0.172, abs=2e-3)
