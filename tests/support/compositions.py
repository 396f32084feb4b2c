"""Architectures out of blocks, drawn by hypothesis, as a spec file would write them: valid by construction.

A stream of tokens, of an image's pixels or patches, of a waveform's frames, or a decoder's that reads one of these,
goes through blocks that take it, and ends in heads and losses that fit. Which blocks take it, and which losses fit,
the registry and the blocks' own shape rules say.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from composing import LONGEST, Composition, as_yaml
from drawn_blocks import Mapping, Surroundings, drawn
from endings import finish, flat, lose, pooled, score
from steps import join, journey, step, steps, through
from streams import patches, pixels, tokens, waveform
from zoo_spec.blocks.base import Block
from zoo_spec.registry import classes

__all__ = ["ARCHITECTURES", "as_yaml", "composition", "compositions", "three"]


def text(model: Composition) -> None:
    """Tokens in rows that are full, padded or packed."""
    packed = model.maybe()
    padded = packed or model.maybe()
    model.place = replace(
        model.place, apart=packed, masks=model.choose(("bidirectional",), model.place.masks)
    )
    model.bounds["sequence"] = LONGEST
    length = model.choose("sequence", "sequence", LONGEST)
    stream = tokens(model, packed=packed, padded=padded, length=length)
    stream = journey(model, stream, mixes=True)
    if model.place.masks == ("bidirectional",):
        finish(model, stream, packed=packed and length == "sequence")
    else:  # The first token sees nothing but itself, so nothing that mixes would move it.
        score(model, stream)


def decoder(model: Composition) -> None:
    """A decoder's tokens, which read an encoder's, or an image's patches."""
    of_image = model.choose(True, False, False)
    packed = model.maybe() and not of_image
    padded = packed or (model.maybe() and not of_image)
    model.place = replace(model.place, apart=packed)
    model.bounds |= {"sequence": LONGEST, "target_sequence": LONGEST - 2}
    if of_image:
        memory = journey(model, patches(model))
    else:
        memory = tokens(model, packed=packed, padded=padded, length="sequence")
        memory = step(model, memory, mixes=True)
    stream = tokens(model, of="decoder", packed=packed, padded=padded, length="target_sequence")
    told = {**stream.told, "memory": memory.ref}
    if padded:
        told["memory_example_ids"] = memory.told["example_ids"]
    stream = replace(stream, told=told)
    readers = [kind for kind in steps(model, stream, mixes=True) if "memory" in classes(Block)[kind].required]
    stream = through(model, model.choose(*readers), stream)
    score(model, step(model, stream) if model.maybe() else stream)


def image(model: Composition) -> None:
    """An image, whose places or whose whole are classified."""
    if model.maybe():
        stream = pixels(model)
        if model.maybe():
            score(model, stream)
            return
    else:
        stream = journey(model, patches(model), mixes=True)
        if model.maybe():
            score(model, stream)
            return
    score(model, step(model, flat(model, stream)))


def sound(model: Composition) -> None:
    """A waveform, whose frames or whose whole are classified."""
    model.place = replace(model.place, masks=("bidirectional",))
    stream = journey(model, waveform(model), mixes=model.maybe())
    known = all(isinstance(size, int) for size in model.tensors[stream.ref].shape[1:])
    if known and model.maybe():
        score(model, stream)
    elif model.maybe():
        head = model.node(model.draw(drawn("classifier_head", model.width(stream), classes=5)), stream.ref)
        lose(model, head, stream)
    else:
        score(model, pooled(model, stream))


def towers(model: Composition) -> None:
    """An image's vector and a text's, joined."""
    model.bounds["sequence"] = LONGEST
    model.place = replace(model.place, masks=("bidirectional",))
    seen = flat(model, pixels(model))
    stream = tokens(model, packed=False, padded=model.maybe(), length="sequence")
    read = pooled(model, step(model, stream, mixes=True))
    score(model, join(model, [read, seen]))


ARCHITECTURES = {build.__name__: build for build in (text, decoder, image, sound, towers)}


@st.composite
def compositions(draw: DrawFn, *names: str) -> Mapping:
    """The mapping of a whole spec file, of one of the named architectures, or of any."""
    build = ARCHITECTURES[draw(st.sampled_from(names or tuple(ARCHITECTURES)))]
    place = Surroundings(
        width=draw(st.sampled_from((12, 24))), length=LONGEST, heads=draw(st.sampled_from((2, 3, 1)))
    )
    model = Composition(draw, place)
    build(model)
    return model.spec()


def composition(number: int, *names: str) -> Mapping:
    """One of them, the same for the same number."""
    return three(number, *names)[-1]


def three(number: int, *names: str) -> list[Mapping]:
    """As many of them, the same for the same number."""
    found: list[Mapping] = []

    # The first is the simplest there is, whatever the number.
    @seed(number)
    @settings(
        max_examples=3,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(compositions(*names))
    def collect(spec: Mapping) -> None:
        found.append(spec)

    collect()
    return found
