"""What is scored without a look at the input, against the same sums written out."""

import numpy as np
import pytest

from zoo_common.data import evaluation_batches, open_dataset
from zoo_common.training.blind import blind_scores
from zoo_spec import load_spec

TABLE = "data={kind: text_table, files: t.tsv, text: s, label: l, sequence_length: 8, vocabulary: v.txt}"


def scored(name, *changes):
    spec = load_spec(name, list(changes))
    graph = spec.graph()
    parts = [open_dataset(spec, None, split, graph) for split in ("train", "eval")]
    return blind_scores(spec, graph, *parts, 64), *parts


def test_a_class_is_the_commonest_and_the_loss_an_entropy():
    scores, training, evaluation = scored("mnist_fc")
    learned, asked = (
        np.array([int(part.example(0, index)["labels"]) for index in range(len(part))])
        for part in (training, evaluation)
    )
    share = (np.bincount(learned, minlength=10) + 1) / (len(learned) + 10)
    assert scores["accuracy"] == pytest.approx((asked == share.argmax()).mean(), abs=1e-12)
    assert scores["loss"] == pytest.approx(-np.log(share[asked]).mean(), abs=1e-12)


def test_words_are_masked_ones_weighted_and_parts_are_added():
    scores, _, evaluation = scored("bert_tiny")
    batches = list(evaluation_batches(evaluation, 64))
    weights = np.concatenate([batch["masked_weights"] for batch in batches])
    following = np.concatenate([batch["next_sentence_labels"] for batch in batches])
    assert 3 < scores["loss"] < 9
    assert scores["masked_lm_accuracy"] < 0.2
    assert weights.sum() > 100
    assert scores["next_sentence_accuracy"] in (
        pytest.approx(following.mean()),
        pytest.approx(1 - following.mean()),
    )


def test_several_labels_have_a_share_each_and_a_number_is_the_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    (tmp_path / "v.txt").write_text("\n".join(words) + "\n")
    chosen = draw.random((60, 3)) < (0.9, 0.4, 0.1)
    rows = [
        f"a b\t{','.join(name for name, there in zip('xyz', row, strict=True) if there)}" for row in chosen
    ]
    (tmp_path / "t.tsv").write_text("s\tl\n" + "\n".join(rows) + "\n")
    scores, training, evaluation = scored("bert_tiny_multi_label", TABLE, "task.classes=3")
    learned, asked = (
        np.array([part.example(0, index)["labels"] for index in range(len(part))])
        for part in (training, evaluation)
    )
    share = learned.mean(0)
    wanted = -(asked * np.log(share) + (1 - asked) * np.log(1 - share)).mean()
    assert scores["loss"] == pytest.approx(wanted, abs=1e-9)

    (tmp_path / "t.tsv").write_text(
        "s\tl\n" + "\n".join(f"a b\t{value:.3f}" for value in draw.normal(3, 1, 50)) + "\n"
    )
    scores, training, evaluation = scored("bert_tiny_regression", TABLE)
    learned, asked = (
        np.array([float(part.example(0, index)["labels"]) for index in range(len(part))])
        for part in (training, evaluation)
    )
    assert scores["loss"] == pytest.approx(((asked - learned.mean()) ** 2).mean(), rel=1e-6)


def test_texts_that_a_model_would_write_are_left_out():
    scores, *_ = scored("transformer_tiny")
    assert 0.05 < scores["accuracy"] < 0.3
    assert not {"bleu", "chrf", "rouge1"} & scores.keys()
