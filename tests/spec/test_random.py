"""The generator draws what was published, without bias, and the same however it is asked."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from zoo_spec.random import Stream, bits, derive_key, dropout_mask, fold_in, fold_in_each, threefry2x32

KEY = (0x13198A2E, 0x03707344)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    # threefry2x32 with 20 rounds, from Random123's own kat_vectors.
    [
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_the_published_vectors_come_out(key, counter, expected):
    low, high = threefry2x32(*key, *counter)
    assert (int(low[0]), int(high[0])) == expected


def test_a_block_is_computed_elementwise_over_keys_and_counters():
    keys = np.array([0x13198A2E, 0], np.uint32), np.array([0x03707344, 0], np.uint32)
    counters = np.array([0x243F6A88, 0], np.uint32), np.array([0x85A308D3, 0], np.uint32)
    low, high = threefry2x32(*keys, *counters)
    assert [hex(word) for word in (*low, *high)] == ["0xc4923a9c", "0x6b200159", "0x483df7a0", "0x99ba4efe"]
    np.testing.assert_array_equal(counters[0], [0x243F6A88, 0], err_msg="the arguments were written to")


@pytest.mark.parametrize("offset", [0, 1, 2, 65535, 65536, 131071, (1 << 33) - 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 140_001])
def test_bits_may_be_drawn_from_anywhere(offset, count):
    drawn = bits(KEY, count, offset)
    assert drawn.dtype == np.uint32
    assert drawn.shape == (count,)
    for i in {0, 1, count // 2, count - 1} & set(range(count)):
        block = (offset + i) // 2
        words = threefry2x32(*KEY, block & 0xFFFFFFFF, block >> 32)
        assert drawn[i] == words[(offset + i) % 2][0]


def test_keys_tell_every_seed_and_path_apart():
    paths = [(), ("a",), ("a", 1), ("a", "1"), ("a1",), ("a", ""), ("", "a"), (1, "a"), ("ä",), (9,)]
    paths.append(('a","1',))
    keys = {derive_key(seed, *path) for seed in (0, 1, -1, 2**70) for path in paths}
    assert len(keys) == 4 * len(paths)
    assert derive_key(np.int64(3), "a") == derive_key(3, "a")


def test_keys_and_draws_are_those_of_every_other_version_and_platform():
    assert derive_key(0) == (0x11A1BCD0, 0x378162F8)
    assert derive_key(1, "a", 2) == (0xB358B27B, 0xB98D5B92)
    assert Stream(0, "order", 1).permutation(8).tolist() == [2, 5, 3, 6, 4, 1, 7, 0]
    assert Stream(0, "order", 1).integers(1000, 5).tolist() == [765, 652, 26, 744, 867]
    assert Stream(0, "order", 1).uniform().hex() == "0x1.d771916bdaecdp-1"


def test_folding_gives_keys_apart_from_each_other_and_from_what_is_drawn():
    numbers = [0, 1, 2, (1 << 32) - 1, 1 << 32, (1 << 63) - 1]
    keys = {fold_in(KEY, number) for number in numbers}
    assert len(keys) == len(numbers)
    drawn = bits(KEY, 6).reshape(3, 2)
    assert not keys & {(int(low), int(high)) for low, high in drawn}
    with pytest.raises(ValueError, match="not -1"):
        fold_in(KEY, -1)


def test_a_number_is_folded_into_several_keys_as_into_each():
    keys = [KEY, (0, 0), (0xFFFFFFFF, 1)]
    for number in (0, 3, 1 << 40):
        folded = fold_in_each(np.array(keys, np.uint32), number)
        assert [tuple(key) for key in folded.tolist()] == [fold_in(key, number) for key in keys]
    assert fold_in_each(np.empty((0, 2), np.uint32), 1).shape == (0, 2)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_a_dropout_mask_keeps_its_part(rate):
    mask = dropout_mask(KEY, (500, 400), rate)
    assert mask.shape == (500, 400)
    assert mask.dtype == bool
    assert abs(mask.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / mask.size) + 1e-12


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_dropout_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match="dropout rate"):
        dropout_mask(KEY, (2,), rate)


@pytest.mark.parametrize("high", [1, 2, 3, 10, 1000, 3 << 30, 1 << 32, (1 << 32) + 1, 1 << 63])
def test_one_by_one_and_at_once_are_the_same(high):
    at_once, single = Stream(0, "a"), Stream(0, "a")
    expected = [single.integer(high) for _ in range(300)]
    np.testing.assert_array_equal(at_once.integers(high, 300), expected)
    assert at_once.uniform() == single.uniform()
    assert 0 <= min(expected) <= max(expected) < high


def test_a_long_draw_continues_where_a_short_one_ended():
    mixed, whole = Stream(1), Stream(1)
    parts = [mixed.uniforms(count) for count in (1, 100, 3, 50_000, 0, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole.uniforms(50_111))


@pytest.mark.parametrize(("paths", "words"), [(5, 0), (1, 7), (3, 8), (70, 1500)])
def test_streams_made_together_give_what_those_made_alone_give(paths, words):
    names = [("row", number) for number in range(paths)]
    for stream, name in zip(Stream.several(3, names, words), names, strict=True):
        alone = Stream(3, *name)
        for count in (3, 1, 200, 400):
            np.testing.assert_array_equal(stream.uniforms(count), alone.uniforms(count))
            assert stream.integer(7) == alone.integer(7)


def test_integers_are_unbiased():
    # Were no draw thrown away, the first third of the numbers below 3 * 2**30 would come twice as often.
    drawn = Stream(2).integers(3 << 30, 300_000) // (1 << 30)
    counts = np.bincount(drawn, minlength=3)
    assert np.abs(counts - 100_000).max() < 5 * np.sqrt(300_000 * 2 / 9)


@pytest.mark.parametrize("high", [0, -1, (1 << 63) + 1])
def test_a_bound_out_of_range_is_refused(high):
    with pytest.raises(ValueError, match="bound"):
        Stream(0).integer(high)


def test_uniforms_fill_their_interval():
    drawn = Stream(3).uniforms(200_000)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 5 / np.sqrt(12 * 200_000)
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert np.sum((counts - 10_000) ** 2 / 10_000) < 50  # chi-square, 19 degrees of freedom: p = 1.3e-4


@pytest.mark.parametrize("n", [0, 1, 2, 17, 1000])
def test_a_permutation_has_every_number_once(n):
    order = Stream(4, "order", n).permutation(n)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_uniforms_of_several_paths_are_those_of_each():
    paths = [("masked", "train", epoch, 7) for epoch in range(5)]
    found = Stream.several_uniforms(3, paths, 700)
    assert found.tolist() == [Stream(3, *path).uniforms(700).tolist() for path in paths]


def test_every_permutation_is_equally_likely():
    stream = Stream(5)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(6000):
        order = tuple(int(i) for i in stream.permutation(3))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts.values()) < 150


@pytest.mark.parametrize(("n", "k"), [(5, 0), (5, 5), (100, 7), (1 << 40, 20)])
def test_a_sample_is_distinct_and_in_range(n, k):
    chosen = Stream(6).sample(n, k)
    assert len(set(chosen.tolist())) == k
    assert all(0 <= i < n for i in chosen)


def test_every_sample_is_equally_likely():
    stream = Stream(7)
    counts = np.zeros((4, 4))
    for _ in range(6000):
        first, second = stream.sample(4, 2)
        counts[first, second] += 1
    assert np.trace(counts) == 0
    assert np.abs(counts[~np.eye(4, dtype=bool)] - 500).max() < 110
    with pytest.raises(ValueError, match="cannot choose 5 distinct integers out of 4"):
        stream.sample(4, 5)


def test_a_fresh_process_draws_the_same():
    code = "from zoo_spec.random import Stream; print(Stream(8, 'x', 1).integers(10**6, 5).tolist())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(Stream(8, "x", 1).integers(10**6, 5).tolist())
