"""Handwritten digits by zoo_tf.Estimator: what ``before.py`` becomes on Keras 3."""

import sys

import keras
import sklearn.datasets
import tensorflow as tf

import zoo_tf


def read(split):
    digits = sklearn.datasets.load_digits()
    images = digits.images.astype("float32") / 16.0
    labels = digits.target.astype("int32")
    rows = slice(0, 1500) if split == "train" else slice(1500, None)
    return {"image": images[rows]}, labels[rows]


def train_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(read("train"))
    return data.shuffle(1500, seed=1).repeat().batch(params["batch_size"])


def eval_input_fn(params):
    return tf.data.Dataset.from_tensor_slices(read("test")).batch(params["batch_size"])


def predict_input_fn():
    return tf.data.Dataset.from_tensor_slices(read("test")[0]).batch(100).take(1)


def model_fn(features, labels, mode, params):
    training = mode == zoo_tf.ModeKeys.TRAIN
    net = keras.layers.Flatten()(features["image"])
    for units in params["hidden_units"]:
        net = keras.layers.Dense(units, activation=tf.nn.relu)(net)
        net = keras.layers.Dropout(params["dropout"])(net, training=training)
    logits = keras.layers.Dense(10, name="head")(net)

    predictions = {"class": tf.argmax(logits, axis=-1), "probabilities": tf.nn.softmax(logits)}
    if mode == zoo_tf.ModeKeys.PREDICT:
        return zoo_tf.EstimatorSpec(mode, predictions=predictions)

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    if mode == zoo_tf.ModeKeys.EVAL:
        accuracy = keras.metrics.Accuracy()
        accuracy.update_state(labels, predictions["class"])
        return zoo_tf.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})

    rate = keras.optimizers.schedules.ExponentialDecay(
        params["learning_rate"], decay_steps=100, decay_rate=0.9
    )
    optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
    return zoo_tf.EstimatorSpec(mode, loss=loss, optimizer=optimizer)


def main(model_dir, steps=400, warm_start_from=None):
    config = zoo_tf.RunConfig(seed=1, save_checkpoints_steps=200, log_step_count_steps=50)
    params = {"hidden_units": [64, 32], "dropout": 0.1, "learning_rate": 3e-3, "batch_size": 50}
    if warm_start_from:
        warm_start_from = zoo_tf.WarmStartSettings(warm_start_from, vars_to_warm_start="dense")
    estimator = zoo_tf.Estimator(model_fn, model_dir, config, params, warm_start_from)
    train_spec = zoo_tf.TrainSpec(lambda: train_input_fn(params), max_steps=steps)
    eval_spec = zoo_tf.EvalSpec(lambda: eval_input_fn(params), steps=None)
    metrics = zoo_tf.train_and_evaluate(estimator, train_spec, eval_spec)
    print("accuracy", metrics["accuracy"])
    for row in estimator.predict(predict_input_fn):
        print(row["class"], row["probabilities"].max())
        break

    def serving_input_receiver_fn():
        return {"image": tf.TensorSpec([None, 8, 8], tf.float32, name="image")}

    estimator.export_saved_model(f"{model_dir}/export", serving_input_receiver_fn)
    return metrics


if __name__ == "__main__":
    main(*sys.argv[1:2])
