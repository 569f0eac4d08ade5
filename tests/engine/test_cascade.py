"""The live cascade: the same sample in any company, starts and stops anywhere, folders that load again."""

from __future__ import annotations

import shutil

import pytest
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import DataError, RunError, SpecError, UsageError
from dynaxx.share.png import encode_png, to_pixels
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.files import dump, parse

TOLERANCE = 1e-4
PROMPT = "red apple"


@pytest.fixture(scope="module")
def emoji():
    return Cascade.from_pretrained("emoji-exact")


def worst(a, b):
    return (a - b).abs().max().item()


def test_sample_k_is_the_same_alone_in_a_batch_in_another_order_and_in_parts(emoji):
    eight = emoji.sample("heart", num=8, seed=3).x
    alone = torch.cat([emoji.sample("heart", seed=3, ids=[k]).x for k in range(8)])
    backwards = emoji.sample("heart", num=8, seed=3, ids=list(range(7, -1, -1))).x.flip(0)
    in_parts = Cascade.from_pretrained("emoji-exact", runtime=Runtime(batch_size=3))
    assert worst(alone, eight) <= TOLERANCE
    assert worst(backwards, eight) <= TOLERANCE
    assert worst(in_parts.sample("heart", num=8, seed=3).x, eight) <= TOLERANCE
    assert len({round(x.double().sum().item(), 1) for x in eight}) > 3, "other ids give other samples"


def test_changing_a_later_stage_leaves_the_earlier_ones_alone(emoji):
    before = emoji.sample(PROMPT, num=2, seed=3, keep=True)
    changed = emoji.with_settings({"refine.solver.steps": 5, "refine.inputs.low.noise.std": 0.2})
    after = changed.sample(PROMPT, num=2, seed=3, keep=True)
    for name in ("base", "bridge"):
        assert torch.equal(before.stages[name], after.stages[name])
    assert not torch.equal(before.inputs["refine"]["low"], after.inputs["refine"]["low"])
    assert before.trace.run_id != after.trace.run_id


def test_one_stage_at_a_time_gives_the_same_samples(emoji):
    resident = emoji.sample(PROMPT, num=2).x
    moving = Cascade.from_pretrained("emoji-exact", runtime=Runtime(placement="one-at-a-time"))
    samples = moving.sample(PROMPT, num=2)
    assert torch.equal(samples.x, resident)
    assert "evict base" in [event.event for event in samples.trace.events]


def test_a_run_may_stop_at_a_stage_and_go_on_from_there(emoji):
    whole = emoji.sample(PROMPT, num=2, seed=1, keep=True)
    base = emoji.sample(PROMPT, num=2, seed=1, until="base")
    assert base.x.shape == (2, 3, 16, 16)
    assert torch.equal(base.x, whole.stages["base"])
    rest = emoji.sample(PROMPT, num=2, seed=1, given={"base": base.x})
    assert [node.name for node in rest.trace.nodes] == ["bridge", "refine"]
    assert torch.equal(rest.x, whole.x)


def test_provenance_says_how_to_make_a_sample_again(emoji):
    samples = emoji.sample(["red apple", "rocket"], num=2, seed=9)
    facts = samples.provenance(3)
    assert facts["dynaxx:prompt"] == "rocket"
    assert (facts["dynaxx:seed"], facts["dynaxx:id"]) == ("9", "3")
    assert "bridge.low=0.2" in facts["dynaxx:levels"]
    again = emoji.sample(facts["dynaxx:prompt"], seed=int(facts["dynaxx:seed"]), ids=[int(facts["dynaxx:id"])])
    assert worst(again.x[0], samples.x[3]) <= TOLERANCE


