"""Muon for the matrices, AdamW for the rest: on this model about twice the progress of AdamW alone for each sample.

A matrix moves along its momentum with all singular values made about equal (five Newton-Schulz rounds), scaled so that
the step has the size AdamW's would have; so both share one learning rate.
"""

import torch

_ROUNDS, _A, _B, _C = 5, 3.4445, -4.7750, 2.0315
_MOMENTUM = 0.95


def orthogonal(stack):
    """[k, r, c] with r <= c: each matrix with its singular values near 1."""
    x = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * (gram @ gram)) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Parameters are matrices; those of one shape are worked on as one stack."""

    def __init__(self, groups, lr):
        super().__init__(groups, dict(lr=lr, weight_decay=0.0))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(tuple(sorted(p.shape)), []).append(p)
            for (_, longer), ps in shapes.items():
                moves = []
                for p in ps:
                    state = self.state[p]
                    mean = state.setdefault("mean", torch.zeros_like(p))
                    mean.lerp_(p.grad, 1 - _MOMENTUM)
                    move = p.grad.lerp(mean, _MOMENTUM)
                    moves.append(move if move.shape[0] <= move.shape[1] else move.mT)
                made = orthogonal(torch.stack(moves)) * (0.2 * longer ** 0.5)
                for p, move in zip(ps, made):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(move if move.shape == p.shape else move.mT, alpha=group["lr"])


class Both:
    """The two as one optimiser: one list of groups, one state."""

    def __init__(self, groups, lr):
        """groups: dicts with params, factor, weight_decay and matrix (True: Muon)."""
        self.parts = [Muon([g for g in groups if g["matrix"]], lr),
                      torch.optim.AdamW([g for g in groups if not g["matrix"]], lr=lr, betas=(0.9, 0.98), fused=True)]
        self.param_groups = [g for part in self.parts for g in part.param_groups]

    def step(self):
        for part in self.parts:
            part.step()

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, state):
        """A part whose parameters are others than those of the state starts anew."""
        sizes = lambda groups: [len(g["params"]) for g in groups]
        for part, one in zip(self.parts, state):
            if sizes(part.param_groups) == sizes(one["param_groups"]):
                part.load_state_dict(one)
        self.param_groups = [g for part in self.parts for g in part.param_groups]
