"""Train tessera-nano: stage `towers` (dense targets on soft tokens), then stage `join` (the decoder speaks).

Everything that a stop must not lose lies in --work: STAGE.pt (model, heads, optimiser, counters, levels, random state;
written every few minutes by atomic rename) and log.csv. --resume goes on from there; without it a stage starts anew.

usage: train.py {towers,join} --work DIR --minutes M [--threads N] [--resume]
"""

import argparse
import csv
import functools
import multiprocessing as mp
import os
import signal
import time

import torch
import torch.nn.functional as F

import batches
import model as nano

RATE, WARM_UP, SAVE_SECONDS = 1.5e-3, 100, 240
PROMOTE = {"scene": 0.94, "line": 0.93, "sound": 0.93}
SHARES = {"scene": 0.4, "line": 0.3, "sound": 0.3}


def picture_losses(rows, batch, heads):
    """Loss and accuracies of the rows under objects and characters. rows: [all tokens, 256]."""
    kinds, slots = torch.from_numpy(batch["kinds"]), torch.from_numpy(batch["slots"])
    on, seen = kinds[:, 0] > 0, {}
    shape, letters = heads.shape(rows), heads.characters(rows).view(len(rows), slots.shape[1], -1)
    loss = 0.3 * F.cross_entropy(shape, kinds[:, 1])
    if on.any():
        for i, (name, logits) in enumerate((("colour", heads.colour(rows[on])), ("shape", shape[on]), ("size", heads.size(rows[on])))):
            seen[name] = F.cross_entropy(logits, kinds[on, i])
            seen[name + "_acc"] = (logits.argmax(-1) == kinds[on, i]).float().mean()
            loss = loss + seen[name] * (0.5 if name == "size" else 1.0)
        seen["box"] = F.l1_loss(heads.box(rows[on]), torch.from_numpy(batch["boxes"])[on])
        loss = loss + 5 * seen["box"]
    flat, want = letters.flatten(0, 1), slots.flatten()
    loss = loss + 0.3 * F.cross_entropy(flat, want)
    if (want > 0).any():
        seen["letter"] = F.cross_entropy(flat[want > 0], want[want > 0])
        seen["letter_acc"] = (flat[want > 0].argmax(-1) == want[want > 0]).float().mean()
        loss = loss + seen["letter"]
    return loss, seen


def sound_losses(rows, batch, heads):
    words = torch.from_numpy(batch["words"])
    logits, want = heads.word(rows[:, :words.shape[1]]).flatten(0, 1), words.flatten()
    on = want > 0
    loss, seen = F.cross_entropy(logits, want, ignore_index=-100), {}
    if on.any():
        seen["word"] = F.cross_entropy(logits[on], want[on])
        seen["word_acc"] = (logits[on].argmax(-1) == want[on]).float().mean()
        loss = loss + seen["word"]
    return loss, seen


def tower_rows(model, batch):
    """Soft tokens as the decoder will see them: [all tokens, 256] of a picture batch, [n, tokens, 256] of a sound batch."""
    if batch["kind"] == "sound":
        with torch.autocast("cpu", torch.bfloat16):  # halves the time: the wide convolutions are bound by memory
            out = model.model.audio_tower(torch.from_numpy(batch["features"]), torch.from_numpy(batch["mask"]), return_dict=True)
            return model.model.embed_audio(inputs_embeds=out.last_hidden_state).float()
    pixels = torch.from_numpy(batch["pixels"]).float().mul_(1 / 255)
    out = model.model.vision_tower(pixel_values=pixels, pixel_position_ids=torch.from_numpy(batch["places"]))
    return model.model.embed_vision(inputs_embeds=out.last_hidden_state)


class Progress:
    """Running means by name, levels by kind with promotion, and the log file."""

    def __init__(self, path, fields):
        self.means, self.since, self.path, self.fields = {}, dict.fromkeys(fields, 0), path, fields

    def see(self, kind, seen):
        self.since[kind] += 1
        for name, value in seen.items():
            value = float(value.detach())
            self.means[name] = self.means.get(name, value) * 0.97 + 0.03 * value

    def judged(self, kind):
        names = {"scene": ("shape_acc", "colour_acc"), "line": ("letter_acc",), "sound": ("word_acc",)}[kind]
        return min(self.means.get(n, 0.0) for n in names)

    def may_rise(self, kind):
        return self.since[kind] > 120 and self.judged(kind) > PROMOTE[kind]

    def log(self, **row):
        row.update({k: round(v, 4) for k, v in sorted(self.means.items())})
        print(row, flush=True)
        names = ["time", "stage", "step", "minutes", "levels", "wait_share"]
        with open(self.path, "a", newline="") as out:
            csv.writer(out).writerow([row.get(k) for k in names] + [f"{k}={v}" for k, v in row.items() if k not in names])


