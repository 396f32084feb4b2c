"""What it takes to compute with a trained model: memory beyond its weights, and time to the first answer.

``python benchmarks/loading.py`` takes some minutes and 4 GB of disk, and makes its runs itself. gpt2_medium is
evaluated on one short row, so that nothing but the weights is large. BERT-base's first answer is held against what
the same framework's users run instead, whole processes in turn: ``transformers``' own loading of the same weights,
and ``keras.models.load_model`` of the same model. ``python benchmarks/loading.py xl`` evaluates gpt2_xl instead.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from made_runs import made_run
from measure import ROOT, Row, finish, in_process, peak_bytes

MEMORY, TIME = 1.15, 1.2
ROUNDS = 5
TEXT = "The [MASK] sat on the mat."
ROW = 16
ZOO = str(Path(sys.executable).with_name("zoo"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = made_run(Path(folder), "gpt2_medium", optimizer=False)
        rows = [row for framework in ("torch", "tf") for row in memory(framework, run)]
    with tempfile.TemporaryDirectory() as folder:
        run = made_run(Path(folder), "bert_base")
        subprocess.run([sys.executable, __file__, "peers", str(run)], check=True)
        rows += [row for framework in ("torch", "tf") for row in first_answer(framework, run)]
    finish(rows)


def xl() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = made_run(Path(folder), "gpt2_xl", optimizer=False)
        finish([row for framework in ("torch", "tf") for row in memory(framework, run, limit=None)])


def memory(framework: str, run: Path, limit: float | None = MEMORY) -> list[Row]:
    found = in_process(Path(__file__).name, "evaluate", framework, str(run))
    what = f"peak of evaluating {run.name} beyond library and activations, {framework}"
    return [
        Row(f"{what} / weights ({found['weights'] / 1e9:.2f} GB)", found["peak"] / found["weights"], limit),
        Row(f"loading and evaluating a row of it, {framework}", found["seconds"], None, "s"),
    ]


def evaluate(framework: str, run: Path) -> None:
    """Print what evaluating one row took, as JSON; the framework is at work before it is looked at."""
    import numpy as np

    from zoo_common.backend import find_backend
    from zoo_common.memory import inference_bytes
    from zoo_common.training.spec_run import reopen
    from zoo_common.weights import InitialValues
    from zoo_spec import load_spec

    backend = find_backend(framework)()
    small = load_spec("gpt2_small", ["model.num_layers=1", "model.hidden_size=12", "model.vocab_size=50"])
    one = {"input_ids": np.ones((1, ROW), np.int32), "labels": np.ones((1, ROW), np.int32)}
    graph = small.graph()
    weights = InitialValues(graph.parameters(), 0)
    backend.for_inference(graph, weights, dtype="float32", device="cpu").evaluate_step(one)
    library, start = peak_bytes(), time.perf_counter()
    opened = reopen(backend, run, device="cpu", quiet=True)
    opened.evaluate([one])
    seconds = time.perf_counter() - start
    parts = inference_bytes(opened.learner.spec, opened.learner.graph, framework, batch=1, sequence=ROW)
    beyond = peak_bytes() - library - parts["activations"]
    print(json.dumps({"peak": beyond, "weights": parts["weights"], "seconds": seconds}))


def first_answer(framework: str, run: Path) -> list[Row]:
    ours = [ZOO, "predict", "--framework", framework, "--run-dir", str(run), "--device", "cpu", TEXT]
    peer, name = {
        "torch": ("transformers", "transformers' loading and answer"),
        "tf": ("keras", "keras.models.load_model and an answer"),
    }[framework]
    theirs = [sys.executable, str(ROOT / Path(__file__).name), peer, str(run.parent / peer)]
    seconds(ours), seconds(theirs)
    times = []
    for turn in range(ROUNDS):
        pair = [(0, ours), (1, theirs)][:: 1 if turn % 2 else -1]
        times.append([took for _, took in sorted((place, seconds(command)) for place, command in pair)])
    took = statistics.median(mine for mine, _ in times)
    ratio = statistics.median(mine / other for mine, other in times)
    return [Row(f"zoo predict's first answer of BERT-base, {framework} ({took:.1f} s) / {name}", ratio, TIME)]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def peers(run: Path) -> None:
    """Write the run's weights as ``transformers`` and as Keras keep them."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    import zoo_tf
    from zoo_common.checkpoint import CheckpointStore
    from zoo_spec import load_spec

    spec = load_spec(run / "spec.yaml")
    model = BertForMaskedLM(BertConfig())
    model.save_pretrained(run.parent / "transformers")
    BertTokenizerFast(str(run.parent / "vocab.txt")).save_pretrained(run.parent / "transformers")
    native = zoo_tf.compile(spec)
    zoo_tf.set_weights(native, CheckpointStore(run / "checkpoints").latest_weights().weights())
    (run.parent / "keras").mkdir()
    native.save(run.parent / "keras" / "model.keras")


def transformers(folder: Path) -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    given = tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        logits = model(**given).logits
    at = int((given["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0])
    best = logits[0, at].softmax(-1).topk(5)
    print(tokenizer.convert_ids_to_tokens(best.indices.tolist()), best.values.tolist())


def keras(folder: Path) -> None:
    import keras
    import numpy as np

    import zoo_tf  # noqa: F401 (the classes of its layers)

    model = keras.models.load_model(folder / "model.keras")
    ids = np.array([[2, 99, 4, 101, 102, 99, 103, 3]], np.int32)
    outputs = model(
        {"input_ids": ids, "token_type_ids": 0 * ids, "masked_positions": np.array([[2]], np.int32)}
    )
    print(np.argsort(outputs["masked_logits"].numpy()[0, 0])[-5:])


if __name__ == "__main__":
    if not sys.argv[1:]:
        main()
    elif sys.argv[1] == "xl":
        xl()
    elif sys.argv[1] == "evaluate":
        evaluate(sys.argv[2], Path(sys.argv[3]))
    else:
        {"peers": peers, "transformers": transformers, "keras": keras}[sys.argv[1]](Path(sys.argv[2]))
