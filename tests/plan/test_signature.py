"""What pipelines are called with, read from their source: it is what Python says of the classes themselves."""

from __future__ import annotations

import inspect
import subprocess
import sys

import diffusers
import pytest

from dynaxx.plan.fit.signature import call_arguments
from dynaxx.spec.families import FAMILIES


@pytest.mark.parametrize("name", [*FAMILIES, "DDPMPipeline", "AuraFlowPipeline"])
def test_arguments_are_those_of_the_class(name: str) -> None:
    takes = inspect.signature(getattr(diffusers, name).__call__).parameters.values()
    named = [one.name for one in takes if one.kind is not inspect.Parameter.VAR_KEYWORD]
    assert call_arguments(name) == tuple(named[1:])


def test_what_is_no_pipeline_is_not_known() -> None:
    assert [call_arguments(name) for name in ("", "NobodysPipeline", "['custom', 'Mine']")] == [None] * 3


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from dynaxx.plan.fit.signature import call_arguments as f; "
        "assert f('StableDiffusionPipeline'); assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
