"""Convolutions: what even, square and equal sizes hide."""

from __future__ import annotations

from defects.base import Defect, halves

IMAGES: tuple[Defect, ...] = (
    *halves(
        "strides of height and width are swapped",
        "images",
        "blocks/convolution.py",
        "two_towers",
        "patches",
        sets=("model.nodes.patches.block={kind: conv2d, channels: 32, size: [7, 7], stride: [7, 4]}",),
        torch=(
            "super().__init__(in_channels, channels, size, stride=stride, padding=own, bias=bias)",
            "super().__init__(in_channels, channels, size, stride=stride[::-1], padding=own, bias=bias)",
        ),
        tf=(
            "self.stride = tuple(stride)\n        self.pads",
            "self.stride = tuple(stride)[::-1]\n        self.pads",
        ),
    ),
    *halves(
        "uneven padding stands on the wrong side",
        "images",
        "blocks/convolution.py",
        "two_branch_classifier",
        "coarse",
        torch=("(left, right, top, bottom)", "(right, left, bottom, top)"),
        tf=("(list(pair) for pair in padding)", "(list(pair)[::-1] for pair in padding)"),
    ),
    *halves(
        "a pool steps by its size",
        "images",
        "blocks/convolution.py",
        "two_towers",
        "patches",
        sets=("model.nodes.patches.block={kind: max_pool2d, size: [9, 9], stride: [8, 8]}",),
        torch=(
            "F.max_pool2d(x.permute(0, 3, 1, 2), self.size, self.stride)",
            "F.max_pool2d(x.permute(0, 3, 1, 2), self.size, self.size)",
        ),
        tf=(
            'tf.nn.max_pool2d(x, self.size, self.stride, "VALID")',
            'tf.nn.max_pool2d(x, self.size, self.size, "VALID")',
        ),
    ),
    *halves(
        "a transposed convolution's kernel is mirrored",
        "images",
        "blocks/convolution.py",
        "unet_tiny",
        "*up*",
        torch=(
            "self.weight, self.bias, stride=self.stride, is_transposed=True)",
            "self.weight.flip(2), self.bias, stride=self.stride, is_transposed=True)",
        ),
        tf=(
            "convolve2d_transposed(x, tf.convert_to_tensor(self.kernel),",
            "convolve2d_transposed(x, tf.reverse(tf.convert_to_tensor(self.kernel), [0]),",
        ),
    ),
    *halves(
        "a one by one convolution steps alike along both",
        "images",
        "blocks/convolution.py",
        "two_towers",
        "patches",
        sets=("model.nodes.patches.block={kind: conv2d, channels: 32, size: [1, 1], stride: [9, 8]}",),
        tf=("[:, :: stride[0], :: stride[1]]", "[:, :: stride[0], :: stride[0]]"),
    ),
    *halves(
        "a convolution's padding is not used",
        "images",
        "blocks/convolution.py",
        "two_towers",
        "patches",
        sets=(
            "model.nodes.patches.block={kind: conv2d, channels: 32, size: [5, 5], stride: [7, 7], "
            "padding: [[2, 2], [2, 2]]}",
        ),
        torch=("padding=self.padding)", "padding=[p // 2 for p in self.padding])"),
    ),
)
