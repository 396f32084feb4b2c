"""The faster products are float32's, or are not used."""

from __future__ import annotations

import pytest
import torch

from zoo_torch import products


@pytest.fixture(autouse=True)
def _as_before():
    before = torch.backends.mkldnn.matmul.fp32_precision
    products.use_fast_products.cache_clear()
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    yield
    torch.backends.mkldnn.matmul.fp32_precision = before
    products.use_fast_products.cache_clear()


def test_the_products_that_are_chosen_have_float32s_error():
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    exact = products._errors()
    is_fast = products.use_fast_products()
    assert products.library() == ("oneDNN" if is_fast else "MKL")
    for fast, slow in zip(products._errors(), exact, strict=True):
        assert fast <= products.ERROR_MULTIPLE * slow
        assert fast < 1e-5


def test_products_that_are_bfloat16s_are_refused(monkeypatch):
    def errors():
        return [3e-3 if torch.backends.mkldnn.matmul.fp32_precision == "bf16" else 4e-7] * 3

    monkeypatch.setattr(products, "_errors", errors)
    before = torch.backends.mkldnn.matmul.fp32_precision
    assert not products.use_fast_products()
    assert torch.backends.mkldnn.matmul.fp32_precision == before
