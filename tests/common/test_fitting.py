"""A new model begins with another's weights by name: what is taken, changed to fit, new and left, or refused."""

from __future__ import annotations

import logging

import ml_dtypes
import numpy as np
import pytest
from scipy.ndimage import zoom

from zoo_common.training.fitting import fitted
from zoo_common.weights import Entry, InitialValues, WeightSource
from zoo_spec import load_spec
from zoo_spec.errors import InputError

LAYER = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 12}
TEXT = {**LAYER, "vocab_size": 20, "max_positions": 16}


def text(name, *more, **sizes):
    given = [f"model.{field}={value}" for field, value in {**TEXT, **sizes}.items()]
    return load_spec(name, [*given, *more])


def weights_of(spec, dtype="float32", **others):
    """Other values than a model would draw, asymmetric and exact in every dtype."""
    found = {}
    for number, (name, parameter) in enumerate(spec.graph().parameters().items()):
        values = np.arange(parameter.size).reshape(parameter.shape) % 127 + number
        found[name] = (values / 64).astype(dtype)
    return {**found, **others}


class Held(WeightSource):
    """Arrays of any dtype, as a file has them."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.entries = {name: Entry(array.dtype.name, array.shape) for name, array in arrays.items()}

    def read(self, name):
        return self.arrays[name].copy()


def fit(spec, there, other=None, **given):
    graph = spec.graph()
    own = InitialValues(graph.parameters(), spec.training.seed)
    return own, *fitted(spec, graph, own, Held(there), where="there", other=other, **given)


def test_a_body_is_taken_and_a_head_that_is_not_there_or_of_another_size_is_new():
    pretrained = text("bert_tiny")
    spec = text("bert_tiny_classification", "training.seed=3")
    there = weights_of(pretrained, **{"classifier.dense.weight": np.ones((5, 8), np.float32)})
    own, begun, report = fit(spec, there, pretrained)
    new = [row.name for row in report.of("new")]
    assert new == ["classifier.dense.weight", "classifier.dense.bias"]
    for name in own:
        wanted = own.read(name) if name in new else there[name]
        np.testing.assert_array_equal(begun.read(name), wanted, err_msg=name)
    notes = {row.name: row.note for row in report.of("new")}
    assert notes["classifier.dense.weight"].startswith("[5, 8] there; truncated_normal (std 0.02")
    assert notes["classifier.dense.weight"].endswith("by seed 3")
    assert notes["classifier.dense.bias"] == "zeros"
    left = {row.name for row in report.of("left")}
    assert left == {name for name in there if name.split(".")[0] in ("masked_lm", "next_sentence")}
    assert len(report.of("taken")) + len(new) == len(own)
    assert report.notes == ()


def test_a_body_that_does_not_fit_is_refused_with_both_shapes():
    spec = text("bert_tiny_classification")
    wide = weights_of(text("bert_tiny", intermediate_size=13))
    with pytest.raises(InputError, match=r"feed_forward\.inner\.weight \[13, 8\] there, \[12, 8\] here"):
        fit(spec, wide)
    ids = weights_of(spec, **{"embeddings.norm.bias": np.zeros(8, np.int32)})
    with pytest.raises(InputError, match=r"embeddings\.norm\.bias is of int32 there"):
        fit(spec, ids)


def test_nothing_of_the_body_is_an_error_and_a_part_of_it_is_told(caplog):
    spec = text("bert_tiny_classification")
    there = weights_of(spec)
    heads = {name: value for name, value in there.items() if name.startswith("classifier.")}
    with pytest.raises(InputError, match=r"no weight of the model's body: .*embeddings\.token\.weight"):
        fit(spec, heads)
    body = {name: value for name, value in there.items() if not name.startswith("pooler.")}
    with caplog.at_level(logging.WARNING, "zoo"):
        _, _, report = fit(spec, body)
    assert {row.name for row in report.of("new")} == {"pooler.dense.weight", "pooler.dense.bias"}
    assert "lacks weights of the model's body, which are new: pooler.dense.weight" in caplog.text


def test_families_that_share_names_share_weights():
    spec = text("roberta_tiny", "training.fit_weights.positions=resize")
    bert = text("bert_tiny", type_vocab_size=1)
    there = weights_of(bert)
    own, begun, report = fit(spec, there, bert)
    (changed,) = report.of("changed")
    assert changed.note == "[16, 8] there; positions begin at row 2, not 0"
    table = begun.read("embeddings.position.weight")
    np.testing.assert_array_equal(table[2:], there["embeddings.position.weight"])
    np.testing.assert_array_equal(table[:2], own.read("embeddings.position.weight")[:2])
    assert {row.name.split(".")[0] for row in report.of("left")} == {"pooler", "next_sentence"}


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float64"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_weights_of_another_width_keep_their_values(dtype, precision):
    spec = text("bert_tiny_classification", f"training.precision={precision}")
    there = weights_of(spec, dtype)
    _, begun, report = fit(spec, there)
    for name, value in there.items():
        found = begun.read(name)
        assert found.dtype == precision
        np.testing.assert_array_equal(found, value.astype("float64"), err_msg=name)
    if np.dtype(dtype).name != precision:
        assert {row.note for row in report.of("taken")} == {f"{np.dtype(dtype).name} there"}


def test_a_larger_vocabulary_is_taken_where_that_is_said_and_draws_its_new_rows():
    small, large = [text("bert_tiny", vocab_size=size) for size in (20, 23)]
    with pytest.raises(
        InputError, match=r"\[20, 8\] there, \[23, 8\] here \(training\.fit_weights\.vocabulary"
    ):
        fit(large, weights_of(small))
    extend = text("bert_tiny", "training.fit_weights.vocabulary=extend", vocab_size=23)
    there = weights_of(small)
    own, begun, report = fit(extend, there)
    assert {row.name for row in report.of("changed")} == {"embeddings.token.weight", "masked_lm.decoder.bias"}
    assert not report.of("new")
    for name in ("embeddings.token.weight", "masked_lm.decoder.bias"):
        np.testing.assert_array_equal(begun.read(name)[:20], there[name])
        np.testing.assert_array_equal(begun.read(name)[20:], own.read(name)[20:])
    smaller = text("bert_tiny", "training.fit_weights.vocabulary=extend", vocab_size=19)
    with pytest.raises(InputError, match=r"set model\.vocab_size to 20 at least"):
        fit(smaller, there)


@pytest.mark.parametrize(("rows", "said"), [(19, "3 positions drawn by seed 0"), (13, "3 positions cut off")])
def test_tables_of_more_and_of_fewer_positions_are_taken_where_that_is_said(rows, said):
    there = weights_of(text("bert_tiny"))
    with pytest.raises(InputError, match=r"\(training\.fit_weights\.positions: resize"):
        fit(text("bert_tiny", max_positions=rows), there)
    own, begun, report = fit(
        text("bert_tiny", "training.fit_weights.positions=resize", max_positions=rows), there
    )
    name, kept = "embeddings.position.weight", min(rows, 16)
    assert [row.note for row in report.of("changed")] == [f"[16, 8] there; {said}"]
    np.testing.assert_array_equal(begun.read(name)[:kept], there[name][:kept])
    np.testing.assert_array_equal(begun.read(name)[kept:], own.read(name)[kept:])


def vit(height, width, *more):
    sizes = {**LAYER, "image_size": [height, width], "patch_size": 4}
    return load_spec("vit_tiny", [*(f"model.{field}={value}" for field, value in sizes.items()), *more])


@pytest.mark.parametrize(("old", "new"), [((12, 12), (20, 24)), ((12, 20), (8, 12)), ((8, 8), (4, 16))])
def test_positions_of_patches_are_interpolated_as_scipy_does_it(old, new):
    before = vit(*old)
    there = weights_of(before)
    name = "embeddings.position.weight"
    there[name] = np.random.default_rng(0).normal(size=there[name].shape).astype(np.float32)
    with pytest.raises(InputError, match="interpolate stretches the grid"):
        fit(vit(*new, "training.fit_weights.positions=resize"), there, before)
    _, begun, report = fit(vit(*new, "training.fit_weights.positions=interpolate"), there, before)
    grids = [[size // 4 for size in sizes] for sizes in (old, new)]
    zooms = [after / former for former, after in zip(*grids, strict=True)]
    wanted = zoom(there[name][1:].reshape(*grids[0], 8), (*zooms, 1), order=1)
    found = begun.read(name)
    np.testing.assert_array_equal(found[0], there[name][0])
    np.testing.assert_allclose(found[1:].reshape(wanted.shape), wanted, rtol=0, atol=1e-6)
    assert "interpolated to" in report.of("changed")[0].note


def test_a_grid_of_another_form_is_no_fit_though_it_has_as_many_patches():
    before = vit(8, 16)
    with pytest.raises(InputError, match=r"\[9, 8\] there, \[9, 8\] here"):
        fit(vit(16, 8), weights_of(before), before)
    with pytest.raises(InputError, match="which are no positions of a grid of patches"):
        fit(vit(12, 12), weights_of(before))  # Of an unknown spec, and no square.


def test_what_no_shape_shows_is_told():
    theirs = text("bert_tiny", num_heads=4, dropout=0.3)
    _, _, report = fit(text("bert_tiny"), weights_of(theirs), theirs)
    (note,) = report.notes
    assert note.startswith("model.attention.num_heads is 4 there, 2 here")
