"""How the kernels are compiled. Importing this module imports numba."""

from typing import Any, Final

import numba as nb

_njit: Any = nb.njit  # numba's types do not know all of its options

# Not the whole of fastmath: the kernels test for NaN and infinity, which "nnan" and "ninf" would let the compiler drop.
_MATH: Final = {"reassoc", "contract", "arcp", "nsz"}

# Called from kernels only: without the wrappers for Python and C, which would take a third of the compile time.
inline = _njit(fastmath=_MATH, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def kernel(signature: object) -> Any:
    """A decorator for an entry point: compiled for exactly this signature when imported, or loaded from the cache."""
    return _njit(signature, fastmath=_MATH, error_model="numpy", cache=True)
