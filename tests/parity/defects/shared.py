"""What both frameworks compute alike from: parity alone cannot see these, other tests must."""

from __future__ import annotations

from defects.base import Defect, common

SHARED: tuple[Defect, ...] = (
    *common(
        "warm-up begins with a whole step",
        "schedules",
        "zoo_spec/training/schedules.py",
        "bert_tiny",
        ("base * (step / self.warmup_steps)", "base * ((step + 1) / self.warmup_steps)"),
    ),
    *common(
        "a linear decay is too slow",
        "schedules",
        "zoo_spec/training/schedules.py",
        "bert_tiny",
        ("return 1.0 - progress", "return 1.0 - 0.99 * progress"),
    ),
    *common(
        "a cosine has half its length",
        "schedules",
        "zoo_spec/training/schedules.py",
        "unet_tiny",
        ("math.cos(math.pi * progress)", "math.cos(math.pi * min(1.0, 2 * progress))"),
    ),
    *common(
        "an inverse root counts from 1",
        "schedules",
        "zoo_spec/training/schedules.py",
        "transformer_tiny",
        ("max(self.warmup_steps, 1) / max(step, 1)", "max(self.warmup_steps, 1) / (step + 1)"),
    ),
    *common(
        "fans are swapped",
        "initializers",
        "zoo_spec/initializers.py",
        "unet_tiny",
        ("return shape[1] * kernel, shape[0] * kernel", "return shape[0] * kernel, shape[1] * kernel"),
    ),
    *common(
        "He's normal is Glorot's size",
        "initializers",
        "zoo_spec/initializers.py",
        "unet_tiny",
        (
            "return _scaled_normal(seed, name, shape, math.sqrt(2 / fans(name, shape)[0]), self.cut)",
            "return _scaled_normal(seed, name, shape, math.sqrt(1 / fans(name, shape)[0]), self.cut)",
        ),
    ),
    *common(
        "a bucket too few is exact",
        "relative positions",
        "zoo_spec/blocks/relative_position.py",
        "t5_tiny",
        ("exact = each // 2", "exact = each // 2 - 1"),
    ),
    *common(
        "sines of another base",
        "positions",
        "zoo_spec/blocks/sinusoidal.py",
        "transformer_tiny",
        ("10000.0**exponents", "1000.0**exponents"),
    ),
    *common(
        "rotary speeds of another base",
        "positions",
        "zoo_spec/blocks/position.py",
        "gptj_tiny",
        (
            "base ** (-np.arange(0, dims, 2, dtype=np.float64) / dims)",
            "base ** (-np.arange(0, dims, 2, dtype=np.float64) / (dims + 2))",
        ),
    ),
    *common(
        "another cubic interpolates",
        "images",
        "zoo_spec/blocks/patch_embeddings.py",
        "vit_tiny_finer",
        ("a: float = -0.75", "a: float = -0.5"),
    ),
    *common(
        "half as many are dropped",
        "rates",
        "zoo_spec/random.py",
        "bert_tiny",
        ("math.floor(rate * 2**32)", "math.floor(rate * 2**31)"),
    ),
    *common(
        "norms decay",
        "optimizers",
        "zoo_spec/training/optimizers.py",
        "bert_tiny",
        ('= ("bias", "norm")', '= ("bias",)'),
    ),
    *common(
        "micro-batches are divided by a label too many",
        "losses",
        "zoo_common/training/denominators.py",
        "mnist_fc",
        (
            "node.block.count(np.shape(batch[part.labels]))",
            "node.block.count(np.shape(batch[part.labels])) + 1",
        ),
    ),
    *common(
        "evaluation averages over batches",
        "losses",
        "zoo_common/training/evaluation.py",
        "bert_tiny",
        (
            'total += [float(outputs[f"{name}_{what}"]) for what in ("numerator", "denominator")]',
            'total += [float(outputs[f"{name}_numerator"]), 1.0]',
        ),
    ),
    *common(
        "spans may be one token too long",
        "data",
        "zoo_common/data/makers/masking.py",
        "bert_tiny",
        ("if lengths[span] <= left:", "if lengths[span] <= left + 1:"),
    ),
    *common(
        "GPT-2's last norm has another epsilon",
        "norms",
        "zoo_spec/models/decoder.py",
        "gpt2_tiny",
        (
            "num_layers=self.num_layers, norm=self.norm)",
            'num_layers=self.num_layers, norm=self.norm.model_copy(update={"epsilon": 1e-3}))',
        ),
    ),
)
