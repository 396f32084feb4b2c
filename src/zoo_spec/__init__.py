"""The spec layer: everything that can be known of a model without a framework."""

from typing import TYPE_CHECKING

from zoo_spec.lazily import lazily

if TYPE_CHECKING:
    from zoo_spec.spec_files.loading import list_specs as list_specs
    from zoo_spec.spec_files.loading import load_spec as load_spec

PLACES = dict.fromkeys(["list_specs", "load_spec"], "zoo_spec.spec_files.loading")
__all__ = list(PLACES)
__getattr__, __dir__ = lazily(__name__, PLACES)
