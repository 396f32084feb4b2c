"""What of a model its training changes, and how fast: frozen weights, and rates that differ.

Patterns are those of file names (``fnmatch``): ``*`` stands for any letters, dots among them, ``?`` for one,
``[0-9]`` for one of these. One matches a weight by its canonical name, and all within a block by the block's path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zoo_spec.blocks.layer import Layer
from zoo_spec.blocks.norm import BatchNorm
from zoo_spec.errors import Problem, SpecError
from zoo_spec.graph import Graph
from zoo_spec.training import Training
from zoo_spec.values import nearest


@dataclass(frozen=True)
class Trained:
    """Which weights a training changes.

    ``names`` are all of the model's, in order; ``factors`` are what the rate of each weight that is trained is
    multiplied by; ``frozen`` the names of those that are not, though they are parameters; ``fixed`` the paths of
    batch norms whose statistics are kept as they are, so that they are computed with in training too.
    """

    names: tuple[str, ...]
    factors: Mapping[str, float]
    frozen: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()

    def in_words(self) -> list[tuple[str, str]]:
        """``frozen``, or the factor of its rate, of each block whose weights have that in common, by its path."""
        said = {name: f"× {factor:.4g}" for name, factor in self.factors.items()}
        said |= dict.fromkeys(self.frozen, "frozen")
        return list(_together("", [(name.split("."), said[name]) for name in self.names if name in said]))


def trained(graph: Graph, training: Training) -> Trained:
    """What ``training.freeze``, ``rate_multipliers`` and ``layer_decay`` make of a graph's weights.

    Raises SpecError, with each of them, for patterns that match nothing, and where nothing is left to train.
    """
    table = graph.parameters()
    if not training.names_weights:
        return Trained(tuple(table), {name: 1.0 for name, each in table.items() if each.trainable})
    problems: list[Problem] = []
    still = _matched(training.freeze, "training.freeze", table, problems)
    frozen = {name for names in still.values() for name in names}
    fixed = _fixed(graph, frozen, problems)
    learned = [name for name, parameter in table.items() if parameter.trainable and name not in frozen]
    if training.freeze and not learned and not problems:
        problems.append(Problem("freezes every weight; leave out what is to be trained", "training.freeze"))
    factors = dict.fromkeys(learned, 1.0)
    if training.layer_decay is not None:
        depths = _depths(graph)
        factors = {name: training.layer_decay ** depths[name] for name in learned}
    faster = _matched(training.rate_multipliers, "training.rate_multipliers", table, problems)
    for pattern, names in faster.items():
        meant = [name for name in names if name in factors]
        if names and not meant:
            message = f"{pattern!r} matches nothing that is trained; take it out"
            problems.append(Problem(message, f"training.rate_multipliers.{pattern}"))
        for name in meant:
            factors[name] *= training.rate_multipliers[pattern]
    if problems:
        raise SpecError(problems)
    weights = frozenset(name for name in frozen if table[name].trainable)
    return Trained(tuple(table), factors, weights, fixed)


def frozen_names(graph: Graph, training: Training) -> frozenset[str]:
    """The names of the frozen weights alone."""
    return trained(graph, training).frozen if training.freeze else frozenset()


def _together(path: str, weights: list[tuple[list[str], str]]) -> Iterator[tuple[str, str]]:
    """The outermost blocks in which one thing is said of all weights, whose names within ``path`` are in parts."""
    if path and len({said for _, said in weights}) == 1:
        yield path, weights[0][1]
        return
    inside: dict[str, list[tuple[list[str], str]]] = {}
    for (first, *rest), said in weights:
        inside.setdefault(f"{path}.{first}" if path else first, []).append((rest, said))
    for inner, found in inside.items():
        yield from _together(inner, found)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern stands for a weight: for its name, or for a block that it is in."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _matched(
    patterns: Collection[str], field: str, names: Collection[str], problems: list[Problem]
) -> dict[str, list[str]]:
    """The names that each pattern matches; a problem for one that matches none."""
    found = {pattern: [name for name in names if matches(pattern, name)] for pattern in patterns}
    for index, (pattern, matched) in enumerate(found.items()):
        if not matched:
            place = f"{field}[{index}]" if isinstance(patterns, tuple) else field
            near = nearest(pattern.strip(".*"), dict.fromkeys(_paths(names)))
            problems.append(Problem(f"{pattern!r} matches no weight{near}", place))
    return found


def _paths(names: Collection[str]) -> Iterator[str]:
    """Every weight's name, and the path of every block that one is in."""
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def _fixed(graph: Graph, frozen: Collection[str], problems: list[Problem]) -> frozenset[str]:
    """The batch norms whose statistics are frozen; a problem for one of which half are."""
    found = set()
    for place in graph.places() if frozen else ():
        if isinstance(place.block, BatchNorm):
            both = [f"{place.path}.{leaf}" for leaf in ("running_mean", "running_var")]
            held = [name for name in both if name in frozen]
            if len(held) == 1:
                message = f"freezes {held[0]} alone; the statistics of a batch norm are kept together, or not"
                problems.append(Problem(message, "training.freeze"))
            found |= {place.path} if held else set()
    return frozenset(found)


def _depths(graph: Graph) -> dict[str, int]:
    """How many layers there are from each weight on, its own among them; one more for what is before the first.

    So ``rate * decay ** depth`` is the ladder of BEiT (Bao et al., 2022, ``optim_factory.py``): 1 for heads, the last
    layer's one step below, the embeddings' the lowest.
    """
    graph.require_layers("training.layer_decay", "lowers rates by transformer layers")
    level: dict[str, tuple[int, bool]] = {}
    layers, inside = 0, ""
    for place in graph.places():
        if place.block.role == Layer.role:
            layers, inside = layers + 1, f"{place.path}."
        is_inside = bool(inside) and f"{place.path}.".startswith(inside)
        for leaf in place.block.parameters(place.inputs):
            level[f"{place.path}.{leaf}"] = layers, is_inside or not layers
    return {name: layers - number + more for name, (number, more) in level.items()}
