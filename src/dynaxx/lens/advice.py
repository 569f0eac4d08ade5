"""What to do about each kind of fault, in the order of what costs least."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, tuple[str, str]] = {
    "colour-cast": (
        "a colour cast",
        "Look for a wrong normalisation of its data or answers; then train it on more varied colours, or "
        "match its mean colour to the low input.",
    ),
    "contrast": (
        "wrong contrast",
        "Check the range and scale of its answers, its clipping and guidance, and whether it walks enough "
        "steps; then train it longer.",
    ),
    "range": (
        "a wrong range of values",
        "Bring its input and its answers to [-1, 1] where they enter and leave it.",
    ),
    "channel-order": (
        "channels in the wrong order",
        "Put the channels in the order that it was trained with (RGB).",
    ),
    "geometry": (
        "mirrored or turned pictures",
        "Check the order and direction of axes where signals enter and leave it.",
    ),
    "missing-patch": (
        "a part of the grid that is wrong",
        "Look for masks, tiles or padding that cover that part, in its data and in what it is given.",
    ),
    "low-ignored": (
        "a low input that is not followed",
        "See that each sample is given its own low input; then train it with less noise on that input, or "
        "pass the low-resolution signal on to it directly.",
    ),
    "over-smoothed": (
        "fine detail smoothed away",
        "Use fewer steps or start at less noise where it refines; otherwise train it longer, on sharp targets.",
    ),
    "noise-left": (
        "noise left in its answers",
        "Let it walk to the end: more steps, a process that ends clean; then train it longer at low levels.",
    ),
    "untold-noise": (
        "noise on its input that it is not told of",
        "Tell it the level (`noise.told: true`, the true std), or take the noise away.",
    ),
    "resize-kernel": (
        "a low input brought up by the wrong kernel",
        "Set `resize` on its low input to the kernel that it was trained with.",
    ),
    "level": (
        "an augmentation level that is off",
        "Set the level to the minimum of the sweep.",
    ),
    "guidance": (
        "guidance that is off",
        "Set the guidance to the minimum of the sweep.",
    ),
    "steps": (
        "a number of steps or a start level that is off",
        "Set it to the minimum of the sweep.",
    ),
    "prompt-ignored": (
        "prompts that are not followed",
        "See that each sample is asked for its own prompt, and that the prompt reaches it: its encoder, its words, and "
        "guidance above 0; then train it with fewer prompts left out (`condition.text.dropout`).",
    ),
    "amplifies": (
        "faults of its input made worse",
        "Raise its augmentation level, or train it on what the stage before really makes (`train.generated`).",
    ),
    "latent-scale": (
        "latents read at the wrong scale",
        "Set `scaling_factor` and `shift_factor` in its autoencoder's configuration to those of the stage above, "
        "or hand on pixels.",
    ),
    "level-unit": (
        "a level in the wrong unit",
        "See that noise is put on by the table that its level is converted by; a pipeline with a table of its own is "
        "told its own timestep (`call`).",
    ),
    "weights": (
        "wrong answers, for no single reason",
        "Check that its weights are whole and the ones that are meant; then train it longer.",
    ),
}
"""By kind: what it is called in a sentence, and the advice."""


def called(kind: str) -> str:
    """The kind in words."""
    return KINDS[kind][0]


def advice(kind: str, part: str | None = None) -> str:
    """What to do about it; where another kind explains a part of it, what is done about that one goes first."""
    first = KINDS[kind][1]
    return first if part is None else f"{KINDS[part][1]} For the rest: {first[0].lower()}{first[1:]}"
