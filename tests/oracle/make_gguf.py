"""Write a Gemma 4 folder as the two GGUF files that people have: the text model and its mmproj.

usage: make_gguf.py FOLDER OUT [--name N] [--type T] [--mmproj-type T] [options]

The `gguf` package (0.19.0) writes, rounds and names; what it does not know about Gemma 4 (the encoder-free
model) stands here. Keys, array forms, layouts and the type of each tensor are those of llama.cpp's converter;
nothing of tessera is used. OUT gets N.gguf (or N-00001-of-0000M.gguf ...) and mmproj-N.gguf; a text-only folder
gives no mmproj. Options make the other forms that files in the wild have.

T: f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 mxfp4 as the package rounds; q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs, which
it can only decode, as random blocks of the tensor's own loudness: such a file is another model than FOLDER, and
write() tells which. "mixed" takes for each tensor one of those that fit. A row that is not whole blocks becomes F16.
"""

import argparse
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

# Offsets of a block's f16 scales, and what the second must be, in units of the first, for a mean near zero.
RANDOM_BLOCKS = {T.Q2_K: ([80, 82], 1.5), T.Q3_K: ([108], 0), T.Q4_K: ([0, 2], 7.5), T.Q5_K: ([0, 2], 15.5),
                 T.Q6_K: ([208], 0), T.IQ4_NL: ([0], 0), T.IQ4_XS: ([0], 0)}
TYPES = {t.name.lower(): t for t in [T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.MXFP4,
                                     *RANDOM_BLOCKS]}
FILE_TYPES = {T.F32: "ALL_F32"}
SUFFIXES = (".weight", ".bias", ".input_max", ".input_min", ".output_max", ".output_min")
# Rendered as text in the chat, so that a parser sees them.
VISIBLE = ["<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>",
           '<|"|>']


@dataclass
class Options:
    type: str = "f32"
    mmproj_type: str = ""         # as `type` unless named
    split_experts: bool = False   # ffn_gate_exps and ffn_up_exps instead of the fused tensor
    shared_kv: str = "keep"       # of layers that share K and V: keep what there is, drop it, or fill with noise
    split_max_tensors: int = 0    # several files
    only: str = ""                # "vision" or "audio": an mmproj of one modality
    plain_key: bool = False       # clip.projector_type instead of clip.vision.projector_type (with `only`)
    audio_eps: float = 1e-6
    cut_rows: bool = False        # drop embedding rows beyond those that the converter counts
    extras: bool = False          # keys that other converters add
    sparse: bool = False          # none of the keys that readers can do without
    output: bool = False          # an output matrix of its own, equal to the embedding
    position_type: str = ""       # type of the position table instead of F32
    patch_type: str = ""          # of the patch kernel, else F16 where `type` is f16 and F32 elsewhere
    seed: int = 1
    alignment: int = 0            # other than 32; the package forgets it in all parts but the first


# ---------------------------------------------------------------- the folder

class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.config = json.loads((self.path / "config.json").read_text())
        self.text = self.config.get("text_config", self.config)
        self.vision, self.audio = self.config.get("vision_config"), self.config.get("audio_config")
        self.unified = "unified" in self.config["model_type"]
        self.where = {}  # name: (file, dtype, shape, begin, end)
        for file in sorted(self.path.glob("*.safetensors")):
            with open(file, "rb") as f:
                n = struct.unpack("<Q", f.read(8))[0]
                header = json.loads(f.read(n))
            for name, d in header.items():
                if name != "__metadata__":
                    b, e = d["data_offsets"]
                    self.where[name] = (file, d["dtype"], d["shape"], 8 + n + b, 8 + n + e)

    def array(self, name):
        file, dtype, shape, begin, end = self.where[name]
        with open(file, "rb") as f:
            f.seek(begin)
            raw = f.read(end - begin)
        if dtype == "BF16":
            a = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            a = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)
        return a.reshape(shape)

    # Older files have flat fields, newer ones an override for each full layer.

    def is_sliding(self):
        t, n = self.text, self.text["num_hidden_layers"]
        kinds = t.get("layer_types") or ["full" if (i + 1) % 6 == 0 or i == n - 1 else "sliding" for i in range(n)]
        return [k.startswith("sliding") for k in kinds]

    def of_full_layers(self, key, flat_key):
        if self.text.get(flat_key) is not None:
            return self.text[flat_key]
        over = self.text.get("per_layer_config") or {}
        values = {o[key] for o in over.values() if key in o}
        assert len(values) <= 1, (key, values)
        return values.pop() if values else None

    def ple(self):
        return 0 if self.unified else self.text.get("hidden_size_per_layer_input", 256) or 0


