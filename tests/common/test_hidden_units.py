"""Hidden units: MFCC as torchaudio has them, clusters, fairseq's files, and going on where it stopped."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from sound_folders import SAID, librispeech, manifest, written
from zoo_common.hidden_units import Plan, make_units, mfcc
from zoo_common.hidden_units.clusters import learned, mean_distance, nearest
from zoo_common.hidden_units.lists import lists_at, lists_of
from zoo_common.hidden_units.mfcc import Mfcc, deltas
from zoo_spec.data import LibriSpeech
from zoo_spec.data.records import Samples
from zoo_spec.errors import EnvironmentFault, InputError

# Three of 23 frames by torchaudio 2.11.0, as fairseq's MfccFeatureReader calls it: compliance.kaldi.mfcc(x,
# sample_frequency=16000, use_energy=False), functional.compute_deltas of that, and of those.
THEIRS = {
    0: [
        -45.3794, 72.0775, 6.3412, -28.2553, 37.1682, 73.659, -8.8339, -109.7855, -109.755, -28.7257,
        31.9935, 18.7485, -27.5559, 0.2282, 0.4083, -1.827, -7.2306, -11.9764, -12.3387, -9.4211, -4.3243,
        2.3526, 6.4787, 5.8655, 4.0208, 2.9322, 0.0045, -0.1478, -0.7932, -1.6772, -2.1852, -1.6623,
        0.0746, 2.1751, 3.422, 3.363, 2.2573, 0.7212, -0.3242,
    ],
    9: [
        -46.6631, 57.7656, -46.8542, -122.0481, -55.9923, 41.8835, 54.2421, 14.9446, -2.4848, 9.4567,
        13.6986, -10.6313, -33.0278, -0.8926, -3.4855, -4.6704, -1.1271, 5.9892, 11.9887, 13.1653, 5.6526,
        -8.5232, -17.6515, -13.5298, -0.9161, 9.5067, -0.0324, -0.1719, 0.6317, 3.2331, 3.5561, -0.6347,
        -4.5247, -5.0962, -3.2377, 1.0799, 5.5367, 5.8094, 2.4198,
    ],
    22: [
        -49.493, 21.9978, -106.2831, -65.3358, 89.2715, 79.0227, -32.3672, -52.7566, 9.4257, 33.8405,
        2.5411, 2.462, 23.8737, 0.043, -1.6078, -3.4822, 1.6961, 4.0357, -2.2858, -3.8718, 3.0357, 5.229,
        -2.5752, -5.8044, 2.5385, 6.2533, -0.1452, -0.0055, 0.5502, -0.6612, -1.6202, -0.0331, 1.1955,
        -0.2228, -1.5975, -0.2404, 1.2784, -0.0842, -1.5516,
    ],
}  # fmt: skip


def rising(samples: int = 4000) -> Samples:
    """A rising tone beside a steady one."""
    t = np.arange(samples) / 16_000
    tones = 0.3 * np.sin(2 * np.pi * (200 + 3000 * t) * t) + 0.1 * np.sin(2 * np.pi * 1234 * t)
    return Samples(tones.astype(np.float32), 16_000)


def test_mfcc_are_those_that_fairseq_clusters():
    found = Mfcc(16_000).of(rising())
    assert found.shape == (23, 39)
    for frame, theirs in THEIRS.items():
        assert_allclose(
            found[frame], theirs, atol=1e-2
        )  # Both are float32, and a tone leaves bands nearly empty.


def test_mfcc_of_a_long_sound_are_made_in_pieces_and_are_the_same(monkeypatch):
    whole = Mfcc(16_000).of(rising())
    monkeypatch.setattr(mfcc, "_BLOCK", 333)
    assert_array_equal(Mfcc(16_000).of(rising()), whole)
    assert deltas(whole[:0]).shape == (0, 39)


@pytest.mark.parametrize(("samples", "frames"), [(399, 0), (400, 1), (559, 1), (560, 2)])
def test_a_frame_is_of_25_ms_every_10(samples, frames):
    assert Mfcc(16_000).of(rising(samples)).shape == (frames, 39)
    assert Mfcc(16_000).least_samples == 400


def test_clusters_far_from_each_other_are_found_and_the_seed_decides():
    draw = np.random.default_rng(0)
    centres = 20.0 * np.eye(5, 7)
    which = draw.integers(5, size=3000)
    frames = (centres[which] + 0.1 * draw.standard_normal((3000, 7))).astype(np.float32)
    found = learned(frames, 5, seed=3)
    assert_array_equal(learned(frames, 5, seed=3), found)
    assert sorted(cdist(centres, found).argmin(1)) == list(range(5))
    assert cdist(centres, found).min(1).max() < 0.02
    assert_array_equal(nearest(frames, found), cdist(frames, found).argmin(1))
    assert_allclose(mean_distance(frames, found), (cdist(frames, found).min(1) ** 2).mean(), rtol=1e-9)


@pytest.fixture
def sounds(tmp_path):
    for number, samples in enumerate((4000, 2500, 6100, 3300)):
        written(tmp_path / f"sounds/{number % 2}/{number}.flac", samples)
    return tmp_path


SIX = Plan(clusters=6)


def made(folder, output, plan=SIX, features=None):
    features = features or Mfcc(16_000)
    return make_units(lists_at([str(folder / "sounds")], features, 0), features, plan, folder / output)


def test_files_are_fairseqs(sounds):
    found = made(sounds, "units")
    lines = (sounds / "units/train.tsv").read_text().splitlines()
    assert lines == [
        str(sounds / "sounds"),
        "0/0.flac\t4000",
        "0/2.flac\t6100",
        "1/1.flac\t2500",
        "1/3.flac\t3300",
    ]
    units = [line.split() for line in (sounds / "units/train.km").read_text().splitlines()]
    counts = [1 + (samples - 400) // 160 for samples in (4000, 6100, 2500, 3300)]
    assert [len(each) for each in units] == counts
    assert (sounds / "units/train.len").read_text() == "".join(f"{count}\n" for count in counts)
    assert (sounds / "units/dict.km.txt").read_text() == "".join(f"{unit} 1\n" for unit in range(6))
    centroids = np.load(sounds / "units/centroids.npy")
    features = Mfcc(16_000).of(lists_at([str(sounds / "sounds")], Mfcc(16_000), 0)["train"][1])
    assert [int(unit) for unit in units[1]] == cdist(features, centroids).argmin(1).tolist()
    assert found.units == {"train": sum(counts)}
    assert json.loads((sounds / "units/units.json").read_text())["unit_rate"] == 100
    names = {path.name for path in (sounds / "units").iterdir()}
    assert names == {"train.tsv", "train.km", "train.len", "dict.km.txt", "centroids.npy", "units.json"}


class Stopped(Mfcc):
    """Is killed before so many sounds are done, and counts."""

    def __init__(self, most):
        super().__init__(16_000)
        self.most, self.asked = most, 0

    def of(self, sound):
        if self.asked == self.most:
            raise KeyboardInterrupt
        self.asked += 1
        return super().of(sound)


@pytest.mark.parametrize("sample", [1.0, 0.4])
def test_what_was_stopped_goes_on_and_gives_the_same(sounds, sample):
    plan = Plan(clusters=6, sample=sample)
    made(sounds, "whole", plan)
    attempts = [Stopped(1) for _ in range(5)]
    for each in attempts:
        try:
            made(sounds, "parts", plan, each)
            break
        except KeyboardInterrupt:
            for name in ("features.f32", "train.km"):  # As a kill in the middle of a write leaves them.
                path = sounds / "parts.partial" / name
                path.write_bytes(path.read_bytes() + b"1 2" if path.exists() else b"")
    assert [each.asked for each in attempts] == [1, 1, 1, 1, 0]
    for path in (sounds / "whole").iterdir():
        assert path.read_bytes() == (sounds / "parts" / path.name).read_bytes()
    assert not (sounds / "parts.partial").exists()


def test_what_was_begun_otherwise_is_not_gone_on_with(sounds):
    with pytest.raises(KeyboardInterrupt):
        made(sounds, "units", features=Stopped(1))
    with pytest.raises(InputError, match=r"begun otherwise: sample was 1\.0, and is 0\.5"):
        made(sounds, "units", Plan(clusters=6, sample=0.5))


def test_other_clusters_are_made_of_the_features_that_are_there(sounds):
    made(sounds, "whole")
    most = Stopped(4)
    with pytest.raises(InputError, match="there are 92 frames, and 94 clusters"):
        made(sounds, "units", Plan(clusters=94), most)
    with pytest.raises(KeyboardInterrupt):
        made(sounds, "five", Plan(clusters=5), Stopped(2))
    made(sounds, "five", SIX, Stopped(2))
    made(sounds, "units", SIX, most)
    for name in ("units", "five"):
        assert (sounds / name / "train.km").read_text() == (sounds / "whole/train.km").read_text()


def test_parts_of_a_specs_data_are_labelled_by_the_clusters_of_the_first(tmp_path):
    folder = librispeech(tmp_path, SAID)
    for path in folder.iterdir():
        path.replace(path.with_name(path.name))
    train = tmp_path / "LibriSpeech/train-clean-5/84/121123"
    train.mkdir(parents=True)
    for path in folder.iterdir():
        (train / path.name).write_bytes(path.read_bytes())
    data = LibriSpeech(
        directory=str(tmp_path / "LibriSpeech"), subsets=("train-clean-5",), evaluation_subsets=("dev-clean",)
    )
    found = make_units(lists_of(data, Mfcc(16_000)), Mfcc(16_000), Plan(clusters=4), tmp_path / "units")
    assert found.sounds == {"train": 3, "valid": 3}
    assert (tmp_path / "units/train.km").read_text() == (tmp_path / "units/valid.km").read_text()
    assert "dev-clean" in (tmp_path / "units/valid.tsv").read_text()


def test_a_list_of_fairseqs_without_labels_is_clustered(tmp_path):
    data = manifest(tmp_path)
    text = f"{data.root}\n0.flac\t4000\n1.flac\t8000\n"
    (tmp_path / "train.tsv").write_text(text)
    found = lists_at([str(tmp_path / "train.tsv")], Mfcc(16_000), 0)["train"]
    assert found.text() == text
    assert found[1].length == 8000


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (399, 16_000, "has 399 samples, and a frame needs 400; remove it"),
        (4000, 8000, "has 8,000 samples a second, and the features are of 16,000"),
    ],
)
def test_a_sound_that_cannot_be_clustered_is_named(sounds, samples, rate, message):
    written(sounds / "sounds/odd.flac", samples, rate)
    with pytest.raises(InputError, match=rf"odd\.flac: {message}"):
        made(sounds, "units")


def test_short_sounds_are_left_out_where_that_is_said(sounds):
    found = lists_at([str(sounds / "sounds")], Mfcc(16_000), 3000)["train"]
    assert list(found.lengths) == [4000, 6100, 3300]


def test_what_will_not_do_is_refused_in_a_line(sounds):
    (sounds / "there").mkdir()
    with pytest.raises(InputError, match="there: is there already"):
        made(sounds, "there")
    with pytest.raises(InputError, match="is given twice"):
        lists_at([str(sounds / "sounds"), str(sounds / "sounds/0")], Mfcc(16_000), 0)
    with pytest.raises(InputError, match="220 samples at 22,050 a second, which is no whole number"):
        Mfcc(22_050)
    path = sounds / "sounds/0/0.flac"
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"0\.flac"):
        made(sounds, "units")


def test_a_missing_library_is_one_line(monkeypatch, sounds):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.cluster", None)
    with pytest.raises(EnvironmentFault, match=r"needs scikit-learn, .*pip install 'dualzoo\[units\]'"):
        made(sounds, "units")
