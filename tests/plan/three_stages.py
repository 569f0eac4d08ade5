"""Three stages with a condition, guidance and noise on a low input: what plans of this folder are asked about."""

from __future__ import annotations

NET = "network: {width: 32, mults: [1, 2], blocks: 1, attention: []}"
WIDER = NET.replace("32", "48")


def three_stages(bridge: str = NET) -> str:
    """The cascade file, with a network for the bridge."""
    return f"""
name: three
condition: {{text: {{width: 16, max_tokens: 4}}}}
stages:
  - {{name: base, role: base, {NET}, solver: {{steps: 3, guidance: 2.0}}, out: {{size: [16, 16]}}}}
  - name: bridge
    role: bridge
    inputs: {{low: {{from: base, noise: {{train_std: [0.0, 0.5], std: 0.1}}}}}}
    {bridge}
    solver: {{steps: 3}}
    out: {{scale: {{hw: 2}}}}
  - {{name: refine, role: refine, from: bridge, {NET}, solver: {{steps: 2}}, out: {{scale: {{hw: 2}}}}}}
"""
