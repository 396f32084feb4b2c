"""The metrics of an evaluation against NumPy, or against scikit-learn where it has them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    jaccard_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from zoo_common.metrics import metric_kinds, open_metric
from zoo_common.metrics.span import best_spans
from zoo_spec.errors import EnvironmentFault
from zoo_spec.tasks import metrics


def value(metric, batches):
    counter = open_metric(metric)
    for batch, outputs in batches:
        counter.add(batch, outputs)
    return counter.value


def drawn(shape, labels, *, batches=3, seed=0):
    """Batches of unequal weight, some labels of it none."""
    rng = np.random.default_rng(seed)
    return [
        (
            {"labels": labels(rng, shape), "weights": rng.integers(0, 3, shape) / 2},
            {"logits": rng.standard_normal(shape)},
        )
        for _ in range(batches)
    ]


def joined(batches):
    labels, weights = (
        np.concatenate([batch[name].ravel() for batch, _ in batches]) for name in ("labels", "weights")
    )
    return labels, np.concatenate([outputs["logits"].ravel() for _, outputs in batches]), weights


def test_every_kind_of_metric_is_computed():
    found = [cls for cls in vars(metrics).values() if isinstance(cls, type) and "kind" in vars(cls)]
    assert set(metric_kinds().values()) >= {*found} - {metrics.Metric}
    with pytest.raises(EnvironmentFault, match="nothing counts the metric 'm', of kind 'metric'"):
        open_metric(metrics.Metric("m", "logits", "labels"))


@pytest.mark.parametrize("weights", [None, "weights"])
def test_binary_metrics_are_scikit_learns(weights):
    batches = drawn((4, 5), lambda rng, shape: rng.integers(0, 2, shape))
    labels, logits, given = joined(batches)
    sample = None if weights is None else given
    for kind, score in ((metrics.BinaryAccuracy, accuracy_score), (metrics.BinaryF1, f1_score)):
        wanted = score(labels, logits > 0, sample_weight=sample)
        assert value(kind("m", "logits", "labels", weights), batches) == pytest.approx(wanted, rel=1e-12)


ONE_OF = (metrics.MacroPrecision, metrics.MacroRecall, metrics.MacroF1)
SEVERAL = (metrics.BinaryMacroPrecision, metrics.BinaryMacroRecall, metrics.BinaryMacroF1)


def scores_by_class(kind, batches, weights):
    counter = open_metric(kind("m", "logits", "labels", weights))
    assert counter.value == 0
    assert counter.classes == ()
    for batch, outputs in batches:
        counter.add(batch, outputs)
    columns = [(each.precision, each.recall, each.f1, each.support) for each in counter.classes]
    return np.array(columns).T


@pytest.mark.parametrize("weights", [None, "weights"])
def test_scores_of_classes_and_their_means_are_scikit_learns(weights):
    """Of seven classes one is labelled and never said, one said and never labelled, one neither."""
    rng = np.random.default_rng(3)
    batches = []
    for _ in range(4):
        logits = rng.standard_normal((5, 6, 7))
        logits[..., [2, 4]] -= 99
        labels = rng.choice([0, 1, 2, 5, 6], (5, 6))
        batches.append(({"labels": labels, "weights": rng.integers(0, 3, (5, 6)) / 2}, {"logits": logits}))
    labels = np.concatenate([batch["labels"].ravel() for batch, _ in batches])
    said = np.concatenate([outputs["logits"].argmax(-1).ravel() for _, outputs in batches])
    given = np.concatenate([batch["weights"].ravel() for batch, _ in batches])
    sample = None if weights is None else given
    options = {"sample_weight": sample, "zero_division": 0}
    wanted = precision_recall_fscore_support(labels, said, labels=range(7), **options)
    np.testing.assert_allclose(
        scores_by_class(metrics.MacroF1, batches, weights), np.array(wanted), rtol=1e-12
    )
    assert not np.array(wanted)[:3, [2, 3, 4]].any()
    means = precision_recall_fscore_support(labels, said, average="macro", **options)
    for kind, mean in zip(ONE_OF, means, strict=False):
        assert value(kind("m", "logits", "labels", weights), batches) == pytest.approx(mean, rel=1e-12)


def test_scores_of_several_labels_and_their_means_are_scikit_learns():
    """Of five labels one is never there and never said."""
    rng = np.random.default_rng(4)
    batches = []
    for size in (6, 3, 1):
        labels, logits = rng.integers(0, 2, (size, 5)), rng.standard_normal((size, 5))
        labels[:, 3], logits[:, 3] = 0, -1
        batches.append(({"labels": labels}, {"logits": logits}))
    labels = np.concatenate([batch["labels"] for batch, _ in batches])
    said = np.concatenate([outputs["logits"] for _, outputs in batches]) > 0
    wanted = precision_recall_fscore_support(labels, said, zero_division=0)
    found = scores_by_class(metrics.BinaryMacroF1, batches, None)
    np.testing.assert_allclose(found, np.array(wanted), rtol=1e-12)
    means = precision_recall_fscore_support(labels, said, average="macro", zero_division=0)
    for kind, mean in zip(SEVERAL, means, strict=False):
        assert value(kind("m", "logits", "labels"), batches) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("weights", [None, "weights"])
@pytest.mark.parametrize("classes", [2, 5])
def test_matthews_and_f1_of_class_1_are_scikit_learns(classes, weights):
    rng = np.random.default_rng(classes)
    batches = []
    for size in (7, 30, 1):
        labels = rng.integers(0, classes, size)
        logits = rng.standard_normal((size, classes)) + np.eye(classes)[labels]
        batches.append(({"labels": labels, "weights": rng.integers(0, 3, size) / 2}, {"logits": logits}))
    labels, given = (np.concatenate([batch[name] for batch, _ in batches]) for name in ("labels", "weights"))
    said = np.concatenate([outputs["logits"].argmax(-1) for _, outputs in batches])
    sample = None if weights is None else given
    found = value(metrics.Matthews("m", "logits", "labels", weights), batches)
    assert found == pytest.approx(matthews_corrcoef(labels, said, sample_weight=sample), rel=1e-12)
    wanted = f1_score(labels, said, labels=[1], average="macro", sample_weight=sample)
    assert value(metrics.F1OfOne("m", "logits", "labels", weights), batches) == pytest.approx(
        wanted, rel=1e-12
    )


def test_matthews_of_one_class_alone_is_0_as_scikit_learn_has_it():
    logits = np.eye(3)[[1, 1, 1, 1]]
    batch = {"labels": np.array([0, 1, 2, 1]), "weights": np.full(4, 0.1)}
    assert matthews_corrcoef(batch["labels"], [1] * 4) == 0
    assert value(metrics.Matthews("m", "logits", "labels", "weights"), [(batch, {"logits": logits})]) == 0


@pytest.mark.parametrize("ties", [1e6, 3])
def test_spearman_is_scipys_and_a_weight_is_so_many_examples(ties):
    rng = np.random.default_rng(5)
    batches = []
    for size in (20, 1, 9):
        labels, weights = np.round(rng.standard_normal(size) * ties), rng.integers(0, 3, size)
        logits = np.round(np.exp(labels / ties + rng.standard_normal(size)) * ties)
        batches.append(({"labels": labels, "weights": weights}, {"logits": logits}))
    labels, given = (np.concatenate([batch[name] for batch, _ in batches]) for name in ("labels", "weights"))
    logits = np.concatenate([outputs["logits"] for _, outputs in batches])
    found = value(metrics.Spearman("m", "logits", "labels"), batches)
    assert found == pytest.approx(spearmanr(labels, logits).statistic, rel=1e-12)
    found = value(metrics.Spearman("m", "logits", "labels", "weights"), batches)
    wanted = spearmanr(labels.repeat(given), logits.repeat(given)).statistic
    assert found == pytest.approx(wanted, rel=1e-12)
    alike = [(batch, {"logits": np.ones_like(batch["labels"])}) for batch, _ in batches]
    assert value(metrics.Spearman("m", "logits", "labels"), alike) == 0


@pytest.mark.parametrize("weights", [None, "weights"])
def test_correlation_is_numpys(weights):
    batches = drawn((6,), lambda rng, shape: 1e3 + rng.standard_normal(shape))
    labels, logits, given = joined(batches)
    found = value(metrics.Correlation("m", "logits", "labels", weights), batches)
    cov = np.cov(labels, logits, aweights=None if weights is None else given)
    assert found == pytest.approx(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]), rel=1e-9)


@pytest.mark.parametrize("alike", [0.0, 0.1, 1e6 + 0.1])
def test_correlation_with_what_is_all_alike_is_0_whatever_rounding_leaves(alike):
    labels = np.random.default_rng(0).standard_normal(15)
    for name, other in (("labels", "logits"), ("logits", "labels")):
        parts = np.split(labels, [7, 12])
        given = [{name: part, other: np.full_like(part, alike)} for part in parts]
        assert value(metrics.Correlation("m", "logits", "labels"), [(each, each) for each in given]) == 0


def test_a_mean_is_over_the_weights_however_small_they_are():
    labels, small = np.array([0, 1]), np.array([0.25, 0.25])
    for kind, logits in ((metrics.Accuracy, np.eye(2)), (metrics.BinaryAccuracy, np.array([-1.0, 1.0]))):
        metric = kind("m", "logits", "labels", "weights")
        assert value(metric, [({"labels": labels, "weights": small}, {"logits": logits})]) == 1


def test_metrics_of_nothing_are_0():
    for kind in metric_kinds().values():
        if issubclass(kind, metrics.TextMetric):
            continue  # It counts examples of records, and is tested where its kind is.
        assert open_metric(kind("m", "logits", "labels")).value == 0


def test_the_best_span_is_that_of_all_spans_tried_in_turn():
    rng = np.random.default_rng(3)
    start, end = rng.standard_normal((2, 40, 7))
    lengths = rng.integers(1, 8, 40)
    real = np.arange(7) < lengths[:, None]
    for row, found in enumerate(best_spans(start, end, real)):
        spans = [(0, 0)] + [(i, j) for i in range(1, lengths[row]) for j in range(i, lengths[row])]
        assert tuple(found) == max(spans, key=lambda span: start[row, span[0]] + end[row, span[1]])


def test_span_metrics_count_positions_and_leave_padding_out():
    start, end = np.full((2, 3, 6), -1.0)
    for row, (first, last) in enumerate([(1, 2), (2, 4), (0, 0)]):
        start[row, first] = end[row, last] = 5.0
    start[2, 5] = end[2, 5] = 9.0  # padding
    batch = {
        "start_positions": np.array([1, 3, 0]),
        "end_positions": np.array([2, 5, 0]),
        "example_ids": np.array([[1] * 6, [1] * 6, [1] * 5 + [0]]),
    }
    for kind, wanted in ((metrics.SpanExactMatch, 2 / 3), (metrics.SpanF1, (1 + 2 * 2 / (3 + 3) + 1) / 3)):
        metric = kind("m", "start", "start_positions", end_logits="end", end_labels="end_positions")
        assert value(metric, [(batch, {"start": start, "end": end})]) == pytest.approx(wanted)


def test_an_answer_is_looked_for_behind_the_question_where_token_types_tell_it():
    start = end = np.array([[0.0, 9, 1, 2, 8], [7, 9, 1, 2, 8], [0, 9, 1, 2, 8]])
    batch = {
        "start_positions": np.array([3, 0, 1]),
        "end_positions": np.array([3, 0, 1]),
        "example_ids": np.array([[1, 1, 1, 1, 0]] * 3),
        "token_type_ids": np.array([[0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0] * 5]),
    }
    metric = metrics.SpanExactMatch(
        "m", "start", "start_positions", end_logits="end", end_labels="end_positions"
    )
    assert value(metric, [(batch, {"start": start, "end": end})]) == 1
    del batch["token_type_ids"]
    assert value(metric, [(batch, {"start": start, "end": end})]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("weights", [None, "weights"])
def test_classes_that_never_occur_are_not_in_the_mean_of_overlaps(weights):
    """Of seven, two are neither labelled nor predicted, one is predicted alone, one labelled alone."""
    rng = np.random.default_rng(4)
    batches = []
    for _ in range(3):
        labels, said = rng.integers(0, 4, (2, 4, 5)), rng.choice([0, 1, 2, 4], (2, 4, 5))
        weighted = {"labels": labels, "weights": rng.integers(1, 3, labels.shape) / 2}
        batches.append((weighted, {"logits": np.eye(7)[said]}))
    labels, given = (
        np.concatenate([batch[name].ravel() for batch, _ in batches]) for name in ("labels", "weights")
    )
    said = np.concatenate([outputs["logits"].argmax(-1).ravel() for _, outputs in batches])
    sample = None if weights is None else given
    for kind, score in ((metrics.MeanIou, jaccard_score), (metrics.MeanDice, f1_score)):
        wanted = score(labels, said, labels=range(5), average="macro", sample_weight=sample)
        found = value(kind("m", "logits", "labels", weights), batches)
        assert found == pytest.approx(wanted, rel=1e-12)
        assert 0 < found < 1


def test_dice_of_each_image_and_class_is_severstals_mean_over_batches_and_counts_no_filling():
    drawn = np.random.default_rng(8)
    labels, said = drawn.integers(0, 3, (2, 5, 4, 6))
    labels[1][labels[1] == 2], said[1][said[1] == 2] = 0, 0
    labels[2], said[3] = 0, 0
    weights = drawn.integers(0, 2, labels.shape).astype(np.float64)
    weights[4] = 0  # It fills the batch up.
    scores = []
    for image in range(4):
        counts = weights[image] > 0
        for kind in (1, 2):
            ours, theirs = said[image][counts] == kind, labels[image][counts] == kind
            scores.append(f1_score(theirs, ours, zero_division=1.0) if (ours | theirs).any() else 1.0)
    assert scores.count(1.0) >= 1
    counter = open_metric(metrics.ImageDice("image_dice", "logits", "labels", "label_weights"))
    for rows in (slice(0, 2), slice(2, 5)):
        batch = {"labels": labels[rows], "label_weights": weights[rows]}
        counter.add(batch, {"logits": np.eye(3)[said[rows]]})
    assert counter.value == pytest.approx(np.mean(scores))
    binary = open_metric(metrics.ImageDice("image_dice", "logits", "labels"))
    binary.add(
        {"labels": np.array([[[1, 1, 0]], [[0, 0, 0]]])}, {"logits": np.array([[[2, -1, 3]], [[-1, -2, -3]]])}
    )
    assert binary.value == pytest.approx((2 * 1 / (2 + 2) + 1) / 2)
