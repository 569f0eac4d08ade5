"""Whole Gaussian cascades, linear, parallel and recursive, equal their mode-by-mode formula on one to three axes."""

from __future__ import annotations

import gaussian_modes as reference
import numpy as np
import pytest
import torch
from scipy import stats

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.noise.process import make_process
from dynaxx.signal.random import Draws
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes

FULL = {"l": [32], "hw": [16, 16], "thw": [8, 16, 16]}
BASE = {"l": [8], "hw": [4, 4], "thw": [4, 4, 4]}


def stage(name, role, axes, *, kind="ddim", steps=5, process="cosine", **rest):
    return {
        "name": name, "role": role, "kind": "gaussian", "size": FULL[axes], "std": 0.6, "knee": 1.2,
        "process": process if isinstance(process, dict) else {"kind": process},
        "solver": {"kind": kind, "steps": steps}, **rest,
    }  # fmt: skip


def base(name, axes, **rest):
    return stage(name, "base", axes, out={"channels": 1, "size": BASE[axes]}, **rest)


def low(parents, *, std=0.0, at="high", **rest):
    noise = {"noise": {"std": std, "at": at}} if std else {}
    return {"low": {"from": parents, "resize": "fourier", **noise, **rest}}


def linear(axes, std):
    up = {"channels": 1, "scale": 2}
    truncated = {"kind": "truncated", "start": 0.2}
    return [
        base("base", axes),
        stage("bridge", "bridge", axes, kind="dpmpp-2m", inputs=low("base", std=std), out=up),
        stage("refine", "refine", axes, process=truncated, inputs=low("bridge", std=std / 2), out={"channels": 1}),
    ]


def parallel(axes, std):
    edge = low(["one", "two"], std=std, at="low", merge="weighted", weights=[3, 1])
    return [
        base("one", axes),
        base("two", axes, kind="dpmpp-2m", steps=8, process="karras"),
        stage("bridge", "bridge", axes, inputs=edge, out={"channels": 1, "scale": 2}),
    ]


def recursive(axes, std):
    levels = {"times": 2, **({"std": [std, std / 3]} if std else {})}
    scale = {"channels": 1, "scale": 2 if axes != "thw" else {"hw": 2}}
    return [base("base", axes), stage("up", "bridge", axes, inputs=low("base", std=std), out=scale, repeat=levels)]


def draw(seed, scope, ids, purpose, shape):
    return Draws(seed, scope, ids).normal(purpose, shape, dtype=torch.float64)[:, 0].numpy()


def fft(x):
    return np.fft.fftn(x)


def expected(spec, seed, sample):
    """The formula's answer of the last node for one sample, from the same random numbers."""
    answers = {}
    for node in nodes(spec):
        size = node.grid.size
        levels = make_process(node.stage.process, node.grid).levels(node.stage.solver.steps)
        start = fft(draw(seed, node.name, (sample,), "start", node.grid.shape)[0])
        prior = reference.power(node.stage, size)
        observed = [observe(node, given, answers, seed, sample) for given in node.inputs.values()]
        answers[node.name] = reference.answer(prior, levels, node.stage.solver.kind, start, observed)
    return np.fft.ifftn(answers[node.name])


def observe(node, given, answers, seed, sample):
    size, source, edge = node.grid.size, given.grid.size, given.edge
    weights = np.array(edge.weights or (1,)) / sum(edge.weights or (1,))
    merged = sum(w * answers[parent] for w, parent in zip(weights, given.parents, strict=True))
    at_low = edge.noise is not None and edge.noise.at == "low"
    scope = f"{node.name}.low"
    if at_low:
        merged = merged + edge.std * fft(draw(seed, scope, (sample,), "augment", (1, *source))[0])
    high = reference.place(merged, size)
    if edge.noise and not at_low:
        high = high + edge.std * fft(draw(seed, scope, (sample,), "augment", (1, *size))[0])
    spread = np.prod(size) / np.prod(source) if at_low else 1.0
    return reference.Observed(high, reference.band(size, source), edge.std**2 * spread)


@pytest.mark.parametrize("axes", ["l", "hw", "thw"])
@pytest.mark.parametrize("std", [0.0, 0.3])
@pytest.mark.parametrize("shape", [linear, parallel, recursive], ids=lambda f: f.__name__)
def test_a_cascade_equals_its_formula(shape, std, axes):
    spec = parse({"name": "exact", "stages": shape(axes, std)})
    cascade = Cascade.from_spec(spec, runtime=Runtime(dtype=torch.float64))
    samples = cascade.sample(num=3, seed=11)
    for sample in range(3):
        formula = expected(spec, 11, sample)
        assert np.abs(formula.imag).max() < 1e-9
        assert np.abs(samples.x[sample, 0].numpy() - formula.real).max() < 1e-9


