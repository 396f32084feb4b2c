"""How far a backward pass goes: through what is trained and all that comes after it, and not beyond."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from zoo_spec.blocks.stacked import Child, Run, Stacked, runs
from zoo_spec.parameters import Parameter


class Learned:
    """Which weights are trained: all (``names`` is None), or these alone. It is asked by a block's path."""

    def __init__(self, names: Collection[str] | None = None) -> None:
        self.everything = names is None
        self._inside: dict[str, list[str]] = {}
        for name in names or ():
            for place, letter in enumerate(name):
                if letter == ".":
                    self._inside.setdefault(name[:place], []).append(name[place + 1 :])

    def inside(self, path: str) -> tuple[str, ...]:
        """The trained weights in a block, by their names within it; something where all are."""
        return ("",) if self.everything else tuple(self._inside.get(path, ()))

    def passes(self, path: str, own: Mapping[str, Parameter], reached: bool) -> int:
        """How many products of its size a block's own product takes in training: forward, and what is passed back.

        That is a gradient of its input, where one is asked for (``reached``), and of its weight. A product without a
        weight of its own has two inputs.
        """
        inside = self.inside(path)
        if self.everything or not (reached or inside):
            return 3 if self.everything else 1
        weights = [leaf for leaf, parameter in own.items() if parameter.trainable]
        return 1 + int(reached or not weights) + int(not weights or any(leaf in inside for leaf in weights))

    def runs(self, path: str, children: Mapping[str, Child], reached: bool) -> Iterator[tuple[Run, bool]]:
        """A block's children, those that are alike once, and whether what goes into them has a gradient.

        Layers of a stack run one after the other, so that it begins with the first in which something is trained;
        of what goes on inside another block nothing is known, and it is as if all of it were.
        """
        if self.everything or not isinstance(children, Stacked):
            flows = reached or bool(self.inside(path))
            yield from ((run, flows) for run in runs(children))
            return
        each = sorted(
            (place, name, run)
            for run in children.runs()
            for place, name in zip(run.places, run.names, strict=True)
        )
        found: dict[int, list[tuple[Run, bool, tuple[str, ...]]]] = {}
        for place, name, run in each:
            inside = self.inside(f"{path}.{name}")
            same = found.setdefault(run.place, [])
            if same and same[-1][1:] == (reached, inside):
                before = same[-1][0]
                same[-1] = (_with_one_more(before), reached, inside)
            else:
                same.append((Run(name, run.block, run.inputs, place, 1, run.step), reached, inside))
            reached = reached or bool(inside)
        for runs_ in found.values():
            yield from ((run, flows) for run, flows, _ in runs_)


def _with_one_more(run: Run) -> Run:
    return Run(run.name, run.block, run.inputs, run.place, run.count + 1, run.step)
