"""The reference behind make_refs.py: transformers' own model code in F32, attention "eager", one thread.

Prompts are rendered here by the template's rules, because the published template itself is not kept; pixels come
from Pillow through the reference's Pillow image processor, sounds through its feature extractors.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, DynamicCache
from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
from transformers.models.gemma4.image_processing_pil_gemma4 import (
    Gemma4ImageProcessorPil,
    get_aspect_ratio_preserving_size,
)
from transformers.models.gemma4_unified import modeling_gemma4_unified as unified
from transformers.models.gemma4_unified.feature_extraction_gemma4_unified import Gemma4UnifiedAudioFeatureExtractor

torch.set_num_threads(1)
torch.set_grad_enabled(False)

PLACEHOLDERS = {"image": "<|image|>", "audio": "<|audio|>", "video": "<|video|>"}
TOKEN_TYPE = {"image": 1, "video": 2, "audio": 3}


def load_model(folder, dtype="auto"):
    """dtype float32 on a BF16 folder upcasts the weights; the embedding scales keep their BF16 rounding."""
    text_only = "ForCausalLM" in open(os.path.join(folder, "config.json")).read()
    cls = AutoModelForCausalLM if text_only else AutoModelForImageTextToText
    m, info = cls.from_pretrained(folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    assert not any(info.values()), info
    m.text_only = text_only
    m.is_unified = "Unified" in type(m).__name__
    m.lm = m.model if text_only else m.model.language_model
    if folder.endswith("-bf16") and dtype == torch.float32:
        for e in (m.lm.embed_tokens, getattr(m.lm, "embed_tokens_per_layer", None)):
            if e is not None:
                e.embed_scale = e.embed_scale.to(torch.bfloat16).float()
    return m.eval()


class Prompt:
    """Token ids, rendered with every placeholder expanded."""

    def __init__(self, tokenizer):
        self.tok, self.ids = tokenizer, []
        self.pending = ""

    def text(self, s):
        self.pending += s

    def control(self, *names):
        """Control tokens; text between two of them is one run for the tokenizer and is never parsed for control."""
        self.flush()
        for n in names:
            i = self.tok.token_to_id(n)
            assert i is not None, n
            self.ids.append(i)

    def flush(self):
        if self.pending:
            self.tok.encode_special_tokens = True
            self.ids += self.tok.encode(self.pending, add_special_tokens=False).ids
            self.pending = ""

    def parsed(self, s):
        """Text whose control tokens count (raw mode); other text may stand before it."""
        specials = sorted((t.content for t in self.tok.get_added_tokens_decoder().values()), key=len, reverse=True)
        at = 0
        while at < len(s):
            hit = next((t for t in specials if s.startswith(t, at)), None)
            if hit:
                self.control(hit)
                at += len(hit)
            else:
                self.pending += s[at]
                at += 1


def trim(s):
    return s.strip()


def media_tokens(p, part):
    kind, n = part["kind"], part["n_tokens"]
    if kind == "image":
        p.control("<|image>", *[PLACEHOLDERS["image"]] * n, "<image|>")
    elif kind == "audio":
        p.control("<|audio>", *[PLACEHOLDERS["audio"]] * n, "<audio|>")
    else:
        for k, t in enumerate(part["seconds"]):
            p.text((" " if k else "") + f"{int(t // 60):02d}:{int(t % 60):02d} ")
            p.control("<|image>", *[PLACEHOLDERS["video"]] * (n // len(part["seconds"])), "<image|>")


def render(folder, parts, think, raw, empty_thought):
    p = Prompt(Tokenizer.from_file(os.path.join(folder, "tokenizer.json")))
    if raw:
        first = parts[0]["text"] if parts[0]["kind"] == "text" else ""
        if not first.startswith("<bos>"):
            p.control("<bos>")
        for part in parts:
            if part["kind"] == "text":
                p.parsed(part["text"])
            else:
                media_tokens(p, part)
        p.flush()
        return p.ids
    p.control("<bos>")
    systems = [x["text"] for x in parts if x["kind"] == "system"]
    assert len(systems) <= 1
    if systems or think:
        p.control("<|turn>")
        p.text("system\n")
        if think:
            p.control("<|think|>")
            p.text("\n")
        p.text("".join(trim(s) for s in systems))
        p.control("<turn|>")
        p.text("\n")
    p.control("<|turn>")
    p.text("user\n")
    for part in parts:
        if part["kind"] == "text":
            p.text(trim(part["text"]))
        elif part["kind"] != "system":
            media_tokens(p, part)
    p.control("<turn|>")
    p.text("\n")
    p.control("<|turn>")
    p.text("model\n")
    if empty_thought and not think:
        p.control("<|channel>")
        p.text("thought\n")
        p.control("<channel|>")
    p.flush()
    return p.ids


# ---------------------------------------------------------------- media to features

def fit(rgb, budget):
    """The picture after the resize, uint8 [h, w, 3]."""
    h, w = get_aspect_ratio_preserving_size(rgb.shape[0], rgb.shape[1], 16, 9 * budget, 3)
    if (h, w) == rgb.shape[:2]:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((w, h), resample=Image.BICUBIC))


def unified_patches(scaled):
    """[h, w, 3] in 0..1 -> patches [n, 6912] and positions [n, 2] of 48-pixel blocks."""
    h, w = scaled.shape[0] // 48, scaled.shape[1] // 48
    patches = scaled.reshape(h, 48, w, 48, 3).transpose(0, 2, 1, 3, 4).reshape(h * w, 6912)
    y, x = np.mgrid[0:h, 0:w]
    return patches, np.stack([x.ravel(), y.ravel()], -1)


def tower_patches(scaled):
    h, w = scaled.shape[0] // 16, scaled.shape[1] // 16
    patches = scaled.reshape(h, 16, w, 16, 3).transpose(0, 2, 1, 3, 4).reshape(h * w, 768)
    y, x = np.mgrid[0:h, 0:w]
    return patches, np.stack([x.ravel(), y.ravel()], -1)


def pad(patches, positions, n):
    k = n - len(patches)
    return (np.pad(patches, [(0, k), (0, 0)]), np.pad(positions, [(0, k), (0, 0)], constant_values=-1))


def image_features(m, rgb, budget):
    """pixels after the resize and (patches, positions), padded to the budget as the reference does."""
    pixels = fit(rgb, budget)
    if m.is_unified:
        scaled = pixels.astype(np.float32) * np.float32(1 / 255)
        return pixels, pad(*unified_patches(scaled), budget)
    f = Gemma4ImageProcessorPil(max_soft_tokens=budget)(Image.fromarray(rgb), return_tensors="np")
    patches, positions = f["pixel_values"][0], f["image_position_ids"][0]
    own, _ = tower_patches((pixels.astype(np.float64) * (1 / 255)).astype(np.float32))
    assert np.array_equal(patches[: len(own)], own), "the processor's pixels differ from Pillow's"
    return pixels, (patches, positions)


def frame_features(m, rgb, budget):
    pixels = fit(rgb, budget)
    scaled = pixels.astype(np.float32) / np.float32(255)
    cut = unified_patches if m.is_unified else tower_patches
    return pixels, pad(*cut(scaled), budget if m.is_unified else 9 * budget)


def audio_features(m, clips):
    """[(valid feature rows)] per clip and the batch as the reference pads it."""
    fe = Gemma4UnifiedAudioFeatureExtractor() if m.is_unified else Gemma4AudioFeatureExtractor()
    f = fe([c for c in clips], return_tensors="np")
    feats, mask = np.asarray(f["input_features"], np.float32), np.asarray(f["input_features_mask"], bool)
    return [x[k] for x, k in zip(feats, mask)], feats, mask


def vision_rows(m, pairs, big):
    patches = torch.from_numpy(np.stack([p for p, _ in pairs])).float()
    positions = torch.from_numpy(np.stack([q for _, q in pairs])).long()
    if not m.is_unified:  # eager keeps a score matrix per head; for the largest budgets that is too much memory
        m.model.vision_tower.config._attn_implementation = "sdpa" if big else "eager"
    return list(m.model.get_image_features(patches, positions, return_dict=True).pooler_output), patches, positions


# ---------------------------------------------------------------- one case

class Run:
    """Everything of one case: features, rows, prompt, logits, greedy tokens."""

    def __init__(self, m, folder, parts, opts):
        self.m, self.rungs, self.kw = m, {}, {}
        self.parts = [dict(p) for p in parts]
        self.encode_media(opts)
        large = m.is_unified or (not m.text_only and not m.config.text_config.hidden_size_per_layer_input)
        self.ids = render(folder, self.parts, opts["think"], opts["raw"], large)

    def encode_media(self, opts):
        m, parts = self.m, self.parts
        k = {id(p): i for i, p in enumerate(p for p in parts if p["kind"] in TOKEN_TYPE)}
        images = [p for p in parts if p["kind"] == "image"]
        films = [p for p in parts if p["kind"] == "video"]
        sounds = [p for p in parts if p["kind"] == "audio"]
        if images:
            pairs = []
            for p in images:
                pixels, pair = image_features(m, p["rgb"], opts["budget"])
                self.rungs[f"part{k[id(p)]}_pixels"] = pixels
                pairs.append(pair)
            rows, patches, positions = vision_rows(m, pairs, opts["budget"] > 560)
            self.kw.update(pixel_values=patches, image_position_ids=positions)
            for p, r in zip(images, rows):
                p["n_tokens"] = len(r)
                self.rungs[f"part{k[id(p)]}_rows"] = r.float().numpy()
        if films:
            pairs, counts = [], []
            for p in films:
                frames = [frame_features(m, rgb, 70) for rgb in p["frames"]]
                self.rungs[f"part{k[id(p)]}_pixels"] = np.stack([f[0] for f in frames])
                pairs += [f[1] for f in frames]
                counts.append(len(frames))
            rows, patches, positions = vision_rows(m, pairs, False)
            self.kw.update(pixel_values_videos=patches, video_position_ids=positions,
                           num_frames_per_video=torch.tensor(counts))
            at = 0
            for p, n in zip(films, counts):
                r = torch.cat(rows[at:at + n])
                at, p["n_tokens"] = at + n, len(r)
                self.rungs[f"part{k[id(p)]}_rows"] = r.float().numpy()
        if sounds:
            feats, batch, mask = audio_features(m, [p["samples"] for p in sounds])
            batch, mask = torch.from_numpy(batch), torch.from_numpy(mask)
            out = m.model.get_audio_features(batch.to(m.dtype), mask, return_dict=True)
            self.kw.update(input_features=batch.to(m.dtype), input_features_mask=mask)
            for p, f, rows, valid in zip(sounds, feats, out.pooler_output, out.attention_mask):
                p["n_tokens"] = int(valid.sum())
                self.rungs[f"part{k[id(p)]}_mel"] = f
                self.rungs[f"part{k[id(p)]}_rows"] = rows[valid].float().numpy()

    def token_types(self, ids):
        types = torch.zeros_like(ids)
        for kind, i in (("image", self.m.config.image_token_id), ("video", self.m.config.video_token_id),
                        ("audio", self.m.config.audio_token_id)):
            types[ids == i] = TOKEN_TYPE[kind]
        return types

    def prefill(self, ids, cache, **extra):
        m, kw = self.m, dict(extra)
        if m.text_only:
            return m(input_ids=ids, cache=cache, use_cache=cache is not None, **kw)
        types = self.token_types(ids)
        kw.update(self.kw)
        if m.is_unified:
            # The plain forward opens the blocks in all layers; this is the rule of the static-cache masks.
            shape = torch.zeros(1, ids.shape[1], m.config.text_config.hidden_size, dtype=m.dtype)
            kw["attention_mask"] = unified.create_masks_for_vision_model(
                config=m.config.text_config, inputs_embeds=shape, attention_mask=None, cache=cache,
                position_ids=torch.arange(ids.shape[1])[None],
                block_sequence_ids=unified.get_block_sequence_ids_for_mask(types, device=ids.device))
        elif m.config.text_config.use_bidirectional_attention == "vision":
            kw["mm_token_type_ids"] = types
        return m(input_ids=ids, cache=cache, use_cache=cache is not None, **kw)

    def hidden(self):
        """After each layer, before the final norm: [layers, positions, hidden]."""
        got = []
        hooks = [layer.register_forward_hook(lambda mod, a, o: got.append((o[0] if isinstance(o, tuple) else o).clone()))
                 for layer in self.m.lm.layers]
        self.prefill(torch.tensor([self.ids]), None)
        for h in hooks:
            h.remove()
        return torch.cat(got).float().numpy()

    def banned(self):
        """Ids that are never sampled: placeholders always, and what generation_config.json suppresses."""
        if self.m.text_only:
            tok = Tokenizer.from_file(os.path.join(self.m.config._name_or_path, "tokenizer.json"))
            return [tok.token_to_id(t) for t in PLACEHOLDERS.values()]
        c = self.m.config
        return [c.image_token_id, c.audio_token_id, c.video_token_id] + list(
            self.m.generation_config.suppress_tokens or [])

    def generate(self, max_tokens, cached=True):
        """prompt logits [positions, V], greedy ids with the stop token, margin of each step."""
        m = self.m
        stops = m.generation_config.eos_token_id
        banned = self.banned()
        ids = torch.tensor([self.ids])
        cache = DynamicCache(config=m.config.get_text_config()) if cached else None
        out = self.prefill(ids, cache)
        logits = out.logits[0].float()
        last, tokens, margins = logits[-1].clone(), [], []
        while True:
            last[banned] = -float("inf")
            top = last.topk(2)
            tokens.append(int(top.indices[0]))
            margins.append(float(top.values[0] - top.values[1]))
            if len(tokens) == max_tokens or tokens[-1] in stops:
                break
            ids = torch.cat([ids, top.indices[None, :1]], 1)
            if cached:
                last = m(input_ids=ids[:, -1:], cache=cache, use_cache=True).logits[0, -1].float().clone()
            else:
                last = self.prefill(ids, None).logits[0, -1].float().clone()
        return logits.numpy(), tokens, margins
