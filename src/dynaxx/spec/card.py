"""The card of a cascade: what it is and how to run it, as Markdown with the front matter that hubs read."""

from __future__ import annotations

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.stage import EmpiricalStage, GaussianStage

EXACT = (EmpiricalStage, GaussianStage)
"""Kinds that draw from what they hold: a prompt that they do not know is refused, and none is needed."""


def card(spec: CascadeSpec, *, size: tuple[int, ...] | None = None) -> str:
    """The card's text: front matter, a stage table, how to run it."""
    rows = "\n".join(_row(spec, node) for node in nodes(spec, size=size))
    return f"""---
library_name: dynaxx
tags: [diffusion, cascade]
---

# {spec.name}

{spec.description or "A diffusion cascade."}

| stage | role | kind | answers on | reads | steps | weights_id |
|---|---|---|---|---|---|---|
{rows}

`run_id` {run_id(spec)}

```python
{_imports(spec, size)}

samples = Cascade.from_pretrained({_where(size)}).sample({_ask(spec, size)})
```
"""


def _row(spec: CascadeSpec, node: Node) -> str:
    solver = getattr(node.stage, "solver", None)
    steps = solver.steps if isinstance(solver, SolverSpec) else 1
    reads = ", ".join(f"{name}: {' + '.join(given.parents)}" for name, given in node.inputs.items()) or "-"
    stage = node.stage
    return (
        f"| {node.name} | {stage.role} | {stage.kind} | {node.grid} | {reads} | {steps} | "
        f"{stage_weights_id(spec, stage.name)} |"
    )


def _imports(spec: CascadeSpec, size: tuple[int, ...] | None) -> str:
    tensors = "import torch\n\n" if spec.inputs or spec.condition.field else ""
    runtime = ", Runtime" if size else ""
    return f"{tensors}from dynaxx import Cascade{runtime}"


def _where(size: tuple[int, ...] | None) -> str:
    return f'".", runtime=Runtime(size={size})' if size else '"."'


def _ask(spec: CascadeSpec, size: tuple[int, ...] | None) -> str:
    """The arguments of a call that runs as it stands: the user's signals are zeros of the right shape."""
    asked, condition = [], spec.condition
    if any(not isinstance(stage, EXACT) for stage in spec.stages):
        asked += ['"a prompt"'] if condition.text else []
        asked += ["labels=0"] if condition.label else []
    if condition.field:
        asked.append(f"field={_zeros(condition.field.channels, *nodes(spec, size=size)[0].grid.size)}")
    given = [f'"input.{name}": {_zeros(1, due.channels, *due.size)}' for name, due in spec.inputs.items()]
    asked += [f"given={{{', '.join(given)}}}"] if given else []
    asked += ["decode=True"] if nodes(spec, size=size)[-1].decoded else []
    return ", ".join([*asked, "seed=0"])


def _zeros(*shape: int) -> str:
    return f"torch.zeros({', '.join(map(str, shape))})"