def test_the_trace_holds_every_node_and_event(emoji):
    seen = []
    samples = emoji.sample(PROMPT, on_step=lambda node, step: seen.append((node, step.index)))
    assert [(node.name, node.grid, node.steps) for node in samples.trace.nodes] == [
        ("base", "3x16x16", 24), ("bridge", "3x32x32", 20), ("refine", "3x64x64", 12),
    ]  # fmt: skip
    assert len(seen) == 24 + 20 + 12
    assert all(node.latency_s > 0 and node.peak_gib > 0 for node in samples.trace.nodes)
    assert [event.event for event in samples.trace.events][:3] == ["encode", "fetch base", "run base"]


def test_a_saved_cascade_loads_again_and_gives_the_same_samples(emoji, tmp_path):
    folder = emoji.save_pretrained(tmp_path / "saved")
    assert {p.name for p in folder.iterdir()} == {"cascade.yaml", "README.md", "stages"}
    assert (folder / "stages" / "bridge" / "contract.json").is_file()
    again = Cascade.from_pretrained(folder)
    assert torch.equal(again.sample(PROMPT).x, emoji.sample(PROMPT).x)


TRAINED = {
    "name": "trained",
    "condition": {"label": {"classes": 3}},
    "stages": [
        {"name": "base", "role": "base", "out": {"channels": 1, "size": [8, 8]},
         "solver": {"steps": 3, "guidance": 2.0},
         "network": {"kind": "unet", "width": 8, "mults": [1, 2], "attention": [1], "blocks": 1, "head_dim": 8}},
        {"name": "mean", "role": "bridge", "kind": "regression", "from": "base", "out": {"channels": 1, "scale": 2},
         "network": {"kind": "unet", "width": 8, "mults": [1], "attention": [], "blocks": 1}},
        {"name": "refine", "role": "refine", "from": "mean", "out": {"channels": 1}, "solver": {"steps": 3},
         "process": {"kind": "truncated"}, "network": {"kind": "unet", "width": 8, "mults": [1], "attention": [],
                                                       "blocks": 1}},
    ],
}  # fmt: skip


