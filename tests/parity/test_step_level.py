"""The level ``step``: dropout is counted, real steps leave the same behind, gradients on both sides of a clip."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import torch

import zoo_tf.blocks.dropout
import zoo_tf.randomness
import zoo_tf.training
import zoo_torch.blocks.attend
import zoo_torch.blocks.layer
import zoo_torch.blocks.norm
import zoo_torch.optimizers
import zoo_torch.randomness
from zoo_common.backend import Dropped
from zoo_common.parity import tolerances
from zoo_common.parity.bench import Bench
from zoo_common.parity.part import Part
from zoo_common.parity.rates import _renewed, count_rates
from zoo_common.parity.states import trained_states
from zoo_common.parity.step import _optimizers, drawn_gradients
from zoo_spec import load_spec
from zoo_spec.shrink import shrunk

DROPS = ("model.dropout=0.2", "model.attention_dropout=0.1")


def bench_of(name: str, *overrides: str, prepare=None) -> Bench:
    spec = shrunk(load_spec(name, list(overrides)))
    return Bench(spec, spec.graph(), ("tf", "torch"), 1, prepare=prepare, dtypes=["float64"])


def counted(framework: str, name: str = "gpt2_tiny", *overrides: str, prepare=None) -> list[Part]:
    bench = bench_of(name, *(overrides or DROPS), prepare=prepare)
    return list(count_rates(bench, framework, bench.backend(framework, "float64")))


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_every_place_that_has_a_rate_is_counted_for_each_source_of_masks(framework):
    bench = bench_of("gpt2_tiny", *DROPS)
    rates = {
        place.path: place.block.rate
        for place in bench.graph.places()
        if getattr(place.block, "kind", "") == "dropout" and place.block.rate
    }
    found = counted(framework)
    assert all(part.passed for part in found)
    for masks in ("own", "native", "portable"):
        assert {part.block for part in found if f"{masks} masks" in part.worst} >= set(rates)
    for part in found:
        if part.block in rates:
            dropped, total = map(int, (part.detail.split()[1], part.detail.split()[3]))
            assert abs(dropped / total - rates[part.block]) < 0.02
            assert total >= 15_000
    if framework == "torch":
        assert {part.block for part in found if "attention fused" in part.worst} >= set(rates)


def half_in_the_kernel(patch) -> None:
    kernel = torch.nn.functional.scaled_dot_product_attention
    halved = SimpleNamespace(
        scaled_dot_product_attention=lambda *args, dropout_p=0.0, **given: kernel(
            *args, dropout_p=dropout_p / 2, **given
        )
    )
    patch.setattr(zoo_torch.blocks.attend, "F", halved)


def half_afresh(patch) -> None:
    patch.setattr(
        zoo_tf.blocks.dropout, "_afresh", lambda shape, rate, use: tf.random.uniform(shape) >= rate / 2
    )


def half_portable(patch) -> None:
    mask = zoo_torch.randomness.dropout_mask
    patch.setattr(
        zoo_torch.randomness,
        "dropout_mask",
        lambda key, shape, rate, *place, **named: mask(key, shape, rate / 2, *place, **named),
    )


def not_scaled(patch) -> None:
    call = zoo_tf.blocks.dropout.Dropout.call

    def unscaled(self, x, *, training=None):
        found = call(self, x, training=training)
        return found * (1 - self.rate) if training else found

    patch.setattr(zoo_tf.blocks.dropout.Dropout, "call", unscaled)


def the_same_each_step(patch) -> None:
    drawer = zoo_tf.randomness.Drawer
    patch.setattr(
        drawer,
        "__call__",
        lambda self, shape, rate, use: tf.random.stateless_uniform(shape, (1, self.index)) >= rate,
    )


def nowhere(patch) -> None:
    forward = zoo_torch.blocks.dropout.Dropout.forward
    patch.setattr(
        zoo_torch.blocks.dropout.Dropout,
        "forward",
        lambda self, x: x if self.rate == 0.2 else forward(self, x),
    )


RATES = {
    "half in the fused kernel": ("torch", half_in_the_kernel, "attention.dropout", "attention fused"),
    "half where the model draws by itself": ("tf", half_afresh, "dropout", "own masks"),
    "half of the portable masks": ("torch", half_portable, "dropout", "portable masks"),
    "what stays is not scaled": ("tf", not_scaled, "dropout", ""),
    "the same mask at each step": ("tf", the_same_each_step, "dropout", "native masks"),
    "no dropout at some places": ("torch", nowhere, "dropout", ""),
}


@pytest.mark.parametrize("defect", RATES)
def test_a_wrong_rate_is_seen_and_its_place_named(defect, monkeypatch):
    framework, plant, place, how = RATES[defect]
    plant(monkeypatch)
    failed = [part for part in counted(framework) if not part.passed]
    assert failed
    assert all(part.block.endswith(place) and how in part.worst for part in failed), failed


def test_a_dropout_that_the_spec_does_not_have_is_seen():
    def more(backend):
        if backend.name == "torch":
            backend.model.get_submodule("decoder.layers.1.attention_dropout").rate = 0.1

    failed = [part for part in counted("torch", "gpt2_tiny", DROPS[1], prepare=more) if not part.passed]
    assert {part.block for part in failed} == {"decoder.layers.1.attention_dropout"}


@pytest.mark.parametrize("keeps", [True, False], ids=["drops nothing", "drops the same"])
def test_what_was_zero_already_is_no_mask_that_repeats(keeps):
    """A causal mask's zeros are the same at every step, and a place without a rate drops none."""
    before = np.tril(np.ones((4, 4)))
    after = before * (1.0 if keeps else np.array([2.0, 0.0, 2.0, 2.0]))
    use = Dropped("attention.dropout", before, after)
    found = [part.block for part in _renewed([use], [use], "tf", "step")]
    assert found == ([] if keeps else ["attention.dropout"])


