"""TensorBoard's files, read back by TensorFlow's own reader."""

import math
import signal
import subprocess
import sys
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from small_runs import bert_run
from zoo_common.backend import FileTraffic, find_backend
from zoo_common.training.events import TAGS, EventWriter
from zoo_spec.errors import EnvironmentFault, InputError

STEP = {"loss": 2.5, "masked_lm_loss": 2.0, "time/step_seconds": 0.25, "memory/resident_bytes": 3e9}
ROOT = Path(__file__).parents[2]


def files(directory):
    return sorted(directory.iterdir())


def read(directory):
    """Every event in TensorBoard's order; TensorFlow checks the checksums."""
    import tensorflow as tf

    return [event for file in files(directory) for event in tf.compat.v1.train.summary_iterator(str(file))]


def scalars(directory):
    return {
        (event.step, value.tag): value.simple_value
        for event in read(directory)
        for value in event.summary.value
    }


def test_tensorflow_reads_what_was_written(tmp_path):
    with EventWriter(tmp_path, 0) as writer:
        writer.add(1, STEP)
        writer.add(300, {"loss": 1.5})
    version, starts, first, last = read(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert (starts.session_log.status, starts.step) == (starts.session_log.START, 1)
    assert 0 <= last.wall_time - first.wall_time < 3600
    assert scalars(tmp_path) == {
        **{(1, tag): pytest.approx(value, rel=1e-7) for tag, value in STEP.items()},
        (300, "loss"): 1.5,
    }


def test_values_that_are_no_numbers_are_kept(tmp_path):
    with EventWriter(tmp_path, 0) as writer:
        writer.add(1, {"nan": math.nan, "inf": math.inf, "huge": -1e300, "ñandú": 0.0})
    found = {tag: value for (_, tag), value in scalars(tmp_path).items()}
    assert math.isnan(found.pop("nan"))
    assert found == {"inf": math.inf, "huge": -math.inf, "ñandú": 0.0}


def test_nothing_is_made_before_the_first_scalar(tmp_path):
    with EventWriter(tmp_path / "train", 0):
        pass
    assert not files(tmp_path)


def test_a_run_that_goes_on_supersedes_what_it_logged_beyond_its_checkpoint(tmp_path):
    with EventWriter(tmp_path, 0) as writer:
        for step in range(1, 6):
            writer.add(step, {"loss": float(step)})
    with EventWriter(tmp_path, 3) as writer:
        writer.add(4, {"loss": 40.0})
    # Within one second too, the second file is read after the first one.
    first, second = files(tmp_path)
    assert first.name.split(".")[3] < second.name.split(".")[3]
    kept = {}
    for event in read(tmp_path):
        if event.session_log.status == event.session_log.START:
            kept = {step: value for step, value in kept.items() if step < event.step}
        for value in event.summary.value:
            kept[event.step] = value.simple_value
    assert kept == {1: 1.0, 2: 2.0, 3: 3.0, 4: 40.0}


def in_process(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_a_killed_process_loses_no_event(tmp_path):
    done = in_process(
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from zoo_common.training.events import EventWriter\n"
        "writer = EventWriter(Path(sys.argv[1]), 0)\n"
        "for step in range(1, 51):\n    writer.add(step, {'loss': step / 2})\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
        tmp_path,
    )
    assert done.returncode == -signal.SIGKILL
    assert scalars(tmp_path) == {(step, "loss"): step / 2 for step in range(1, 51)}


def test_a_full_disk_is_one_clear_error_and_the_file_stays_whole(tmp_path):
    done = in_process(
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from zoo_common.training.events import EventWriter\nfrom zoo_spec.errors import EnvironmentFault\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    with EventWriter(Path(sys.argv[1]), 0) as writer:\n"
        "        for step in range(1, 100):\n            writer.add(step, {'loss': 1.0})\n"
        "except EnvironmentFault as error:\n    print(step, error)",
        tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    failed, message = done.stdout.split(maxsplit=1)
    assert "cannot write" in message
    assert "free some room" in message
    assert [step for step, _ in scalars(tmp_path)] == list(range(1, int(failed)))
    assert int(failed) > 10


def test_a_path_that_is_no_directory_is_an_input_error(tmp_path):
    (tmp_path / "events").write_text("a file", encoding="utf-8")
    with pytest.raises((InputError, EnvironmentFault), match="events"):
        EventWriter(tmp_path / "events" / "train", 0).add(1, {"loss": 1.0})


def test_writing_loads_no_framework(tmp_path):
    done = in_process(
        "import sys\nfrom pathlib import Path\nfrom zoo_common.training.events import EventWriter\n"
        "with EventWriter(Path(sys.argv[1]), 0) as writer:\n    writer.add(1, {'loss': 1.0})\n"
        "print(*{'torch', 'tensorflow', 'keras'} & set(sys.modules))",
        tmp_path,
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert len(files(tmp_path)) == 1


def test_the_documentation_lists_every_tag():
    text = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    for tag, (meaning, unit) in TAGS.items():
        assert f"| `{tag}` | {meaning} | {unit} |" in text


def streaming(step):
    """A training step as where weights are streamed, which says what went through files."""

    @wraps(step)
    def with_files(*given, **named):
        return replace(step(*given, **named), files=FileTraffic(700, 500, 2.0**-20))

    return with_files


def test_a_run_writes_the_documented_tags_in_either_framework(tmp_path, monkeypatch):
    found = {}
    for framework in ("torch", "tf"):
        made = get_type_hints(find_backend(framework).for_training)["return"]
        model, *_ = get_args(made) or (made,)  # The one whose weights are in memory.
        monkeypatch.setattr(model, "device_bytes", lambda self: 123)  # As on an accelerator.
        monkeypatch.setattr(model, "train_step", streaming(model.train_step))
        folder = tmp_path / framework
        folder.mkdir()
        run_dir = bert_run(folder, framework=framework)
        found[framework] = scalars(run_dir / "events" / "train")
        assert found[framework][1, "memory/device_bytes"] == 123
        assert found[framework][1, "files/read_bytes"] == 700
        assert found[framework][1, "files/written_bytes"] == 500
        assert found[framework][1, "time/files_seconds"] == 2.0**-20
    assert found["torch"].keys() == found["tf"].keys()
    written = {tag for _, tag in found["tf"]}
    assert written - {"masked_lm_loss", "next_sentence_loss"} == TAGS.keys() - {"<part>_loss"}
    for tag in ("loss", "learning_rate", "gradient_norm"):
        assert found["tf"][1, tag] == pytest.approx(found["torch"][1, tag], rel=1e-4)