@pytest.mark.parametrize("shape", [linear, parallel, recursive], ids=lambda f: f.__name__)
def test_sampled_spectra_pass_at_a_family_wise_999_per_mille(shape):
    """Each mode's power over n samples is chi-square about the variance that the linear formula predicts."""
    spec, n = parse({"name": "exact", "stages": shape("hw", 0.3)}), 256
    x = Cascade.from_spec(spec, runtime=Runtime(batch_size=128)).sample(num=n, seed=5).x[:, 0].double().numpy()
    power = (np.abs(np.fft.fft2(x, norm="ortho")) ** 2).sum(0)
    predicted = predicted_power(spec)
    free = freedom(power.shape)
    held = predicted > 1e-12
    tail = stats.chi2.cdf(power * free / np.where(held, predicted, 1.0), df=n * free)[held]
    assert np.minimum(tail, 1 - tail).min() > 0.001 / (2 * held.sum())
    assert power[~held].max(initial=0.0) < 1e-6


def freedom(shape):
    """Real numbers per mode: 1 where a mode is its own conjugate, else 2."""
    rows, columns = (np.arange(n) == -np.arange(n) % n for n in shape)
    return np.where(np.logical_and.outer(rows, columns), 1, 2)


def predicted_power(spec):
    """The variance of every mode of the last node, by pushing each source of noise through the formula alone."""
    variance = {}
    for node in nodes(spec):
        size = node.grid.size
        levels = make_process(node.stage.process, node.grid).levels(node.stage.solver.steps)
        prior, zero = reference.power(node.stage, size), np.zeros(size)
        kind = node.stage.solver.kind
        blocks = [pushed_noise(node, given, variance) for given in node.inputs.values()]
        silent = [reference.Observed(zero, band, noise) for _, band, noise in blocks]
        total = np.abs(reference.answer(prior, levels, kind, np.ones(size), silent)) ** 2
        for i, (arriving, band, noise) in enumerate(blocks):
            heard = [*silent[:i], reference.Observed(np.ones(size), band, noise), *silent[i + 1 :]]
            total = total + np.abs(reference.answer(prior, levels, kind, zero, heard)) ** 2 * arriving
        variance[node.name] = total
    return variance[node.name]


def pushed_noise(node, given, variance):
    """Per-mode variance of the input on the stage's grid (orthonormal), the modes it holds, its told noise."""
    size, source, edge = node.grid.size, given.grid.size, given.edge
    weights = np.array(edge.weights or (1,)) / sum(edge.weights or (1,))
    arriving = sum(w**2 * variance[parent] for w, parent in zip(weights, given.parents, strict=True))
    at_low = edge.noise is not None and edge.noise.at == "low"
    if at_low:
        arriving = arriving + edge.std**2
    ratio = np.prod(size) / np.prod(source)
    high = reference.place(arriving.astype(complex), size).real
    if edge.noise and not at_low:
        high = high + edge.std**2
    return high, reference.band(size, source), edge.std**2 * (ratio if at_low else 1.0)


def test_an_unfinished_state_is_finished_by_the_next_stage_as_if_it_were_one_stage():
    """Base to refiner in the middle of denoising, at t = 1/2 of a cosine path, against the path in one piece."""
    whole = [base("base", "hw", steps=8)]
    hand = {"low": {"from": "base", "via": "start", "hand": "noisy", "hand_std": 1.0}}
    halves = [base("base", "hw", steps=4), stage("refine", "refine", "hw", steps=4, inputs=hand, out={"channels": 1})]
    in_double = Runtime(dtype=torch.float64)
    one, two = (
        Cascade.from_spec(parse({"name": "exact", "stages": stages}), runtime=in_double).sample(num=4, seed=2)
        for stages in (whole, halves)
    )
    assert (one.x - two.x).abs().max() < 1e-12
    assert one.x.std() > 0.1


def test_sdedit_begins_at_the_users_picture_with_noise_on_it():
    """A start at std s: the answer is the flow from `image + s eps`, whose gain on each mode is known."""
    edge = {"from": "input.image", "via": "start", "noise": {"std": 0.4}}
    spec = parse({
        "name": "exact", "inputs": {"image": {"channels": 1, "size": [8, 8]}},
        "stages": [stage("refine", "refine", "hw", inputs={"low": edge}, out={"channels": 1}, process="karras")],
    })  # fmt: skip
    image = Draws(1, "user", (0, 1)).normal("image", (1, 8, 8), dtype=torch.float64)
    x = Cascade.from_spec(spec, runtime=Runtime(dtype=torch.float64)).sample(num=2, given={"input.image": image}).x
    levels = make_process(spec.stages[0].process).levels(5, start_std=0.4)
    gain = reference.gains(levels, reference.power(spec.stages[0], (8, 8)), "ddim").noise
    eps = Draws(0, "refine.low", (0, 1)).normal("augment", (1, 8, 8), dtype=torch.float64)
    formula = np.fft.ifft2(gain * np.fft.fft2((image + 0.4 * eps).numpy())).real
    assert np.abs(x.numpy() - formula).max() < 1e-12
