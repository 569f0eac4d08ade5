"""Rules on a pipeline's folder beside the cascade file: the parts that its index names are there, with weights."""

from __future__ import annotations

from dynaxx.plan.fit.agreement import Place, Rule
from dynaxx.spec.facts import ENCODERS, NETWORKS

EXPERTS = ("transformer", "transformer_2")
"""Networks of which a stage may need one alone."""
NEEDED = (*NETWORKS, "vae", "scheduler")
"""Parts that no pipeline runs without, where its index names them; prompts may be encoded by another stage."""


def configurations(at: Place) -> Rule:
    """Parts that the index names and that do not state what they are: of such a folder nothing else can be told."""
    named = _named(at)
    one_will_do = all(name in named for name in EXPERTS)
    for name in named:
        there = at.facts.beside is not None and (at.facts.beside / name).is_dir()
        spared = not there and (name not in NEEDED or (one_will_do and name in EXPERTS))
        if name not in at.facts.parts and not spared:
            given = "a folder without a configuration" if there else "no folder"
            fix = "Download or save the pipeline again."
            yield at.says(name, given, f"the part that {at.stage.load}'s model_index.json names", fix, key="load")


def weights(at: Place) -> Rule:
    """Parts have weights; without them a cascade can be checked and planned, so that it is no mismatch."""
    for name in _named(at):
        folder = at.facts.beside / name if at.facts.beside is not None else None
        if name != "scheduler" and folder is not None and folder.is_dir() and not any(folder.glob("*.safetensors")):
            wanted = f"{at.stage.load}/{name} holds no safetensors"
            fix = "It can be checked and planned, and not run: put the weights there."
            yield at.says("weights", None, wanted, fix, key="load")


def _named(at: Place) -> list[str]:
    """The parts with a configuration that the index names, of a folder of which nothing will be fetched."""
    index = at.facts.index if at.facts.beside is not None else {}
    parts = (*NEEDED, *ENCODERS)
    return [name for name in parts if isinstance(index.get(name), list) and index[name][0] is not None]