# ---------------------------------------------------------------- types

def quantize(a, qtype, seed):
    """The bytes (or floats) of one tensor, and its type: F16 where a row is not whole blocks."""
    if qtype not in (T.F32, T.F16) and a.shape[-1] % GGML_QUANT_SIZES[qtype][0] != 0:
        qtype = T.F16
    if qtype in RANDOM_BLOCKS:
        return random_blocks(a, qtype, np.random.default_rng(seed)), qtype
    return gguf.quants.quantize(np.ascontiguousarray(a), qtype), qtype


def random_blocks(a, qtype, rng):
    """Blocks of random bits under scales of both signs that give the rms of `a`."""
    elems, size = GGML_QUANT_SIZES[qtype]
    offsets, ratio = RANDOM_BLOCKS[qtype]
    blocks = rng.integers(0, 256, (a.size // elems, size), dtype=np.uint8)
    scale = rng.uniform(0.75, 1.25, len(blocks)) * np.where(rng.integers(0, 3, len(blocks)) == 0, -1, 1)

    def put(unit):
        for at, k in zip(offsets, (1.0, ratio)):
            half = (scale * unit * k).astype("<f2")
            blocks[:, at:at + 2] = half.view(np.uint8).reshape(-1, 2)

    put(1.0)
    rms = np.sqrt(np.mean(np.square(gguf.quants.dequantize(blocks, qtype), dtype=np.float64)))
    put(float(np.sqrt(np.mean(np.square(a, dtype=np.float64)))) / rms)
    return blocks.reshape(*a.shape[:-1], a.shape[-1] // elems * size)


def type_of(name, a, wanted, forced, seed):
    """The rules of the converter for tensors that stay in F32 whatever the file's type is."""
    if a.ndim <= 1 or name.endswith("_norm.weight"):
        return T.F32
    if forced is not None:
        return forced
    if not name.endswith(".weight") or name.endswith("ffn_gate_inp.weight"):
        return T.F32
    if wanted != "mixed":
        return TYPES[wanted]
    fitting = [t for t in TYPES.values() if t != T.F32 and a.shape[-1] % GGML_QUANT_SIZES[t][0] == 0]
    return fitting[(zlib.crc32(name.encode()) + seed) % len(fitting)] if fitting else T.F16


class Maker:
    """Writes one file, or its parts, and remembers which of FOLDER's values it changed."""

    def __init__(self, folder, arch, wanted, opts, path):
        self.folder, self.wanted, self.opts = folder, wanted, opts
        self.changed = {}  # FOLDER's name: what a reader finds instead
        self.writer = gguf.GGUFWriter(Path(path), arch, split_max_tensors=opts.split_max_tensors)
        if opts.alignment:
            self.writer.add_custom_alignment(opts.alignment)

    def add(self, name, a, forced=None):
        """Returns the values that a reader finds, in the layout of `a`."""
        seed = self.opts.seed
        qtype = type_of(name, a, self.wanted, forced, seed)
        data, qtype = quantize(a, qtype, zlib.crc32(name.encode()) + seed)
        self.writer.add_tensor(name, data, raw_dtype=qtype)
        return gguf.quants.dequantize(data, qtype).reshape(a.shape)

    def note(self, hf, values):
        self.changed[hf] = values.reshape(self.folder.where[hf][2])

    def file_type(self):
        first = {"mixed": T.Q8_0}.get(self.wanted) or TYPES[self.wanted]
        name = FILE_TYPES.get(first, "MOSTLY_" + first.name)
        kind = getattr(gguf.LlamaFileType, name, None) or getattr(gguf.LlamaFileType, name + "_M", None)
        return int(kind if kind is not None else gguf.LlamaFileType.MOSTLY_F16)

    def finish(self):
        self.writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


# ---------------------------------------------------------------- the text model

def text_keys(w, f, opts):
    t, sliding, n = f.text, f.is_sliding(), f.text["num_hidden_layers"]
    rope = t["rope_parameters"]
    d, d_full = t["head_dim"], f.of_full_layers("head_dim", "global_head_dim") or t["head_dim"]
    shared = t.get("num_kv_shared_layers", 0)
    w.add_block_count(n)
    w.add_context_length(t["max_position_embeddings"])
    w.add_embedding_length(t["hidden_size"])
    w.add_head_count(t["num_attention_heads"])
    ffn = t["intermediate_size"]
    wide = t.get("use_double_wide_mlp", False)
    w.add_feed_forward_length([ffn if i < n - shared else 2 * ffn for i in range(n)] if wide else ffn)
    kv, kv_full = t["num_key_value_heads"], f.of_full_layers("num_key_value_heads", "num_global_key_value_heads")
    w.add_head_count_kv(kv if kv_full is None else [kv if s else kv_full for s in sliding])
    w.add_layer_norm_rms_eps(t["rms_norm_eps"])
    if t.get("final_logit_softcapping"):
        w.add_final_logit_softcapping(t["final_logit_softcapping"])
    w.add_sliding_window(t["sliding_window"])
    w.add_sliding_window_pattern(sliding)
    w.add_shared_kv_layers(shared)
    w.add_embedding_length_per_layer_input(f.ple())
    w.add_key_length(d_full)
    w.add_value_length(d_full)
    w.add_key_length_swa(d)
    w.add_value_length_swa(d)
    if t.get("num_experts"):
        w.add_expert_count(t["num_experts"])
        w.add_expert_used_count(t["top_k_experts"])
        w.add_expert_feed_forward_length(t["moe_intermediate_size"])
    w.add_rope_freq_base(rope["full_attention"]["rope_theta"])
    if not opts.sparse:
        w.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
        w.add_rope_dimension_count(d_full)
        w.add_rope_dimension_count_swa(d)
    if opts.extras:
        w.add_vocab_size(t["vocab_size"])


def tokenizer_keys(w, f, opts):
    vocab = gguf.LlamaHfVocab(f.path)
    tokens, scores, kinds = [], [], []
    for text, score, kind in vocab.all_tokens():
        tokens.append(text)
        scores.append(score)
        kinds.append(gguf.TokenType.USER_DEFINED if text.decode() in VISIBLE else kind)
    special = gguf.SpecialVocab(f.path, load_merges=True)
    w.add_tokenizer_model("gemma4")
    w.add_token_list(tokens)
    if not opts.sparse:
        w.add_token_scores(scores)
    w.add_token_types(kinds)
    generation = f.path / "generation_config.json"
    suppress = json.loads(generation.read_text()).get("suppress_tokens") if generation.exists() else None
    if f.unified and suppress:
        w.add_array("tokenizer.ggml.suppress_tokens", suppress)
    if opts.sparse:
        w.add_token_merges(special.merges)
        return len(tokens)
    special.add_to_gguf(w, quiet=True)
    w.add_add_space_prefix(False)
    if not special.add_special_token.get("bos"):
        w.add_add_bos_token(True)
    if opts.extras:
        w.add_tokenizer_pre("gemma4")
        w.add_chat_template("{{ bos_token }}{# a template #}")
    return len(tokens)


def rope_freqs(f):
    full = f.text["rope_parameters"]["full_attention"]
    d = f.of_full_layers("head_dim", "global_head_dim") or f.text["head_dim"]
    turned = int(d * full.get("partial_rotary_factor", 1.0) / 2)
    return np.array([1.0] * turned + [1e30] * (d // 2 - turned), np.float32)


def first_rows(f, n_tokens):
    """How many rows of the embedding the converter keeps: it counts added tokens twice."""
    return n_tokens + len(json.loads((f.path / "tokenizer.json").read_text())["added_tokens"])


def text_tensors(m, f, opts, n_tokens):
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA4, f.text["num_hidden_layers"])
    first_shared = f.text["num_hidden_layers"] - f.text.get("num_kv_shared_layers", 0)
    m.add("rope_freqs.weight", rope_freqs(f))
    for hf in f.where:
        if f.vision is None and f.audio is None or "language_model." in hf or hf.startswith("lm_head"):
            text_tensor(m, opts, names, first_shared, hf, n_tokens)
    if opts.output:
        hf = next(n for n in f.where if n.endswith("embed_tokens.weight"))
        m.add("output.weight", m.changed[hf], T.F32)
    if opts.shared_kv == "fill":
        fill_shared(m, f, first_shared)


def text_tensor(m, opts, names, first_shared, hf, n_tokens):
    name, a = hf.replace("language_model.", ""), m.folder.array(hf)
    layer = int(name.split(".")[2]) if ".layers." in name else -1
    if layer >= first_shared and name.split(".")[-2] in ("k_proj", "v_proj", "k_norm") and opts.shared_kv != "keep":
        return
    if name.endswith("experts.gate_up_proj") and opts.split_experts:
        halves = np.split(a, 2, axis=1)
        m.note(hf, np.concatenate([m.add(f"blk.{layer}.ffn_{part}_exps.weight", half)
                                   for part, half in zip(("gate", "up"), halves)], 1))
        return
    if name.endswith("router.scale"):
        name = f"blk.{layer}.ffn_gate_inp.scale"
    elif name.endswith("per_expert_scale"):
        name = f"blk.{layer}.ffn_down_exps.scale"
    else:
        if name.endswith(("layer_scalar", "experts.gate_up_proj", "experts.down_proj")):
            name += ".weight"
        name = names.get_name(name, try_suffixes=SUFFIXES)
    if name == "token_embd.weight" and opts.cut_rows:
        m.add(name, a[:first_rows(m.folder, n_tokens)])
    else:
        m.note(hf, m.add(name, a))


def fill_shared(m, f, first_shared):
    """Tensors that nobody may use, in layers that share K and V."""
    rng, t, k_eq_v = np.random.default_rng(m.opts.seed), f.text, f.text.get("attention_k_eq_v", False)
    for i, sliding in enumerate(f.is_sliding()):
        if i < first_shared:
            continue
        d, n_kv = t["head_dim"], t["num_key_value_heads"]
        if not sliding:
            d = f.of_full_layers("head_dim", "global_head_dim") or d
            n_kv = k_eq_v and f.of_full_layers("num_key_value_heads", "num_global_key_value_heads") or n_kv
        m.add(f"blk.{i}.attn_k.weight", rng.normal(0, 1, (n_kv * d, t["hidden_size"])).astype(np.float32))
        m.add(f"blk.{i}.attn_k_norm.weight", rng.normal(0, 1, d).astype(np.float32))
        if not (k_eq_v and not sliding):
            m.add(f"blk.{i}.attn_v.weight", rng.normal(0, 1, (n_kv * d, t["hidden_size"])).astype(np.float32))


def write_text(folder, path, opts):
    """Returns FOLDER's tensors as a reader finds them."""
    f = Folder(folder)
    m = Maker(f, "gemma4", opts.type, opts, path)
    m.writer.add_type(gguf.GGUFType.MODEL)
    m.writer.add_name(f.path.name)
    if opts.extras:
        m.writer.add_tags(["any-to-any", "test"])
        m.writer.add_languages([])
    text_keys(m.writer, f, opts)
    m.writer.add_file_type(m.file_type())
    text_tensors(m, f, opts, tokenizer_keys(m.writer, f, opts))
    m.finish()
    return m.changed


# ---------------------------------------------------------------- the towers

UNIFIED = {"patch_ln1.": "v.patch_norm.1.", "patch_ln2.": "v.patch_norm.2.", "pos_norm.": "v.patch_norm.3.",
           "patch_dense.": "v.patch_embd.", "pos_embedding": "v.position_embd.weight"}


def vision_keys(w, f, opts):
    v = f.vision
    kind = "gemma4uv" if f.unified else "gemma4v"
    w.add_clip_has_vision_encoder(True)
    w.add_clip_projector_type(kind) if opts.plain_key else w.add_clip_vision_projector_type(kind)
    w.add_vision_projection_dim(f.text["hidden_size"])
    w.add_vision_image_size(224)
    w.add_vision_patch_size(v["patch_size"])
    w.add_vision_embedding_length(v["mm_embed_dim"] if f.unified else v["hidden_size"])
    w.add_vision_feed_forward_length(0 if f.unified else v["intermediate_size"])
    w.add_vision_block_count(0 if f.unified else v["num_hidden_layers"])
    w.add_vision_head_count(0 if f.unified else v["num_attention_heads"])
    w.add_vision_image_mean([0.0, 0.0, 0.0])
    w.add_vision_image_std([1.0, 1.0, 1.0])
    w.add_vision_attention_layernorm_eps(1e-6)
    if opts.extras:
        w.add_vision_projector_scale_factor(v["pooling_kernel_size"])


def audio_keys(w, f, opts):
    a = f.audio
    kind = "gemma4ua" if f.unified else "gemma4a"
    w.add_clip_has_audio_encoder(True)
    w.add_clip_projector_type(kind) if opts.plain_key else w.add_clip_audio_projector_type(kind)
    w.add_audio_projection_dim(f.text["hidden_size"])
    w.add_audio_embedding_length(a["audio_embed_dim"] if f.unified else a["hidden_size"])
    w.add_audio_feed_forward_length(0 if f.unified else 4 * a["hidden_size"])
    w.add_audio_block_count(0 if f.unified else a["num_hidden_layers"])
    w.add_audio_head_count(0 if f.unified else a["num_attention_heads"])
    w.add_audio_num_mel_bins(128)  # also of the encoder-free model, which has none
    w.add_audio_attention_layernorm_eps(opts.audio_eps)


def channel_first(n):
    """For each column of a kernel in (channel, row, column) order the one in (row, column, channel) order."""
    side = round((n / 3) ** 0.5)
    return np.arange(n).reshape(side, side, 3).transpose(2, 0, 1).ravel()


def add_permuted(m, hf, name, a, shape, forced=None):
    """Columns go from (row, column, channel) to (channel, row, column); `shape` is the file's."""
    order = channel_first(a.shape[-1])
    got = m.add(name, a[..., order].reshape(shape), forced).reshape(a.shape)
    m.note(hf, got[..., np.argsort(order)])


def patch_type(m):
    return TYPES[m.opts.patch_type or ("f16" if m.wanted == "f16" else "f32")]


def unified_tensor(m, opts, hf, a):
    part = next(p for p in UNIFIED if "." + p in hf)
    name = UNIFIED[part] + ("" if part == "pos_embedding" else hf.rsplit(".", 1)[1])
    if part == "pos_embedding":
        kind = TYPES[opts.position_type or "f32"]
        m.note(hf, m.add(name, a.transpose(1, 0, 2), kind).transpose(1, 0, 2))
    elif part == "patch_ln1." or name == "v.patch_embd.weight":
        add_permuted(m, hf, name, a, a.shape, patch_type(m))
    else:
        m.note(hf, m.add(name, a))


def audio_tensor(m, names, hf, a):
    name = hf.replace("model.audio_tower.", "conformer.").replace(".linear.", ".")
    if name.endswith("per_dim_scale"):
        softplus = np.log1p(np.exp(a.astype(np.float64))).astype(np.float32)
        m.add(names.get_name(name + ".weight", try_suffixes=SUFFIXES), softplus)
        return
    conv = ".conv" in hf or "_conv" in hf
    shape = a[:, 0] if "depthwise_conv1d" in hf else a
    m.note(hf, m.add(names.get_name(name, try_suffixes=SUFFIXES), shape, T.F32 if conv else None))


def vision_tensor(m, opts, names, hf, a):
    name = hf.replace("model.vision_tower.encoder.", "vision_model.model.").replace(".linear.", ".")
    if hf.endswith("patch_embedder.input_proj.weight"):
        side = round((a.shape[1] / 3) ** 0.5)
        shape = (a.shape[0], 3, side, side)
        add_permuted(m, hf, names.get_name(name, try_suffixes=SUFFIXES), a, shape, patch_type(m))
        return
    table = name.endswith("position_embedding_table")
    name = names.get_name(name + (".weight" if table else ""), try_suffixes=SUFFIXES)
    m.note(hf, m.add(name, a, TYPES[opts.position_type or "f32"] if table else None))


def tower_tensors(m, f, opts):
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, 128)
    for hf in f.where:
        if "language_model." in hf or hf.startswith("lm_head"):
            continue
        sound = "audio_tower" in hf or "embed_audio" in hf
        if opts.only and sound != (opts.only == "audio"):
            continue
        a = f.array(hf)
        a = a.reshape(1) if a.ndim == 0 else a
        if hf.endswith("embedding_projection.weight"):
            m.note(hf, m.add("mm.a.input_projection.weight" if sound else "mm.input_projection.weight", a))
        elif sound:
            audio_tensor(m, names, hf, a)
        elif f.unified:
            unified_tensor(m, opts, hf, a)
        else:
            vision_tensor(m, opts, names, hf, a)


def write_mmproj(folder, path, opts):
    f = Folder(folder)
    m = Maker(f, "clip", opts.mmproj_type or opts.type, opts, path)
    m.writer.add_type(gguf.GGUFType.MMPROJ)
    m.writer.add_name(f.path.name)
    m.writer.add_file_type(m.file_type())
    if f.vision is not None and opts.only != "audio":
        vision_keys(m.writer, f, opts)
    if f.audio is not None and opts.only != "vision":
        audio_keys(m.writer, f, opts)
    tower_tensors(m, f, opts)
    m.finish()
    return m.changed


# ---------------------------------------------------------------- both

def write(folder, out, name, opts):
    """Both files into `out`. Returns (text path, mmproj path or None, FOLDER's tensors as a reader finds them)."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    changed = write_text(folder, out / f"{name}.gguf", opts)
    parts = sorted(out.glob(f"{name}-00001-of-*.gguf"))
    text, mmproj, f = (parts[0] if parts else out / f"{name}.gguf"), None, Folder(folder)
    if f.vision is not None or f.audio is not None:
        mmproj = out / f"mmproj-{name}.gguf"
        one_file = Options(**{**vars(opts), "split_max_tensors": 0})
        changed.update(write_mmproj(folder, mmproj, one_file))
    return text, mmproj, changed


def write_decoded(folder, out, changed, bf16=()):
    """FOLDER again, in F32, with the values that a reader of the GGUF files finds; tensors named in `bf16` in that."""
    f, out = Folder(folder), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for file in f.path.glob("*.json"):
        if not file.name.endswith("index.json"):
            (out / file.name).write_text(file.read_text().replace('"bfloat16"', '"float32"'))
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (_, _, shape, _, _) in f.where.items():
        n = (2 if name in bf16 else 4) * int(np.prod(shape))
        header[name] = {"dtype": "BF16" if name in bf16 else "F32", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(out / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in f.where:
            data = np.ascontiguousarray(changed.get(name, f.array(name)), "<f4").tobytes()
            file.write(np.frombuffer(data, "<u2")[1::2].tobytes() if name in bf16 else data)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder")
    ap.add_argument("out")
    ap.add_argument("--name", default="")
    for key, default in vars(Options()).items():
        flag = "--" + key.replace("_", "-")
        if isinstance(default, bool):
            ap.add_argument(flag, action="store_true")
        else:
            ap.add_argument(flag, default=default, type=type(default))
    args = vars(ap.parse_args())
    folder, out, name = (args.pop(k) for k in ("folder", "out", "name"))
    text, mmproj, _ = write(folder, out, name or Path(folder).name, Options(**args))
    print(text, mmproj or "")


if __name__ == "__main__":
    main()
