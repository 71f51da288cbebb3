"""Mixed precision, under the names of ``keras.mixed_precision``.

>>> from fastconv import mixed_precision
>>> mixed_precision.set_global_policy("mixed_bfloat16")
>>> mixed_precision.global_policy().compute_dtype
'bfloat16'
>>> mixed_precision.set_global_policy("float32")
"""

from fastconv.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = [
    "DTypePolicy",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
