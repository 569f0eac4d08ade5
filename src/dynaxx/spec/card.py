"""The card of a cascade: what it is and how to run it, as Markdown with the front matter that hubs read."""

from __future__ import annotations

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.solver import SolverSpec


def card(spec: CascadeSpec) -> str:
    """The card's text: front matter, a stage table, how to run it."""
    rows = "\n".join(_row(spec, node) for node in nodes(spec))
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
from dynaxx import Cascade

samples = Cascade.from_pretrained(".").sample({_ask(spec)}seed=0)
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


def _ask(spec: CascadeSpec) -> str:
    if spec.condition.text:
        return '"a prompt", '
    return "labels=0, " if spec.condition.label else ""
