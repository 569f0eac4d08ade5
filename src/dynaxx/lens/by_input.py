"""Explanations by how the low input is taken: not at all, or brought up by another kernel."""

from __future__ import annotations

from collections.abc import Iterator

from dynaxx.lens.misfit import Pair, strayed
from dynaxx.lens.suspect import Explanation, Suspect, astray, scored
from dynaxx.signal.resample import KERNELS, resample


def ignored(suspect: Suspect) -> Iterator[Explanation]:
    """Answers that have no more to do with their own low input than with any other."""
    share = 1 - dependence(suspect.pair)
    yield scored("low-ignored", "its answers do not follow its low input", share)


def dependence(pair: Pair) -> float:
    """`1 - E |v_i - u_i|^2 / E |v_i - u_j|^2` of shrunk answers v and low inputs u: 0 where they are unrelated."""
    assert pair.shrunk is not None
    assert pair.low is not None
    v, u = pair.shrunk.flatten(1).double(), pair.low.flatten(1).double()
    own = (v - u).square().sum(1).mean()
    n = len(v)
    squares = v.square().sum(1)[:, None] + u.square().sum(1)[None] - 2 * v @ u.T
    others = (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))
    return float(1 - own / others)


def kernels(suspect: Suspect) -> Iterator[Explanation]:
    """The low input brought up by another kernel than the stage was made for."""
    pair, down = suspect.pair, suspect.down
    assert down is not None
    assert pair.low is not None
    assert pair.shrunk is not None
    own = strayed(pair)
    if not astray(pair):  # all in all it strays no further than noise excuses, or something else is wrong
        return
    for kernel in (other for other in KERNELS if other not in suspect.kernel):
        seen = down(resample(pair.low, pair.x.shape[2:], kernel))
        left = float((pair.shrunk - seen).double().square().mean()) - pair.excused
        yield scored("resize-kernel", f"its low input is brought up by {kernel!r}", 1 - max(left, 0.0) / own)
