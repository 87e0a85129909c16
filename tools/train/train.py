"""Train tessera-nano: stage `towers` (dense targets on soft tokens), then stage `join` (the decoder speaks).

Everything that a stop must not lose lies in --work: towers-PART.pt or join.pt (model, heads, optimiser, counters, levels,
random state; written every few minutes by atomic rename) and log-*.csv. --resume goes on from there; without it a stage
starts anew (`join` starts from the two towers-PART.pt). A checkpoint is also written on SIGTERM.

usage: train.py {towers,join} --work DIR --minutes M [--part vision|audio] [--follow FILE...] [--resume] [--cool] ...
"""

import argparse
import csv
import functools
import multiprocessing as mp
import os
import random
import signal
import time

import safetensors.torch
import torch
import torch.nn.functional as F

import batches
import conversations
import meeting
import model as nano
import optimiser

WARM_UP, SAVE_SECONDS, LOG_SECONDS, MIN_STEPS_AT_LEVEL = 100, 150, 30, 40
AVERAGED = 0.995  # share of the running average of the weights that a step keeps
TOWER_SHARES = {"scene": 0.55, "line": 0.45, "sound": 1.0}
SHARES = {"scene": 0.5, "line": 0.15, "sound": 0.4, "film": 0.08, "page": 0.06, "talk": 0.12}
TOWERS_LEARN = 0.4  # share of the batches of stage join; the others cost a third and teach the decoder alone
TOWER_LEARNS_BELOW = 12000  # patches in a batch: a long film teaches the decoder alone, at a third of the time
JOIN_PROMOTE = {"scene": 0.84, "line": 0.75, "sound": 0.88, "film": 0.80, "page": 0.80, "talk": 0.85}
PARTS = {"vision": ("scene", "line"), "audio": ("sound",)}
LATER, LATER_FROM = ("film", "page", "talk"), 0.8  # kinds that wait until this share of a scene's answer tokens is right


# --- dense losses ------------------------------------------------------------------------------------------------

def edge_loss(logits, boxes):
    """Each edge is a class by its place; between two classes both count by nearness. Boxes in 0..1: [n, 4]."""
    at = boxes.clamp(0, 1).flatten() * (nano.EDGE_BINS - 1)
    low = at.floor().clamp(max=nano.EDGE_BINS - 2)
    log_p = F.log_softmax(logits.reshape(-1, nano.EDGE_BINS), -1)
    part = (at - low)[:, None]
    low = low.long()[:, None]
    return -((1 - part) * log_p.gather(1, low) + part * log_p.gather(1, low + 1)).mean()