def groups(model, heads, tower_factor, with_decoder):
    """Parameter groups: rate factor and weight decay; the position table and vectors do not decay."""
    named = [(n, p, tower_factor if nano.is_tower(n) else 1.0) for n, p in model.named_parameters() if with_decoder or nano.is_tower(n)]
    named += [("head", p, 1.0) for p in heads.parameters()]
    out = {}
    for name, p, factor in named:
        decay = 0.01 if p.dim() >= 2 and "position" not in name and "embed_tokens" not in name else 0.0
        out.setdefault((factor, decay), []).append(p)
    return [dict(params=ps, factor=f, weight_decay=d) for (f, d), ps in out.items()]


def _subsample(layer, x, mask=None):
    """The reference's convolution layer on channels-last memory: the same numbers without three copies of the largest arrays."""
    if mask is not None:
        x = x * mask[:, None, :, None]
    x = layer.conv(x.contiguous(memory_format=torch.channels_last))
    x = F.relu(layer.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    return x, mask[:, ::2] if mask is not None else None


def quicken(model):
    front = model.model.audio_tower.subsample_conv_projection
    for layer in (front.layer0, front.layer1):
        layer.forward = functools.partial(_subsample, layer)


def unclipped(model):
    """Training runs without limits; export measures them (docs/training.md)."""
    for m in model.modules():
        if hasattr(m, "use_clipped_linears"):
            m.use_clipped_linears = False


def save(path, **state):
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


def start_producer(args, step):
    names = list(batches.LEVELS)
    levels, weights, queue = mp.Array("i", len(names)), mp.Array("d", [SHARES[n] for n in names]), mp.Queue(6)
    seed = f"{args.stage} {step}"
    process = mp.Process(target=batches.produce, args=(queue, seed, os.path.join(args.work, "cache"), levels, weights), daemon=True)
    process.start()
    return queue, levels, weights


def towers(args):
    torch.manual_seed(0)
    model, heads = nano.fresh_model(), nano.Heads()
    unclipped(model)
    quicken(model)
    model.train()
    optimiser = torch.optim.AdamW(groups(model, heads, 1.0, False), lr=RATE, betas=(0.9, 0.98), fused=True)
    path, step, minutes = os.path.join(args.work, "towers.pt"), 0, 0.0
    kinds = list(batches.LEVELS)
    at = dict.fromkeys(kinds, 0)
    progress = Progress(os.path.join(args.work, "log.csv"), kinds)
    if args.resume and os.path.exists(path):
        state = torch.load(path, weights_only=False)
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        optimiser.load_state_dict(state["optimiser"])
        step, minutes, at, progress.means = state["step"], state["minutes"], state["levels"], state["means"]
        torch.set_rng_state(state["random"])
    queue, levels, _ = start_producer(args, step)
    for i, k in enumerate(kinds):
        levels[i] = at[k]
    stop, started, saved, logged, waited = [], time.time(), time.time(), time.time(), 0.0
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: stop.append(1))
    parameters = [p for g in optimiser.param_groups for p in g["params"]]
    begun = minutes

    def keep():
        save(path, model=model.state_dict(), heads=heads.state_dict(), optimiser=optimiser.state_dict(), step=step,
             minutes=minutes, levels=at, means=progress.means, random=torch.get_rng_state(), stage="towers")

    while not stop and time.time() - started < args.minutes * 60:
        before = time.time()
        batch = queue.get()
        waited += time.time() - before
        for g in optimiser.param_groups:
            g["lr"] = RATE * g["factor"] * min(1.0, (step + 1) / WARM_UP)
        rows = tower_rows(model, batch)
        loss, seen = (sound_losses if batch["kind"] == "sound" else picture_losses)(rows, batch, heads)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step, minutes = step + 1, begun + (time.time() - started) / 60
        progress.see(batch["kind"], seen)
        if progress.may_rise(batch["kind"]) and at[batch["kind"]] + 1 < len(batches.LEVELS[batch["kind"]]):
            at[batch["kind"]] += 1
            levels[kinds.index(batch["kind"])] = at[batch["kind"]]
            progress.since[batch["kind"]] = 0
        if time.time() - logged > 30:
            progress.log(time=int(time.time()), stage="towers", step=step, minutes=round(minutes, 2),
                         levels="/".join(str(at[k]) for k in kinds), wait_share=round(waited / (time.time() - logged), 2))
            logged, waited = time.time(), 0.0
        if time.time() - saved > SAVE_SECONDS:
            keep()
            saved = time.time()
    keep()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=["towers"])
    parser.add_argument("--work", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(args.work, exist_ok=True)
    towers(args)


if __name__ == "__main__":
    main()
