"""Names that a node or an input cannot have, because Python or torch has taken them."""

from __future__ import annotations

from keyword import iskeyword

# Public attributes of a torch.nn.Module (torch 2.13), of which a node becomes one, and of ours. A test
# holds the list against the installed torch.
# fmt: off
MODULE_ATTRIBUTES = frozenset(
    {
        "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children",
        "code", "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float",
        "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "ipu",
        "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules",
        "named_parameters", "parameters", "register_backward_hook", "register_buffer",
        "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
        "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook", "register_module", "register_parameter",
        "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_",
        "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
        "training", "type", "xpu", "zero_grad",
    }
)
# fmt: on


def why_no_input(name: str) -> str | None:
    """Why an input, an argument of the torch model's forward, cannot have this name; None if it can."""
    if iskeyword(name):
        return f"{name!r} is a word of the Python language"
    return "'self' is the model itself in Python" if name == "self" else None


def why_no_node(name: str) -> str | None:
    """Why a node, an attribute of the torch model, cannot have this name; None if it can."""
    taken = f"{name!r} is an attribute that every torch.nn.Module has" if name in MODULE_ATTRIBUTES else None
    return why_no_input(name) or taken
