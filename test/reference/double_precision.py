"""Torch in float64 throughout: by how much a float32 result differs from it is that result's own rounding."""

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode


@contextlib.contextmanager
def double_precision():
    """Whatever is made or computed meanwhile is float64, gradients too, also where a model or a trainer names float32."""
    torch.set_default_dtype(torch.float64)
    try:
        with _Widened():
            yield
    finally:
        torch.set_default_dtype(torch.float32)


class _Widened(TorchDispatchMode):
    """Below autograd, so that it holds in `backward`, too."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get('dtype') is torch.float32:
            kwargs = {**kwargs, 'dtype': torch.float64}
        return function(*args, **kwargs)