def digit_loss(logits, boxes):
    """Hundreds and tens of the four edges in thousandths, as classes: their mean loss, and how often all eight are right."""
    at = (boxes.clamp(0, 1) * 1000).round().long()
    logits = logits.view(len(at), 4, 21)
    hundreds, tens = logits[..., :11].flatten(0, 1), logits[..., 11:].flatten(0, 1)
    want = (at // 100).flatten(), (at // 10 % 10).flatten()
    right = ((hundreds.argmax(-1) == want[0]) & (tens.argmax(-1) == want[1])).view(-1, 4).all(-1)
    return 0.5 * (F.cross_entropy(hundreds, want[0]) + F.cross_entropy(tens, want[1])), right.float().mean()


def early_losses(states, batch, heads):
    """Patches should know early where in the picture they are: later layers copy that from the edges of an object. Pictures
    differ in size, so this is a division by a side that must be looked up."""
    at = torch.from_numpy(batch["places"])
    on = at[..., 0] >= 0
    sides = at.amax(1, keepdim=True) + 1
    place = ((at + 0.5) / sides)[on]
    loss, seen = 0.0, {}
    for i, state in enumerate(states[:2]):
        out = heads.early_place[i](F.rms_norm(state, state.shape[-1:])[on])
        seen[f"early{i}"] = F.l1_loss(out[:, :2], place)
        loss = loss + 5 * seen[f"early{i}"] + 0.5 * edge_loss(out[:, 2:], place)
    if batch["kind"] in ("scene", "film", "talk"):
        more, told = offset_losses(states[2:], at, sides, batch, heads)
        loss, seen = loss + more, {**seen, **told}
    return loss, seen


def offset_losses(states, at, sides, batch, heads):
    """Patches of an object: how far its edges are, in patches and with what an edge leaves of its own patch; near ones weigh most."""
    tokens = sides[..., 0] // 3 * (sides[..., 1] // 3)  # of each picture
    first = torch.cumsum(tokens.flatten(), 0) - tokens.flatten()
    mine = (first[:, None] + at[..., 1].clamp(min=0) // 3 * (sides[..., 0] // 3) + at[..., 0].clamp(min=0) // 3)
    on = (torch.from_numpy(batch["kinds"])[:, 0] > 0)[mine] & (at[..., 0] >= 0)
    if not on.any():
        return 0.0, {}
    yx = lambda v: v.flip(-1).repeat(1, 1, 2).float()  # (x, y) as y, x, y, x
    away = (torch.from_numpy(batch["boxes"])[mine] * yx(sides) - yx(at) - 0.5)[on]
    loss, seen = 0.0, {}
    for i, state in enumerate(states):
        error = (heads.offsets[i](F.rms_norm(state, state.shape[-1:])[on]) * 4 - away).abs()
        seen[f"offset{i}"] = (error / (away.abs() + 1)).mean()
        loss = loss + 2 * seen[f"offset{i}"]
    return loss, seen


def picture_losses(rows, batch, heads):
    """Loss and accuracies of the rows under objects and characters. rows: [all tokens, 256]."""
    kinds, slots = torch.from_numpy(batch["kinds"]), torch.from_numpy(batch["slots"])
    on, seen = kinds[:, 0] > 0, {}
    shape, letters = heads.shape(rows), heads.characters(rows).view(len(rows), slots.shape[1] - 1, -1)
    loss = 0.3 * F.cross_entropy(shape, kinds[:, 1])
    if on.any():
        for i, (name, logits) in enumerate((("colour", heads.colour(rows[on])), ("shape", shape[on]), ("size", heads.size(rows[on])))):
            seen[name] = F.cross_entropy(logits, kinds[on, i])
            seen[name + "_acc"] = (logits.argmax(-1) == kinds[on, i]).float().mean()
            loss = loss + seen[name] * (0.5 if name == "size" else 1.0)
        boxes = torch.from_numpy(batch["boxes"])[on]
        error = (heads.box(rows[on]) - boxes).abs()
        sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        seen["box"], seen["box_acc"] = error.mean(), (error < 0.05).all(-1).float().mean()
        seen["box_part"] = (error / (sides + 0.05)).mean()  # what an overlap is judged by: an error's share of the side
        seen["edge"] = edge_loss(heads.edges(rows[on]), boxes)
        seen["digit"], seen["digit_acc"] = digit_loss(heads.digits(rows[on]), boxes)
        seen["rank"] = F.cross_entropy(heads.rank(rows[on]), kinds[on, 3])
        seen["count"] = F.cross_entropy(heads.count(rows), kinds[:, 4])
        loss = loss + 4 * seen["box_part"] + seen["edge"] + 0.3 * seen["digit"] + 0.5 * seen["rank"] + 0.3 * seen["count"]
    seen["place"] = F.l1_loss(heads.place(rows), torch.from_numpy(batch["centres"]))
    loss = loss + 5 * seen["place"]
    flat, want = letters.flatten(0, 1), slots[:, :-1].flatten()
    loss = loss + 0.3 * F.cross_entropy(flat, want)
    if (want > 0).any():
        seen["letter"] = F.cross_entropy(flat[want > 0], want[want > 0])
        seen["letter_acc"] = (flat[want > 0].argmax(-1) == want[want > 0]).float().mean()
        loss = loss + seen["letter"]
        numbers = slots[:, -1].clamp(max=nano.INDEX_CLASSES - 1)
        if (numbers > 0).any():
            seen["order"] = F.cross_entropy(heads.order(rows[numbers > 0]), numbers[numbers > 0])
            loss = loss + 0.3 * seen["order"]
    return loss, seen


def sound_losses(rows, batch, heads):
    words = torch.from_numpy(batch["words"])
    logits, want = heads.word(rows[:, :words.shape[1]]).flatten(0, 1), words[..., 0].flatten()
    on = want > 0
    loss, seen = F.cross_entropy(logits, want, ignore_index=-100), {}
    if on.any():
        seen["word"] = F.cross_entropy(logits[on], want[on])
        seen["word_acc"] = (logits[on].argmax(-1) == want[on]).float().mean()
        loss = loss + seen["word"]
    before = words[..., 1].flatten()
    if (before >= 0).any():
        seen["before"] = F.cross_entropy(heads.word_before(rows[:, :words.shape[1]]).flatten(0, 1), before, ignore_index=-100)
        loss = loss + 0.5 * seen["before"]
    return loss, seen


def list_losses(states, batch, heads):
    """What the decoder's first layers should know of lists (see conversations.py), from the states after two of them, and the
    box of the object that an answer is about, after two later ones. The
    last four layers read keys and values that the third and fourth make of these states: what isn't there can't be found."""
    index, fresh, before, about = (torch.from_numpy(batch[k]) for k in ("index", "fresh", "before", "about"))
    at, new, said, boxed = index != -100, fresh != -100, before[..., 0] != -100, about[..., 2] > 0
    loss, seen = 0.0, {}
    states, later = states[:2], states[2:]
    if boxed.any():
        for i, state in enumerate(later):
            out, boxes = heads.decoder_box[i](F.rms_norm(state, state.shape[-1:])[boxed]), about[boxed]
            seen[f"about{i}"] = F.l1_loss(out[:, :4], boxes)
            loss = loss + 5 * seen[f"about{i}"] + 0.3 * edge_loss(out[:, 4:], boxes)
    for i, state in enumerate(states):
        state = F.rms_norm(state, state.shape[-1:])
        if at.any():
            seen[f"index{i}"] = F.cross_entropy(heads.decoder_index[i](state[at]), index[at])
            loss = loss + seen[f"index{i}"]
        if new.any():
            seen[f"fresh{i}"] = F.cross_entropy(heads.decoder_fresh[i](state[new]), fresh[new], weight=torch.tensor([1.0, 4.0]))
            loss = loss + seen[f"fresh{i}"]
        if said.any():
            logits = heads.decoder_before[i](state[said]).view(int(said.sum()) * 2, -1)
            seen[f"before{i}"] = F.cross_entropy(logits, before[said].flatten(), ignore_index=-100)
            loss = loss + seen[f"before{i}"]
    return loss, seen


# --- one forward pass --------------------------------------------------------------------------------------------

def _subsample(layer, x, mask=None):
    """The reference's convolution layer on channels-last memory: the same numbers without three copies of the largest arrays."""
    if mask is not None:
        x = x * mask[:, None, :, None]
    x = layer.conv(x.contiguous(memory_format=torch.channels_last))
    x = F.relu(layer.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    return x, mask[:, ::2] if mask is not None else None


def _half_precision(forward, *args, **kwargs):
    """The wide convolutions are bound by memory: BF16 halves the time of the audio tower."""
    with torch.autocast("cpu", torch.bfloat16):
        out = forward(*args, **kwargs)
    out.last_hidden_state = out.last_hidden_state.float()
    return out


def quicken(model):
    """Training speed only: the exported model runs the reference's unchanged code."""
    torch._dynamo.config.recompile_limit = 64  # kinds of layers, with and without gradients and masks
    for layer in [*model.model.vision_tower.encoder.layers, *model.model.language_model.layers]:
        layer.forward = torch.compile(layer.forward, dynamic=True)
    tower = model.model.audio_tower
    for layer in (tower.subsample_conv_projection.layer0, tower.subsample_conv_projection.layer1):
        layer.forward = functools.partial(_subsample, layer)
    tower.forward = functools.partial(_half_precision, tower.forward)


def unclipped(model):
    """Training runs without limits; export measures them (docs/training.md)."""
    for m in model.modules():
        if hasattr(m, "use_clipped_linears"):
            m.use_clipped_linears = False


class Watched:
    """The outputs of some layers during a forward pass."""

    def __init__(self, layers):
        self.layers, self.states = layers, []

    def __enter__(self):
        keep = lambda _, __, out: self.states.append(out[0] if isinstance(out, tuple) else out)
        self.hooks = [layer.register_forward_hook(keep) for layer in self.layers]
        return self.states

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def tower_rows(model, batch):
    """Soft tokens as the decoder will see them: [all tokens, 256] of pictures, [n, tokens, 256] of sounds; and the states of
    the patches after the four middle layers."""
    pixels_rows = sound_rows = early = None
    if "features" in batch:
        out = model.model.audio_tower(torch.from_numpy(batch["features"]), torch.from_numpy(batch["mask"]), return_dict=True)
        sound_rows = model.model.embed_audio(inputs_embeds=out.last_hidden_state)
    if "pixels" in batch:
        pixels = torch.from_numpy(batch["pixels"]).float().mul_(1 / 255)
        with torch.set_grad_enabled(torch.is_grad_enabled() and pixels.shape[0] * pixels.shape[1] < TOWER_LEARNS_BELOW):
            with Watched(model.model.vision_tower.encoder.layers[1:5]) as early:
                out = model.model.vision_tower(pixel_values=pixels, pixel_position_ids=torch.from_numpy(batch["places"]))
        pixels_rows = model.model.embed_vision(inputs_embeds=out.last_hidden_state)
    return pixels_rows, sound_rows, early


def dense(rows, batch, heads):
    loss, seen = 0.0, {}
    for part, losses in zip(rows, (picture_losses, sound_losses, early_losses)):
        if part is not None:
            more, told = losses(part, batch, heads)
            loss, seen = loss + more, {**seen, **told}
    return loss, seen


def answer_logits(model, batch, rows):
    """Logits, targets and weights at the positions whose next token is learnt. The merge of soft tokens is that of the reference's model."""
    inner, text = model.model, model.model.language_model
    ids, labels = torch.from_numpy(batch["ids"]), torch.from_numpy(batch["labels"])
    masks = [ids == nano.SPECIAL[t] for t in ("<|image|>", "<|audio|>", "<|video|>")]
    plain = torch.where(masks[0] | masks[1] | masks[2], 0, ids)
    embeds = text.embed_tokens(plain)
    per_layer = text.get_per_layer_inputs(plain, embeds)
    picture_rows, sound_rows, _ = rows
    if picture_rows is not None:
        embeds = embeds.masked_scatter((masks[0] | masks[2])[..., None].expand_as(embeds), picture_rows)
    if sound_rows is not None:
        valid = torch.from_numpy(batch["mask"])[:, ::2][:, ::2]
        embeds = embeds.masked_scatter(masks[1][..., None].expand_as(embeds), sound_rows[valid])
    with Watched([text.layers[i] for i in (1, 2, 3, 5)]) as states:
        out = inner.language_model(inputs_embeds=embeds, per_layer_inputs=per_layer, attention_mask=torch.from_numpy(batch["attention"]),
                                   use_cache=False, return_dict=True)
    want = labels[:, 1:]
    at = want != -100
    logits = model.lm_head(out.last_hidden_state[:, :-1][at])
    cap = model.config.text_config.final_logit_softcapping
    return torch.tanh(logits / cap) * cap, want[at], torch.from_numpy(batch["weights"])[:, 1:][at], states


# --- bookkeeping -------------------------------------------------------------------------------------------------

class Progress:
    """Running means by name, levels by kind with promotion, and the log file."""

    def __init__(self, path, levels, promote):
        """promote: for each kind the means, and what they must exceed for the next level."""
        self.means, self.path, self.levels, self.promote = {}, path, levels, promote
        self.at, self.since = dict.fromkeys(levels, 0), dict.fromkeys(levels, 0)

    def see(self, kind, seen):
        """Take in one batch; True when the kind rises to its next level."""
        self.since[kind] += 1
        for name, value in seen.items():
            value = float(value.detach())
            self.means[name] = self.means.get(name, value) * 0.97 + 0.03 * value
        good = all(self.means.get(n, 0.0) > least for n, least in self.promote[kind].items())
        if good and self.since[kind] > MIN_STEPS_AT_LEVEL and self.at[kind] + 1 < len(self.levels[kind]):
            self.at[kind], self.since[kind] = self.at[kind] + 1, 0
            return True
        return False

    def log(self, **row):
        row["levels"] = "/".join(str(v) for v in self.at.values())
        row.update({k: round(v, 4) for k, v in sorted(self.means.items())})
        print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
        with open(self.path, "a", newline="") as out:
            csv.writer(out).writerow([f"{k}={v}" for k, v in row.items()])


def groups(model, heads, tower_factor, wanted):
    """Parameter groups: rate factor, weight decay, and whether it is a matrix for Muon; tables and vectors do not decay."""
    named = [(n, p, tower_factor if nano.is_tower(n) else 1.0) for n, p in model.named_parameters() if wanted(n)]
    named += [("head", p, 1.0) for p in heads.parameters()]
    out = {}
    for name, p, factor in named:
        matrix = p.dim() == 2 and name != "head" and "embed_tokens" not in name and "depthwise" not in name
        decay = 0.01 if p.dim() >= 2 and "position" not in name and "embed_tokens" not in name else 0.0
        out.setdefault((factor, decay, matrix), []).append(p)
    return [dict(params=ps, factor=f, weight_decay=d, matrix=m) for (f, d, m), ps in out.items()]


class Average:
    """The running mean of the trained weights: what the noise of the steps hides, at any rate. It is what others take."""

    def __init__(self, named):
        self.parameters = dict(named)
        self.mean = {n: p.detach().clone() for n, p in self.parameters.items()}
        self.steps = 0

    @torch.no_grad()
    def see(self):
        self.steps += 1
        keep = min(AVERAGED, self.steps / (self.steps + 10))
        torch._foreach_lerp_(list(self.mean.values()), list(self.parameters.values()), 1 - keep)

    def load(self, state):
        for n, value in state["mean"].items():
            if n in self.mean:
                self.mean[n].copy_(value)
        self.steps = state["steps"]


def averaged(state):
    """Weights of model and heads in a checkpoint, the running means where there are any."""
    for n, value in state.get("average", {"mean": {}})["mean"].items():
        part, _, name = n.partition(" ")
        state[part][name] = value
    return state["model"], state["heads"]


def checkpoint(stage, part):
    return f"towers-{part}.pt" if stage == "towers" else stage + ".pt"


def in_child(body, *rest):
    """A producer dies by the signal that only makes the trainer stop; else the trainer would wait for it for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    body(*rest)


class Trainer:
    """What both stages share: model, optimiser, data process, checkpoints, the loop."""

    def __init__(self, args, rate, tower_factor, wanted, levels, promote):
        torch.manual_seed(0)
        self.args, self.rate, self.levels = args, args.rate or rate, levels
        self.model, self.heads = nano.fresh_model(), nano.Heads()
        unclipped(self.model)
        quicken(self.model)
        self.model.train()
        random.seed(args.worker)
        self.optimiser = optimiser.Both(groups(self.model, self.heads, tower_factor, wanted), rate)
        self.parameters = [p for g in self.optimiser.param_groups for p in g["params"]]
        self.average = Average([("model " + n, p) for n, p in self.model.named_parameters() if wanted(n)] +
                               [("heads " + n, p) for n, p in self.heads.named_parameters()])
        self.progress = Progress(os.path.join(args.work, f"log-{args.stage}-{args.part if args.stage == 'towers' else args.worker}.csv"), levels, promote)
        self.step, self.minutes, self.stop, self.followed = 0, 0.0, False, {}
        self.path = os.path.join(args.work, checkpoint(args.stage, args.part) + (f".{args.worker}" if args.worker else ""))

    def on_signal(self, *_):
        self.stop = True

    def load(self, path, everything):
        state = torch.load(path, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"], strict=False)  # a head that an older checkpoint lacks starts anew
        if everything:
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.minutes, self.progress.means = state["step"], state["minutes"], state["means"]
            self.progress.at.update(state["levels"])
            torch.set_rng_state(state["random"])
        self.average = Average(self.average.parameters.items())
        if "average" in state:
            self.average.load(state["average"])

    def load_folder(self, folder):
        """The weights of an exported model; heads are not part of it and start anew."""
        missing, strange = self.model.load_state_dict(safetensors.torch.load_file(os.path.join(folder, "model.safetensors")), strict=False)
        assert not strange and missing == ["lm_head.weight"], (missing, strange)
        unclipped(self.model)
        self.average = Average(self.average.parameters.items())

    def load_part(self, path, part):
        """One tower and its heads from its own checkpoint."""
        weights, heads = averaged(torch.load(path, weights_only=False))
        self.model.load_state_dict({k: v for k, v in weights.items() if part in k}, strict=False)
        own = {k: v for k, v in heads.items() if not k.startswith("decoder") and k.startswith("word") == (part == "audio")}
        self.heads.load_state_dict(own, strict=False)

    def follow(self, paths):
        """Take each tower from the trainer that works on it, whenever that has saved it."""
        for path in paths:
            now = os.stat(path).st_mtime_ns
            if now != self.followed.get(path):
                self.followed[path] = now
                self.load_part(path, "audio" if "audio" in os.path.basename(path) else "vision")

    def save(self):
        torch.save(dict(stage=self.args.stage, model=self.model.state_dict(), heads=self.heads.state_dict(),
                        average=dict(mean=self.average.mean, steps=self.average.steps),
                        optimiser=self.optimiser.state_dict(), step=self.step, minutes=self.minutes, levels=self.progress.at,
                        means=self.progress.means, random=torch.get_rng_state()), self.path + ".part")
        os.replace(self.path + ".part", self.path)

    def start_producer(self, body, *more):
        names = list(self.levels)
        self.shared_levels = mp.Array("i", [self.progress.at[n] for n in names])
        self.queue = mp.Queue(6)
        shares = TOWER_SHARES if self.args.stage == "towers" else SHARES
        self.shares = mp.Array("d", [0.0 if n in LATER else shares[n] for n in names])
        cache = os.path.join(self.args.work, "cache")
        seed = f"{self.args.stage} {self.step} {self.args.worker}"
        self.process = mp.Process(target=in_child, args=(body, self.queue, seed, cache, *more, names, self.shared_levels, self.shares), daemon=True)
        self.process.start()

    def set_rate(self, spent):
        """Warm-up over the first steps; with --cool a straight fall to a fiftieth over this run's minutes."""
        shape = min(1.0, (self.step + 1 - self.first_step) / WARM_UP)
        if self.args.cool:
            shape *= max(0.02, 1.0 - spent)
        for g in self.optimiser.param_groups:
            g["lr"] = self.rate * g["factor"] * shape

    def run(self, losses):
        common = None
        if self.args.share:
            common = meeting.Meeting(self.args.share, self.parameters, self.args.worker == 0)
        for sig in (signal.SIGTERM, signal.SIGINT):  # not earlier: the data process must not inherit this, or it can't be ended
            signal.signal(sig, self.on_signal)
        self.first_step = self.step
        started = saved = logged = time.time()
        begun, waited, limit = self.minutes, 0.0, self.args.minutes * 60
        while not self.stop and time.time() - started < limit:
            before = time.time()
            batch = self.queue.get()
            waited += time.time() - before
            self.set_rate((before - started) / limit)
            loss, seen = losses(batch)
            loss.backward()
            if self.step % self.args.gather == 0:
                torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
                self.optimiser.step()
                self.optimiser.zero_grad()
                self.average.see()
            if common and self.step % meeting.EVERY == 0:
                common.meet()
            now = time.time()
            self.step, self.minutes = self.step + 1, begun + (now - started) / 60
            if self.args.stage == "join" and self.progress.means.get("scene_right", 0.0) > LATER_FROM:
                self.shares[:] = [SHARES[n] for n in self.levels]
            if self.progress.see(batch["kind"], seen):
                self.shared_levels[list(self.levels).index(batch["kind"])] = self.progress.at[batch["kind"]]
            if now - logged > LOG_SECONDS:
                self.progress.log(time=int(now), stage=self.args.stage, step=self.step, minutes=round(self.minutes, 2),
                                  wait=round(waited / (now - logged), 2))
                logged, waited = now, 0.0
            if now - saved > SAVE_SECONDS:
                self.save()
                saved = now
        if common:
            common.meet()
        self.save()
        self.process.kill()


# --- stages ------------------------------------------------------------------------------------------------------

def towers(args):
    levels = {kind: batches.LEVELS[kind] for kind in PARTS[args.part]}
    trainer = Trainer(args, 1.5e-3, 1.0, lambda name: args.part in name, levels, {
        "scene": {"shape_acc": 0.86, "colour_acc": 0.86, "box_acc": 0.4}, "line": {"letter_acc": 0.75}, "sound": {"word_acc": 0.88}})
    if args.resume and os.path.exists(trainer.path):
        trainer.load(trainer.path, True)
    elif args.start:
        trainer.load_folder(args.start)
    trainer.start_producer(batches.produce)
    trainer.run(lambda batch: dense(tower_rows(trainer.model, batch), batch, trainer.heads))


def join(args):
    levels = {k: v for k, v in conversations.LEVELS.items() if k in args.kinds.split(",")}
    trainer = Trainer(args, 1.2e-3, 0.4, lambda name: not args.follow or not nano.is_tower(name), levels, {k: {k + "_right": JOIN_PROMOTE[k]} for k in levels})
    if args.resume and os.path.exists(trainer.path):
        trainer.load(trainer.path, True)
    else:
        if args.start:
            trainer.load_folder(args.start)
        for part in PARTS:
            trainer.load_part(os.path.join(args.work, checkpoint("towers", part)), part)
    trainer.start_producer(conversations.produce, os.path.join(args.work, "tokenizer"))

    def losses(batch):
        learns = not args.follow and random.random() < TOWERS_LEARN
        if args.follow:
            trainer.follow(args.follow)
        with torch.set_grad_enabled(learns):
            rows = tower_rows(trainer.model, batch)
            aux, seen = dense(rows, batch, trainer.heads) if learns else (0.0, {})
        logits, want, weights, states = answer_logits(trainer.model, batch, rows)
        lists, told = list_losses(states, batch, trainer.heads)
        seen.update(told)
        lm = (F.cross_entropy(logits, want, reduction="none") * weights).sum() / weights.sum()
        right = ((logits.argmax(-1) == want) * weights).sum() / weights.sum()
        seen[batch["kind"] + "_lm"], seen[batch["kind"] + "_right"] = lm, right
        return 2 * lm + 0.5 * aux + 0.8 * lists, seen

    trainer.run(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=["towers", "join"])
    parser.add_argument("--part", choices=list(PARTS), default="vision", help="which tower (stage towers)")
    parser.add_argument("--work", required=True, help="folder of checkpoints, log, tokenizer and caches; outside the repository")
    parser.add_argument("--minutes", type=float, required=True, help="stop after this long")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from STAGE.pt")
    parser.add_argument("--from", dest="start", metavar="FOLDER", help="start from the weights of an exported model")
    parser.add_argument("--follow", metavar="FILE", nargs="+", help="stage join: the towers stand still, but for what other trainers save in these files (towers-vision.pt, towers-audio.pt)")
    parser.add_argument("--kinds", default=",".join(SHARES), help="kinds of samples (stage join)")
    parser.add_argument("--rate", type=float, help="learning rate, instead of the stage's own")
    parser.add_argument("--gather", type=int, default=1, help="batches whose gradients make one step: for the joined decoder the optimiser's own work is a fifth of the time")
    parser.add_argument("--share", metavar="FILE", help="meet other trainers of this stage in FILE (see meeting.py)")
    parser.add_argument("--worker", type=int, default=0, help="number of this trainer; 0 sets the common values at its start")
    parser.add_argument("--cool", action="store_true", help="let the learning rate fall to the end of these minutes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(args.work, exist_ok=True)
    {"towers": towers, "join": join}[args.stage](args)


if __name__ == "__main__":
    main()
