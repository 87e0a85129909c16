"""Several trainers, one core each, that share what they learn: a file holds common values of all parameters; every few steps
a trainer adds the larger part of its own way since the last meeting, and goes on from the common values. No one waits for
a slower one, as two threads of one trainer would, and a slow one does not draw the others back.
"""

import fcntl
import os

import numpy as np
import torch

EVERY = 8   # steps between two meetings
KEPT = 0.7  # of a trainer's way: less than all, which takes noise out of it


class Meeting:
    def __init__(self, path, parameters, fresh):
        """fresh: this trainer's values are the first ones (the others then take them)."""
        self.parameters, n = parameters, sum(p.numel() for p in parameters)
        self.lock = open(path + ".lock", "w")
        with self:
            if fresh or not os.path.exists(path) or os.path.getsize(path) != 4 * n:
                np.memmap(path, np.float32, "w+", shape=(n,))[:] = self._flat().numpy()
            self.common = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(n,)))
            self.before = self.common.clone()
        self._set(self.before)

    def __enter__(self):
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def __exit__(self, *_):
        fcntl.flock(self.lock, fcntl.LOCK_UN)

    def _flat(self):
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])

    @torch.no_grad()
    def _set(self, values):
        at = 0
        for p in self.parameters:
            p.copy_(values[at:at + p.numel()].view_as(p))
            at += p.numel()

    def meet(self):
        with self:
            self.common.add_(self._flat() - self.before, alpha=KEPT)
            self.before = self.common.clone()
        self._set(self.before)
