"""What a cascade is: typed, validated, identified; it never imports torch."""

from __future__ import annotations

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.contract import Contract, contract_of, mismatches
from dynaxx.spec.files import dump, load, loads, parse
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.grid import Grid
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.override import override
from dynaxx.spec.schema import json_schema
from dynaxx.spec.summary import CascadeSummary, describe

__all__ = [
    "CascadeSpec", "CascadeSummary", "Contract", "Grid", "Node", "contract_of", "describe", "dump", "json_schema",
    "load", "loads", "mismatches", "nodes", "override", "parse", "run_id", "stage_weights_id",
]  # fmt: skip