def test_trained_kinds_are_saved_moved_and_loaded(tmp_path):
    cascade = Cascade.from_spec(parse(TRAINED), fresh=True)
    with torch.no_grad():  # a fresh network answers 0: stir it, so that the weights matter
        for stage in cascade.stages.values():
            for p in stage.network.parameters():
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    before = cascade.sample(labels=[0, 2], num=2, seed=4).x
    cascade.save_pretrained(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    again = Cascade.from_pretrained(tmp_path / "there").sample(labels=[0, 2], num=2, seed=4).x
    assert before.shape == (4, 1, 16, 16)
    assert torch.equal(again, before)
    assert worst(before[0], before[2]) > 1e-3, "the label matters"


def test_a_trained_kind_without_weights_is_refused(tmp_path):
    (tmp_path / "cascade.yaml").write_text(dump(parse(TRAINED)))
    with pytest.raises(DataError, match=r"stages.base.*is missing.*Train the stage"):
        Cascade.from_pretrained(tmp_path)


def test_a_cascade_over_ones_own_pictures_moves_to_another_place(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for k, x in enumerate(Draws(0, "own", (0, 1, 2)).uniform("x", (3, 16, 16))):
        (pictures / f"{k}.png").write_bytes(encode_png(to_pixels(2 * x - 1)))
    stage = {"kind": "empirical", "data": {"kind": "folder", "path": "pictures"}, "solver": {"steps": 4}}
    base = {"name": "base", "role": "base", "out": {"size": [8, 8]}, **stage}
    bridge = {"name": "bridge", "role": "bridge", "from": "base", "out": {"scale": 2}, **stage}
    (tmp_path / "own.yaml").write_text(dump(parse({"name": "own", "stages": [base, bridge]})))
    cascade = Cascade.from_pretrained(tmp_path / "own.yaml")
    cascade.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "elsewhere")
    shutil.rmtree(pictures)
    assert torch.equal(Cascade.from_pretrained(tmp_path / "elsewhere").sample(num=3).x, cascade.sample(num=3).x)


GAUSSIAN = {
    "name": "own-inputs",
    "inputs": {"image": {"channels": 1, "size": [8, 8]}, "mask": {"channels": 1, "size": [8, 8]}},
    "stages": [
        {"name": "base", "role": "base", "kind": "gaussian", "size": [16, 16], "out": {"channels": 1, "size": [8, 8]}},
        {
            "name": "bridge", "role": "bridge", "kind": "gaussian", "size": [16, 16],
            "out": {"channels": 1, "scale": 2},
            "inputs": {"low": {"from": ["base", "input.image"], "merge": "mask", "mask": "input.mask",
                               "resize": "fourier", "noise": {"std": 0.1}}},
        },
    ],
}  # fmt: skip


def test_the_users_own_signals_come_in_as_inputs():
    cascade = Cascade.from_spec(parse(GAUSSIAN))
    image, mask = Draws(0, "user", (0, 1)).normal("image", (1, 8, 8)), -torch.ones(2, 1, 8, 8)
    kept = cascade.sample(num=2, given={"input.image": image, "input.mask": mask}, keep=True)
    only_image = kept.inputs["bridge"]["low"]
    noise = Draws(0, "bridge.low", (0, 1)).normal("augment", (1, 16, 16)) * 0.1
    assert worst(only_image - noise, resample(image, (16, 16), "fourier")) < 1e-5


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"until": "brigde"}, "Did you mean 'bridge'"),
        ({"num": 0}, "0 samples"),
        ({"ids": [1, 2]}, "2 ids for 1 samples"),
        ({"given": {"bose": torch.zeros(1, 3, 16, 16)}}, "no such stage or input"),
        ({"given": {"base": torch.zeros(1, 3, 8, 8)}}, r"shape \(1, 3, 8, 8\) where \(1, 3, 16, 16\)"),
        ({"given": {"refine": torch.zeros(1, 3, 64, 64)}}, "nothing is left to run"),
        ({"labels": 3}, "label"),
        ({"keep": ["bse"]}, "Did you mean 'base'"),
        ({"given": {"bridge": torch.zeros(1, 3, 32, 32)}, "until": "base"}, "read by no stage on the way to 'base'"),
        ({"given": {"base": torch.full((1, 3, 16, 16), torch.nan)}}, "NaN"),
    ],
)
def test_wrong_calls_say_the_way_out(emoji, call, says):
    with pytest.raises(UsageError, match=says):
        emoji.sample(**call)


def test_a_missing_signal_of_the_users_is_named():
    with pytest.raises(UsageError, match=r"input\.(image|mask).*Give it"):
        Cascade.from_spec(parse(GAUSSIAN)).sample()


@pytest.mark.parametrize("setting", [{"mean.inputs.low.resize": "nearest"}, {"base.weights": "elsewhere"}])
def test_settings_that_change_what_was_trained_are_refused(setting):
    with pytest.raises(SpecError, match="what was trained"):
        Cascade.from_spec(parse(TRAINED), fresh=True).with_settings(setting)


def test_exact_stages_are_built_anew_for_any_setting(emoji):
    soft = emoji.with_settings({"base.sharpness": 0.0}).sample("red apple", num=6, until="base").x
    assert worst(soft, emoji.sample("red apple", num=6, until="base").x) > 0.1


def test_a_cascade_that_is_not_there_is_a_clear_error():
    with pytest.raises(SpecError, match="emoji-exact"):
        Cascade.from_pretrained("no-such-cascade")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": 0}, "Give 1 or more"),
        ({"placement": "one"}, "one-at-a-time"),
        ({"device": "gpu"}, "Name another"),
    ],
)
def test_a_runtime_that_cannot_be_meant_is_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        Runtime(**wrong)


def test_single_values_stand_for_all_samples():
    cascade = Cascade.from_spec(parse(TRAINED), fresh=True)
    both = cascade.sample(labels=torch.tensor([1, 2]), num=2, until="base")
    assert both.x.shape[0] == 4
    assert cascade.sample(labels=[1], num=3, until="base").x.shape[0] == 3


