"""Torch's operators in a profile: how often they are called, and on what kinds of work they spend.

It needs torch alone.
"""

from collections.abc import Mapping

from torch.profiler import profile

Shares = Mapping[str, float]
"""of the whole time, by kind of work"""

KINDS: Mapping[str, frozenset[str]] = {
    "matrix products": frozenset({"mm", "bmm", "addmm", "baddbmm", "addbmm", "matmul", "linear"}),
    "softmax": frozenset({"softmax", "_softmax", "_softmax_backward_data", "logsumexp"}),
    "random draws of dropout": frozenset({"random_", "bernoulli_", "rand", "uniform_"}),
    "copies and fills": frozenset(
        {
            "_to_copy",
            "cat",
            "clone",
            "constant_pad_nd",
            "contiguous",
            "copy_",
            "fill_",
            "gather",
            "index",
            "index_put_",
            "index_select",
            "_index_put_impl_",
            "masked_fill_",
            "scatter_",
            "stack",
            "to",
            "zero_",
        }
    ),
    "norms and sums": frozenset(
        {
            "cumsum",
            "layer_norm",
            "linalg_vector_norm",
            "max",
            "mean",
            "native_layer_norm",
            "native_layer_norm_backward",
            "norm",
            "sort",
            "sum",
            "var",
            "var_mean",
        }
    ),
    "elementwise arithmetic": frozenset(
        {
            "abs",
            "add",
            "add_",
            "addcdiv_",
            "addcmul",
            "addcmul_",
            "bitwise_and",
            "clamp",
            "clamp_",
            "clamp_max_",
            "clamp_min",
            "clamp_min_",
            "div",
            "div_",
            "eq",
            "exp",
            "ge",
            "gt",
            "le",
            "lerp_",
            "logical_and",
            "logical_not",
            "lt",
            "mul",
            "mul_",
            "ne",
            "neg",
            "pow",
            "relu",
            "relu_",
            "rsqrt",
            "rsub",
            "sgn",
            "sigmoid",
            "sigmoid_backward",
            "sqrt",
            "sub",
            "sub_",
            "threshold_backward",
            "where",
        }
    ),
}
"""the operators of each kind, without their `aten::`"""
OTHERS, OUTSIDE = "views, allocation and other operators", "autograd and Python"
PREFIX = "aten::"


def operator_calls(profiled: profile) -> int:
    """Return the calls of torch's operators, those that other operators make included."""
    return sum(event.count for event in profiled.key_averages() if event.key.startswith(PREFIX))


def shares_of(profiled: profile, seconds: float) -> Shares:
    """Return the shares of some seconds that each kind of work took by itself.

    What is in no operator is autograd and Python; the profiler adds to operators that are small.
    """
    spent = dict.fromkeys([*KINDS, OTHERS], 0.0)
    for event in profiled.key_averages():
        if event.key.startswith(PREFIX):
            spent[kind_of(event.key)] += event.self_cpu_time_total / 1e6
    inside = sum(spent.values())
    shares = {kind: part / seconds for kind, part in spent.items()}
    return {kind: round(share, 4) for kind, share in shares.items()} | {
        OUTSIDE: round(max(0.0, 1 - inside / seconds), 4)
    }


def kind_of(operator: str) -> str:
    """Return the kind of work that an operator such as `aten::mm` does."""
    name = operator.removeprefix(PREFIX)
    return next((kind for kind, names in KINDS.items() if name in names), OTHERS)
