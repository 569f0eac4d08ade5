"""What a disk may hold after the power went: recorded calls replayed, with any of those not yet synced left out.

The model is harsher than journaling file systems: of all that was not synced, data or names, any part may be missing.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from syscalls import Call

Folder = dict[str, int]
ROOT = 0
NAMED = ("create", "mkdir", "unlink", "rmdir", "rename")


@dataclass(frozen=True)
class Change:
    """A call on numbered files and folders: `node` in `parent` as `name`, moved to `to_parent` as `to_name`."""

    kind: str
    node: int
    parent: int = -1
    name: str = ""
    to_parent: int = -1
    to_name: str = ""
    data: bytes = b""
    at: int = 0


class Disk:
    """Files and folders by number."""

    def __init__(self) -> None:
        self.folders: dict[int, Folder] = {ROOT: {}}
        self.files: dict[int, bytearray] = {}

    def find(self, path: str) -> int | None:
        """The number of a path below the root."""
        node: int | None = ROOT
        for part in path.split("/") if path else ():
            node = self.folders.get(node, {}).get(part) if node is not None else None
        return node

    def apply(self, change: Change) -> None:
        """Carry out a change as far as what it needs is there."""
        here = self.folders.get(change.parent, {})
        match change.kind:
            case "create":
                self.files.setdefault(change.node, bytearray())
                here[change.name] = change.node
            case "mkdir":
                self.folders.setdefault(change.node, {})
                here[change.name] = change.node
            case "unlink" | "rmdir":
                here.pop(change.name, None)
            case "rename":
                if here.get(change.name) == change.node:
                    del here[change.name]
                self.folders.get(change.to_parent, {})[change.to_name] = change.node
            case "write":
                file = self.files.setdefault(change.node, bytearray())
                file.extend(b"\0" * (change.at - len(file)))
                file[change.at : change.at + len(change.data)] = change.data
            case "truncate":
                file = self.files.setdefault(change.node, bytearray())
                del file[change.at :]
                file.extend(b"\0" * (change.at - len(file)))

    def write(self, folder: Path, node: int = ROOT) -> None:
        """Make all of it into `folder`."""
        folder.mkdir(exist_ok=True)
        for name, inner in self.folders[node].items():
            if inner in self.folders:
                self.write(folder / name, inner)
            elif inner in self.files:
                (folder / name).write_bytes(self.files[inner])


def changes_of(calls: Sequence[Call], root: Path) -> list[Change]:
    """The calls with their files and folders numbered, whatever they are called at the time."""
    disk, found, top = Disk(), list[Change](), os.path.realpath(root)
    count = 0

    def below(path: str) -> str:
        return path.removeprefix(top).lstrip("/")

    def place(path: str) -> tuple[int | None, str]:
        parent, _, name = below(path).rpartition("/")
        return disk.find(parent), name

    for call in calls:
        node, (parent, name) = disk.find(below(call.path)), place(call.path)
        change = None
        if parent is None:
            continue
        match call.kind:
            case "open" if node is None:
                count += 1
                change = Change("create", count, parent, name)
            case "mkdir":
                count += 1
                change = Change("mkdir", count, parent, name)
            case "open" if node is not None and call.flags & os.O_TRUNC:
                change = Change("truncate", node)
            case "rename" if node is not None:
                to_parent, to_name = place(call.to)
                change = Change("rename", node, parent, name, -1 if to_parent is None else to_parent, to_name)
            case "write" | "truncate" | "sync" if node is not None:
                change = Change(call.kind, node, data=call.data, at=call.at)
            case "unlink" | "rmdir" if node is not None:
                change = Change(call.kind, node, parent, name)
        if change is not None:
            disk.apply(change)
            found.append(change)
    return found


def unsure(changes: Sequence[Change], cut: int) -> list[int]:
    """Which of the first `cut` changes were not synced by then."""
    synced, found = set[int](), list[int]()
    for index in reversed(range(cut)):
        change = changes[index]
        if change.kind == "sync":
            synced.add(change.node)
        elif change.kind in NAMED:
            if not {change.parent, change.to_parent} & synced:
                found.append(index)
        elif change.node not in synced:
            found.append(index)
    return found


def after_power_cut(changes: Sequence[Change], cut: int, lost: Collection[int], torn: Collection[int] = ()) -> Disk:
    """The disk after the first `cut` changes without those that are `lost`, and with half of those that are `torn`."""
    disk = Disk()
    for index in range(cut):
        change = changes[index]
        if index not in lost:
            half = change.kind == "write" and index in torn
            disk.apply(replace(change, data=change.data[: len(change.data) // 2]) if half else change)
    return disk


def ways_to_lose(changes: Sequence[Change], cut: int, most: int, chance: random.Random) -> list[set[int]]:
    """Every set of unsynced changes that may be lost where there are at most `most`, or so many drawn at random.

    Nothing and everything lost are always among them.
    """
    open_ = unsure(changes, cut)
    if 2 ** len(open_) <= most:
        return [{i for bit, i in enumerate(open_) if number >> bit & 1} for number in range(2 ** len(open_))]
    drawn = [{i for i in open_ if chance.random() < share} for share in (0.2, 0.5, 0.8) * (most // 3)]
    return [set(), set(open_), *drawn[: most - 2]]
