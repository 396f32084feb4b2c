"""k-means with fairseq's settings (``simple_kmeans/learn_kmeans.py``), by scikit-learn."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from zoo_spec.errors import InputError
from zoo_spec.importing import require_extra

_ROWS = 1 << 14
_BATCH = 10_000


def require_clustering() -> None:
    """Raise EnvironmentFault without the library."""
    require_extra("sklearn.cluster", library="scikit-learn", extra="units", what="clustering")


def learned(frames: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.float32]:
    """The centroids ``[clusters, width]`` of ``[frames, width]``, which may lie in a file that is larger than memory.

    Raises InputError for fewer frames than clusters.
    """
    require_clustering()
    from sklearn.cluster import MiniBatchKMeans

    if len(frames) < clusters:
        raise InputError(
            f"there are {len(frames):,} frames, and {clusters:,} clusters are to be found among them; give more "
            "sound, or ask for fewer (--clusters)"
        )
    found = MiniBatchKMeans(
        n_clusters=clusters,
        init="k-means++",
        max_iter=100,
        batch_size=_BATCH,
        compute_labels=False,
        tol=0.0,
        max_no_improvement=100,
        n_init=20,
        reassignment_ratio=0.0,
        random_state=seed,
    ).fit(frames)
    return np.asarray(found.cluster_centers_, np.float32)


def nearest(frames: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """The cluster ``[frames]`` of each, by the Euclidean distance; of equally near ones the first."""
    return np.asarray(np.argmin(_distances(frames, centroids), axis=1), np.int32)


def mean_distance(frames: NDArray[np.float32], centroids: NDArray[np.float32]) -> float:
    """The mean squared distance to the nearest centroid, which fairseq logs as inertia."""
    total = 0.0
    for start in range(0, len(frames), _ROWS):
        total += float(_distances(frames[start : start + _ROWS], centroids).min(axis=1).sum())
    return total / max(len(frames), 1)


def _distances(frames: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared, in float64: the differences of large numbers decide."""
    rows, other = frames.astype(np.float64), centroids.astype(np.float64)
    found = (rows**2).sum(1, keepdims=True) - 2 * rows @ other.T + (other**2).sum(1)
    return cast("NDArray[np.float64]", np.maximum(found, 0))
