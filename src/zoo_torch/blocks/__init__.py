"""The blocks as native modules: the same file names as in ``zoo_spec.blocks`` and ``zoo_tf.blocks``."""
