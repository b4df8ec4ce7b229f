"""How the kernels are compiled. Importing this module imports numba."""

from typing import Final

import numba as nb

# Not the whole of fastmath: the kernels test for NaN and infinity, which "nnan" and "ninf" would let the compiler drop.
_MATH: Final = {"reassoc", "contract", "arcp", "nsz"}

inline = nb.njit(fastmath=_MATH, error_model="numpy")


def kernel(signature: object) -> object:
    """A decorator for an entry point: compiled for exactly this signature when imported, or loaded from the cache."""
    return nb.njit(signature, fastmath=_MATH, error_model="numpy", cache=True)
