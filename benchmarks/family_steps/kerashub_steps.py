"""KerasHub's way, on TensorFlow."""

from __future__ import annotations

from family_steps.case import Case
from family_steps.steps import Run, Steps


def kerashub_steps(case: Case) -> Steps:
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy("mixed_bfloat16" if case.dtype == "bfloat16" else case.dtype)
    own, spec = case.of.kerashub, case.spec.training.optimizer
    model = own.model(case)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            spec.learning_rate,
            weight_decay=spec.weight_decay,
            beta_1=spec.beta_1,
            beta_2=spec.beta_2,
            epsilon=spec.epsilon,
            global_clipnorm=spec.max_gradient_norm,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[],
        jit_compile=case.compiled,
    )
    given = case.batch()
    features, labels = tf.nest.map_structure(tf.constant, (own.features(given), own.labels(given)))
    compiled = tf.function(lambda inputs: model(inputs, training=False), jit_compile=case.compiled)

    def forward(rows: int) -> Run:
        some = tf.nest.map_structure(tf.constant, own.features(case.batch(rows)))
        return lambda: float(tf.reshape(compiled(some), [-1])[0])

    return Steps(lambda: float(model.train_on_batch(features, labels)), forward)