def test_keep_takes_a_name(emoji):
    kept = emoji.sample(PROMPT, keep="bridge")
    assert set(kept.stages) == {"bridge"}
    assert set(kept.inputs) == {"bridge"}


def test_gradients_may_follow_a_run(emoji):
    x = emoji.sample(PROMPT, until="base").x
    weight = torch.ones(1, requires_grad=True)
    (resample(x * weight, (32, 32), "bicubic-antialias") ** 2).sum().backward()
    assert weight.grad is not None
    assert weight.grad.item() > 0


def test_weights_made_for_other_settings_are_refused(tmp_path):
    Cascade.from_spec(parse(TRAINED), fresh=True).save_pretrained(tmp_path)
    file = tmp_path / "cascade.yaml"
    file.write_text(file.read_text().replace("kind: truncated", "kind: flow"))
    with pytest.raises(SpecError, match=r"stage 'refine'.*weights for other settings.*make them anew"):
        Cascade.from_pretrained(tmp_path)


SHAPES = {"kind": "empirical", "data": {"kind": "shapes", "count": 12, "size": [32, 32]}, "solver": {"steps": 4}}


def test_a_size_for_one_call_is_the_size_of_the_run():
    base = {"name": "base", "role": "base", "out": {"size": [8, 8]}, **SHAPES}
    spec = parse({"name": "shapes", "stages": [base]})
    small = Cascade.from_spec(spec)
    large = Cascade.from_spec(spec, runtime=Runtime(size=(16, 16))).sample(num=2)
    one_call = small.sample(num=2, size=(16, 16))
    assert torch.equal(one_call.x, large.x)
    assert one_call.provenance(0)["dynaxx:sizes"] == "base=16x16"
    assert small.sample(num=2).x.shape == (2, 3, 8, 8)


def test_a_blurred_input_is_compared_with_blurred_signals():
    """Whatever is drawn below is found again above, though the edge blurs it beyond recognition."""
    edge = {"from": "base", "blur": {"std": 1.5}}
    base = {"name": "base", "role": "base", "out": {"size": [16, 16]}, **SHAPES}
    bridge = {"name": "bridge", "role": "bridge", "out": {"scale": 2}, "inputs": {"low": edge}, **SHAPES}
    samples = Cascade.from_spec(parse({"name": "blurred", "stages": [base, bridge]})).sample(num=6, keep=True)
    assert worst(resample(samples.x, (16, 16), "bicubic-antialias"), samples.stages["base"]) < 0.02
    assert worst(samples.inputs["bridge"]["low"], resample(samples.stages["base"], (32, 32), "bicubic-antialias")) > 0.2


HAND = {"low": {"from": "base", "via": "start", "hand": "noisy", "hand_std": 1.0}}


def test_an_unfinished_state_is_finished_where_it_comes_last_and_noised_where_it_is_given():
    base = {**GAUSSIAN["stages"][0], "size": [8, 8], "solver": {"kind": "heun", "steps": 30}, "std": 0.3}
    refine = {**base, "name": "refine", "role": "refine", "inputs": HAND, "out": {"channels": 1}}
    cascade = Cascade.from_spec(parse({"name": "hand", "stages": [base, refine]}))
    alone = cascade.sample(num=64, until="base")
    assert alone.x.std() == pytest.approx(0.3, rel=0.1), "finished: the spread of the data, not of x + eps"
    again = cascade.sample(num=64, given={"base": alone.x}).x
    assert again.std() == pytest.approx(0.3, rel=0.1)
    assert "refine.low=1" in cascade.sample().provenance(0)["dynaxx:levels"]


def test_what_memory_cannot_hold_is_refused_before_it_is_tried():
    base = {**GAUSSIAN["stages"][0], "size": [4096, 4096], "out": {"channels": 1, "size": [4096, 4096]}}
    with pytest.raises(RunError, match=r"GiB are free.*fewer samples"):
        Cascade.from_spec(parse({"name": "huge", "stages": [base]})).sample(num=1_000_000)
