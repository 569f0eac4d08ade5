"""Tuning pretrained pipelines: the levels at which they are guided are tried, at what they really cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from family_cascades import deepfloyd
from tiny_pipelines import saved

from dynaxx.engine.cascade import Cascade
from dynaxx.evolve.tune.choice import COARSE, MIDDLE, Choice, manners
from dynaxx.evolve.tune.cost import Costs
from dynaxx.evolve.tune.race import Entrant, Ran
from dynaxx.evolve.tune.run import Options, Tuning
from dynaxx.evolve.tune.search import Bound
from dynaxx.spec.files import load
from dynaxx.spec.graph import nodes
from dynaxx.spec.override import override

DATA = "data: {kind: bundled}\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny stages of DeepFloyd IF, both guided, and real pictures to be held against."""
    root = tmp_path_factory.mktemp("if")
    for name in ("if-1", "if-2"):
        saved(name, root)
    (root / "if.yaml").write_text(deepfloyd(size=8, steps=4, std=0.427) + DATA)
    return root / "if.yaml"


def rows(cascade: Cascade, stage: str) -> int:
    """Samples that a stage's network is really given for one."""
    cascade.sample("a red apple", until=stage)
    counts = list[int]()
    hook = cascade.stages[stage].pipe.unet.register_forward_hook(lambda *given: counts.append(len(given[-1][0])))
    cascade.sample("a red apple", until=stage)
    hook.remove()
    return sum(counts)


def test_intervals_cost_what_is_really_evaluated(file):
    cascade = Cascade.from_pretrained(file)
    costs, node = Costs(cascade), nodes(cascade.spec)[0]
    (tried,) = manners(node, cascade.root)
    assert tried == [Choice.of({"one.guidance_interval": each}) for each in (MIDDLE, COARSE)]
    assert [choice.words for choice in tried] == ["one.guidance_interval (0.3, 5]", "one.guidance_interval (1, 1e+09]"]
    now, whole = costs.of(cascade), rows(cascade, "one")
    assert now.unit == "FLOPs"
    for choice in tried:
        limited = cascade.with_settings(dict(choice.settings))
        asked = rows(limited, "one")
        assert asked < whole
        assert costs.of(limited).by_stage["one"] == pytest.approx(now.by_stage["one"] * asked / whole, rel=0.01)
        assert costs.of(limited).by_stage["two"] == now.by_stage["two"]


@pytest.mark.parametrize(
    "changed",
    [
        {"one.call": {"num_inference_steps": 4, "guidance_scale": 1.0}},
        {"one.pipeline": "DiffusionPipeline"},
        {"one.load": "not-there"},
    ],
    ids=["not guided", "not known", "not there"],
)
def test_only_guidance_that_is_known_is_limited(file, changed):
    assert manners(nodes(override(load(file), changed))[0], file.parent) == []


def test_a_search_tries_intervals_and_writes_what_is_chosen(file, tmp_path):
    cascade = Cascade.from_pretrained(file)
    tuning = Tuning(cascade, Options(Bound(0.9), 20.0, num=16, fresh=16, within=1.0, kept=tmp_path / "runs"))
    search, choice = tuning.search, Choice.of({"one.guidance_interval": MIDDLE, "two.guidance_interval": COARSE})
    ran = {(done.part, one.choice) for done in tuning.steps() if done.what == "guidance" for one in done.round.ran}
    assert {part for part, tried in ran if tried.settings} == {"one", "two"}
    search.curves["together"] = (Ran(Entrant(choice, 1.0), search.bed.score(choice, search.bed.graph[-1], 1)),)
    found = tuning.tuned()
    assert found.choice == choice
    assert found.then.total <= 0.9 * found.now.total
    assert [change["now"] for change in found.changes] == [list(MIDDLE), list(COARSE)]
    text = tuning.text(found, tmp_path / "tuned.yaml")
    assert text is not None
    (tmp_path / "tuned.yaml").write_text(text)
    assert [stage.guidance_interval for stage in load(tmp_path / "tuned.yaml").stages] == [MIDDLE, COARSE]
    assert Cascade.from_pretrained(tmp_path / "tuned.yaml").sample("a red apple").x.shape == (1, 3, 16, 16)
