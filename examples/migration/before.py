"""Handwritten digits by tf.estimator, as it was written for TensorFlow 1.15 and ran up to 2.15."""

import sys

import sklearn.datasets
import tensorflow as tf

tf1 = tf.compat.v1


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
    training = mode == tf.estimator.ModeKeys.TRAIN
    net = tf1.layers.flatten(features["image"])
    for units in params["hidden_units"]:
        net = tf1.layers.dense(net, units, activation=tf.nn.relu)
        net = tf1.layers.dropout(net, rate=params["dropout"], training=training)
    logits = tf1.layers.dense(net, 10, name="head")

    predictions = {"class": tf.argmax(logits, axis=-1), "probabilities": tf.nn.softmax(logits)}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)

    loss = tf1.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    if mode == tf.estimator.ModeKeys.EVAL:
        accuracy = tf1.metrics.accuracy(labels=labels, predictions=predictions["class"])
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})

    step = tf1.train.get_or_create_global_step()
    rate = tf1.train.exponential_decay(params["learning_rate"], step, decay_steps=100, decay_rate=0.9)
    optimizer = tf1.train.AdamOptimizer(rate)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, step))


def main(model_dir, steps=400, warm_start_from=None):
    config = tf.estimator.RunConfig(tf_random_seed=1, save_checkpoints_steps=200, log_step_count_steps=50)
    params = {"hidden_units": [64, 32], "dropout": 0.1, "learning_rate": 3e-3, "batch_size": 50}
    if warm_start_from:
        warm_start_from = tf.estimator.WarmStartSettings(warm_start_from, vars_to_warm_start="dense")
    estimator = tf.estimator.Estimator(model_fn, model_dir, config, params, warm_start_from)
    train_spec = tf.estimator.TrainSpec(lambda: train_input_fn(params), max_steps=steps)
    eval_spec = tf.estimator.EvalSpec(lambda: eval_input_fn(params), steps=None, throttle_secs=0)
    metrics, _ = tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)
    print("accuracy", metrics["accuracy"])
    for row in estimator.predict(predict_input_fn):
        print(row["class"], row["probabilities"].max())
        break

    def serving_input_receiver_fn():
        image = tf1.placeholder(tf.float32, [None, 8, 8], name="image")
        return tf.estimator.export.ServingInputReceiver({"image": image}, {"image": image})

    estimator.export_saved_model(f"{model_dir}/export", serving_input_receiver_fn)
    return metrics


if __name__ == "__main__":
    main(*sys.argv[1:2])
