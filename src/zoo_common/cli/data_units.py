"""``zoo data units``: the hidden units that HuBERT learns to tell, clustered from sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import DeviceOption, MaybeFrameworkOption, SetOption, example, refuse

if TYPE_CHECKING:
    from zoo_common.hidden_units import Features, Made


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo data units --audio LibriSpeech/train-clean-100 --output units/first",
        "zoo data units --audio train.tsv --sample 0.1 --output units/first",
        "zoo data units --spec my_speech.yaml --features layer --layer 6 --run-dir runs/hubert --clusters 500 \\",
        "  --framework torch --output units/second",
    )
    app.command("units", epilog=example(*examples))(units)


def units(
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="A new folder for the lists and their units.")
    ],
    audio: Annotated[
        list[str] | None,
        typer.Option(
            "--audio", metavar="SOURCE", help="A folder, FLAC or WAV file, or list (.tsv); may be repeated."
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec", metavar="NAME|FILE", help="A spec whose data is clustered, in place of --audio."
        ),
    ] = None,
    overrides: SetOption = None,
    clusters: Annotated[int, typer.Option("--clusters", min=1, help="Number of units.")] = 100,
    features: Annotated[
        str, typer.Option("--features", metavar="mfcc|layer", help="What frames are clustered by.")
    ] = "mfcc",
    run_dir: Annotated[
        Path | None, typer.Option("--run-dir", metavar="DIR", help="The run whose layer it is.")
    ] = None,
    layer: Annotated[int | None, typer.Option("--layer", min=1, help="Which layer, from 1.")] = None,
    framework: MaybeFrameworkOption = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="Samples a second of --audio: 16000, or the run's.")
    ] = None,
    least_samples: Annotated[
        int, typer.Option("--least-samples", min=0, help="Leave out shorter sounds of --audio.")
    ] = 0,
    sample: Annotated[
        float, typer.Option("--sample", help="Share of the sounds that clusters are learned of.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Draws them.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Cluster the frames of sounds by k-means, with fairseq's settings, into units that HuBERT is trained on.

    Frames are told apart by 39 MFCC, 100 of them a second, or by what a layer of a HuBERT run says of them, in either
    framework. --output gets fairseq's files: train.tsv, train.km and train.len, dict.km.txt, and valid.* where a
    spec's data has a part for evaluation; beside them centroids.npy and units.json. What is printed is the data of a
    spec that learns them. Memory does not grow with the sounds; stopped half way, the same command goes on.
    """
    from zoo_common.hidden_units import Plan, make_units
    from zoo_common.hidden_units.lists import lists_at, lists_of
    from zoo_common.log import logging_to
    from zoo_spec import load_spec

    if not 0 < sample <= 1:
        raise typer.BadParameter(f"{sample:g} is not above 0 and at most 1", param_hint="--sample")
    if (audio is None) == (spec is None):
        raise typer.BadParameter("give sounds by --audio, or a spec whose data they are by --spec")
    if spec is None:
        refuse({"--set": overrides}, "--spec", "it changes a spec")
    else:
        own = {"--rate": rate, "--least-samples": least_samples}
        refuse(own, "--audio", "a spec's data says so itself")
    with logging_to(None, console=True):
        data = None if spec is None else load_spec(spec, overrides or []).data
        told = getattr(data, "rate", rate)
        found = _features(features, run_dir, layer, framework, device, told)
        lists = (
            lists_of(data, found) if data is not None else lists_at(audio or [], found, least_samples or 0)
        )
        made = make_units(lists, found, Plan(clusters, sample, seed), output)
    _say(made, found, clusters, output)


def _features(
    kind: str, run_dir: Path | None, layer: int | None, framework: str | None, device: str, rate: int | None
) -> Features:
    """What is asked for; refuses what does not go together."""
    given = {"--run-dir": run_dir, "--layer": layer, "--framework": framework}
    if kind == "mfcc":
        from zoo_common.hidden_units.mfcc import Mfcc

        refuse(given, "--features layer", "MFCC are of no model")
        return Mfcc(rate or 16_000)
    if kind != "layer":
        raise typer.BadParameter(f"{kind!r} is neither mfcc nor layer", param_hint="--features")
    if run_dir is None or layer is None or framework is None:
        missing = ", ".join(name for name, value in given.items() if value is None)
        raise typer.BadParameter(f"a layer needs {missing} too", param_hint="--features")
    from zoo_common.backend import find_backend
    from zoo_common.hidden_units.layer import LayerFeatures
    from zoo_spec.errors import InputError

    found = LayerFeatures.of_run(find_backend(framework)(), run_dir, layer, device=device)
    if rate not in (None, found.rate):
        raise InputError(
            f"{run_dir}: hears {found.rate:,} samples a second, and the sounds have {rate:,}; convert them "
            f"(ffmpeg -i FILE -ar {found.rate} NEW.flac)"
        )
    return found


def _say(made: Made, features: Features, clusters: int, output: Path) -> None:
    """What there is now, and how a spec names it."""
    import sys

    for name, count in made.units.items():
        print(f"{output / name}.km: {count:,} units of {made.sounds[name]:,} sounds", file=sys.stderr)
    print(
        f"{clusters:,} clusters of {made.frames:,} frames, mean squared distance {made.mean_squared_distance:.4g}",
        file=sys.stderr,
    )
    evaluation = f"  evaluation_manifest: {output / 'valid.tsv'}\n" if "valid" in made.units else ""
    print(
        f"task: {{kind: masked_unit_prediction, units: {clusters}}}\n"
        "data:\n"
        "  kind: audio_manifest\n"
        f"  manifest: {output / 'train.tsv'}\n{evaluation}"
        "  units: km\n"
        f"  unit_rate: {features.frames_per_second}\n"
        f"  rate: {features.rate}"
    )
