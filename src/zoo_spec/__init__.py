"""The spec layer: everything that can be known of a model without a framework."""

from zoo_spec.spec_files.loading import list_specs, load_spec

__all__ = ["list_specs", "load_spec"]
