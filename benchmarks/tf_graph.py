"""The graph of a function of TensorFlow's as its rewriter leaves it for a CPU."""

from __future__ import annotations

from typing import Any


def rewritten(traced: Any) -> Any:
    """The ``GraphDef`` that grappler makes of a concrete function's.

    What is read of a weight has a shape in the traced graph alone, so it is a placeholder in this one; what is
    computed with it would have none.
    """
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.grappler import tf_optimizer
    from tensorflow.python.training.saver import export_meta_graph

    whole = export_meta_graph(graph_def=traced.graph.as_graph_def(add_shapes=True), graph=traced.graph)
    # Products take biases along only where they are known to run on a CPU.
    for node in whole.graph_def.node:
        node.device = "/job:localhost/replica:0/task:0/device:CPU:0"
        if node.op == "ReadVariableOp":
            shape = traced.graph.get_operation_by_name(node.name).outputs[0].shape
            node.op, node.input[:] = "Placeholder", [each for each in node.input if each.startswith("^")]
            node.attr["shape"].shape.CopyFrom(shape.as_proto())
    wanted = [*(each.name for each in traced.outputs), *(each.name for each in traced.graph.control_outputs)]
    whole.collection_def["train_op"].node_list.value.extend(wanted)
    settings = config_pb2.ConfigProto()
    settings.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(settings, whole)