def test_gradients_stand_on_both_sides_of_the_clip_and_are_zero_once():
    bench = bench_of("mnist_fc", "training.optimizer.max_gradient_norm=0.5")
    norms = [
        float(np.sqrt(sum(np.sum(value**2) for value in drawn_gradients(bench, number).values())))
        for number in range(4)
    ]
    assert norms == pytest.approx([2.0, 0.125, 1.0, 0.0])


@pytest.mark.parametrize("least", [0.0, 2.0])
def test_gradients_below_the_clip_that_are_scaled_too_are_seen(least, monkeypatch):
    norm = zoo_torch.optimizers.global_norm
    monkeypatch.setattr(
        zoo_torch.optimizers, "global_norm", lambda gradients: norm(gradients).clamp(min=least)
    )
    (part,) = _optimizers(bench_of("mnist_fc", "training.optimizer={kind: adamw, max_gradient_norm: 1.0}"))
    assert part.passed == (least == 0.0)


def other_momentum(patch):
    def prepare(backend):
        if backend.name == "torch":
            for module in backend.model.modules():
                if isinstance(module, zoo_torch.blocks.norm.BatchNorm):
                    module.decay *= 0.99

    return prepare


def masks_drawn_anew(patch) -> None:
    masks = zoo_torch.blocks.layer._SameMasks
    patch.setattr(masks, "__call__", lambda self, *args, **given: self.call(*args, **given))


def sums_kept(patch) -> None:
    patch.setattr(zoo_tf.training.TensorFlowTraining, "_clear_totals", lambda self: None)


STATES = {
    "statistics of another momentum": ("unet_tiny", (), other_momentum, "encoder_0_norm_0"),
    "recomputed with other masks": ("gpt2_tiny", DROPS, masks_drawn_anew, "decoder"),
    "sums that are not cleared": ("mnist_fc", (), sums_kept, ""),
}


@pytest.mark.parametrize("defect", STATES)
def test_what_a_real_step_leaves_behind_is_compared(defect, monkeypatch):
    name, overrides, plant, place = STATES[defect]
    prepare = plant(monkeypatch)
    parts = trained_states(bench_of(name, *overrides, prepare=prepare))
    failed = [part for part in parts if not part.passed]
    assert failed
    assert all(part.value > 1e3 * part.limit for part in failed), failed
    assert place in failed[0].block


@pytest.mark.parametrize("name", ["gpt2_tiny", "unet_tiny_residual"])
def test_ten_real_steps_leave_both_frameworks_with_the_same(name):
    overrides = DROPS if name == "gpt2_tiny" else ()
    first, tenth = trained_states(bench_of(name, *overrides))
    assert first.passed
    assert tenth.passed
    assert max(first.limit, tenth.limit) < 1e4 * tolerances.STEP
