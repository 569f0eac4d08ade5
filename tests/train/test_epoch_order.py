"""The order of training samples: epochs are permutations, groups count alike, batches do not matter."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dynaxx.train.order import Order, permutation


@given(st.integers(1, 60), st.integers(0, 5), st.integers(0, 2**31))
def test_every_epoch_holds_every_sample_once(count: int, epoch: int, seed: int) -> None:
    order = Order.of(seed, "base", {i: str(i) for i in range(count)}, by_group=False)
    assert sorted(order.rows(range(epoch * count, (epoch + 1) * count))) == list(range(count))


def test_epochs_seeds_and_stages_differ() -> None:
    first = permutation(0, "base", 0, 50).tolist()
    others = [permutation(0, "base", 1, 50), permutation(1, "base", 0, 50), permutation(0, "bridge", 0, 50)]
    assert all(other.tolist() != first for other in others)


def test_groups_come_equally_often_whatever_their_size_and_so_do_their_members() -> None:
    groups = ["people"] * 40 + ["kite"] + ["bell"]
    rows = Order.of(0, "base", dict(enumerate(groups)), by_group=True).rows(range(3 * 400))
    assert Counter(groups[row] for row in rows) == {"people": 400, "kite": 400, "bell": 400}
    members = Counter(row for row in rows if row < 40)
    assert len(members) == 40
    assert max(members.values()) < 30  # ten each on average


def test_the_nth_sample_does_not_depend_on_the_batches() -> None:
    order = Order.of(3, "base", dict(enumerate("aabc")), by_group=True)
    assert [order.rows([n])[0] for n in range(20)] == order.rows(range(20))
