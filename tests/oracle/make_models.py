"""Write tiny random-weight models of every Gemma 4 variant in the published file layout.

usage: make_models.py OUT_DIR [--variant e2b,e4b,31b,26b,12b,text] [--dtype f32|bf16|both] [--manifests]

OUT_DIR/VARIANT is the F32 model, OUT_DIR/VARIANT-bf16 the BF16 one. Every weight is a fixed function of (tensor
name, element index): hash_values() here and hash_model.c give the same bits. What differs between tensors (offset,
scale, shape, file) stands in manifests/VARIANT.json; --manifests writes it and configs/VARIANT/ anew, which the C
helper reads.
"""

import argparse
import json
import math
import os
import shutil
import struct
import tempfile
import zlib

import numpy as np

import recipes

HERE = os.path.dirname(os.path.abspath(__file__))
N_ENTRIES = 1298  # of tokenizer/tokenizer.json


# ---------------------------------------------------------------- weights

def fnv1a32(text):
    h = 0x811C9DC5
    for b in text.encode():
        h = ((h ^ b) * 0x01000193) & 0xFFFFFFFF
    return h


def hash_values(name, n, offset, scale):
    """value[i] = f32(offset + scale * u), u in [-1, 1) from 24 bits; the sum is in f64, where scale * u is exact."""
    x = (np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(fnv1a32(name))).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    u = ((x >> np.uint32(8)).astype(np.int64) - 8388608).astype(np.float64) / 8388608.0
    return (offset + scale * u).astype(np.float32)


def to_bf16_bits(v):
    b = np.ascontiguousarray(v).view(np.uint32).astype(np.uint64)
    return ((b + 0x7FFF + ((b >> 16) & 1)) >> 16).astype(np.uint16)


def short(x):
    """x with 8 significant bits: such a number is printed and read back exactly."""
    if x == 0:
        return 0.0
    m, e = math.frexp(x)
    return math.ldexp(round(m * 256), e - 8)


# ---------------------------------------------------------------- tensors of each part

class Tensors:
    def __init__(self):
        self.items = []  # (name, shape, offset, scale)

    def add(self, name, shape, offset, scale):
        self.items.append((name, list(shape), short(offset), short(scale)))

    def linear(self, name, n_out, n_in, gain=1.0):
        self.add(name, [n_out, n_in], 0.0, gain * math.sqrt(3.0 / n_in))

    def norm(self, name, n, centre=1.0, spread=0.5):
        self.add(name + ".weight", [n], centre, spread)

    def clipped(self, name, n_out, n_in, lim_in=1.75, lim_out=1.75, low_in=None):
        """low_in: where the input comes from SiLU, whose least value is -0.28."""
        self.linear(name + ".linear.weight", n_out, n_in)
        self.add(name + ".input_min", [], -(low_in or lim_in), 0.0625 if low_in else 0.25)
        self.add(name + ".input_max", [], lim_in, 0.25)
        self.add(name + ".output_min", [], -lim_out, 0.25)
        self.add(name + ".output_max", [], lim_out, 0.25)

    def maybe_clipped(self, clip, name, n_out, n_in, lim_in=1.75, lim_out=1.75, low_in=None):
        if clip:
            self.clipped(name, n_out, n_in, lim_in, lim_out, low_in)
        else:
            self.linear(name + ".linear.weight", n_out, n_in)


def layer_plan(t):
    """[(is_full, is_shared)] of the decoder's layers."""
    types = t.get("layer_types")
    n = t["num_hidden_layers"]
    if types is None:
        types = ["full_attention" if (i + 1) % 6 == 0 or i == n - 1 else "sliding_attention" for i in range(n)]
    first_shared = n - t.get("num_kv_shared_layers", 0)
    return [(types[i] == "full_attention", i >= first_shared) for i in range(n)]


def text_tensors(out, t, prefix, shared_kv_tensors):
    h, v, ple = t["hidden_size"], t["vocab_size"], t.get("hidden_size_per_layer_input", 0)
    n_layers, n_heads = t["num_hidden_layers"], t["num_attention_heads"]
    out.add(prefix + "embed_tokens.weight", [v, h], 0.0, 0.04)
    if ple:
        out.add(prefix + "embed_tokens_per_layer.weight", [v, n_layers * ple], 0.0, 1.5 / math.sqrt(ple))
        out.linear(prefix + "per_layer_model_projection.weight", n_layers * ple, h, 4.0)
        out.norm(prefix + "per_layer_projection_norm", ple)
    for i, (full, shared) in enumerate(layer_plan(t)):
        p = f"{prefix}layers.{i}."
        d = t["global_head_dim"] if full else t["head_dim"]
        k_eq_v = full and t.get("attention_k_eq_v", False)
        n_kv = t["num_key_value_heads"]
        if k_eq_v and t.get("num_global_key_value_heads"):
            n_kv = t["num_global_key_value_heads"]
        wide = 2 if shared and t.get("use_double_wide_mlp") else 1
        ffn = t["intermediate_size"] * wide
        for name in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                     "post_feedforward_layernorm"):
            out.norm(p + name, h)
        out.linear(p + "self_attn.q_proj.weight", n_heads * d, h)
        out.norm(p + "self_attn.q_norm", d, 0.75, 0.4)
        if not shared or shared_kv_tensors:
            out.linear(p + "self_attn.k_proj.weight", n_kv * d, h)
            out.norm(p + "self_attn.k_norm", d, 0.75, 0.4)
            if not k_eq_v:
                out.linear(p + "self_attn.v_proj.weight", n_kv * d, h)
        out.linear(p + "self_attn.o_proj.weight", h, n_heads * d)
        out.linear(p + "mlp.gate_proj.weight", ffn, h)
        out.linear(p + "mlp.up_proj.weight", ffn, h)
        out.linear(p + "mlp.down_proj.weight", h, ffn)
        out.add(p + "layer_scalar", [1], 0.85, 0.3)
        if ple:
            out.linear(p + "per_layer_input_gate.weight", ple, h)
            out.linear(p + "per_layer_projection.weight", h, ple)
            out.norm(p + "post_per_layer_input_norm", h)
        if t.get("enable_moe_block"):
            e, w = t["num_experts"], t["moe_intermediate_size"]
            out.linear(p + "router.proj.weight", e, h, 2.0 * math.sqrt(h))
            out.add(p + "router.scale", [h], 1.0, 0.5)
            out.add(p + "router.per_expert_scale", [e], 1.0, 0.5)
            out.add(p + "experts.gate_up_proj", [e, 2 * w, h], 0.0, math.sqrt(3.0 / h))
            out.add(p + "experts.down_proj", [e, h, w], 0.0, math.sqrt(3.0 / w))
            for name in ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2",
                         "pre_feedforward_layernorm_2"):
                out.norm(p + name, h)
    out.norm(prefix + "norm", h, 16.0, 10.0)


def vision_tensors(out, v, h_text):
    p, h, d, n_heads = "model.vision_tower.", v["hidden_size"], v["head_dim"], v["num_attention_heads"]
    clip = v["use_clipped_linears"]
    out.linear(p + "patch_embedder.input_proj.weight", h, 3 * v["patch_size"] ** 2)
    out.add(p + "patch_embedder.position_embedding_table", [2, v["position_embedding_size"], h], 0.0, 0.8)
    for i in range(v["num_hidden_layers"]):
        q = f"{p}encoder.layers.{i}."
        for name in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                     "post_feedforward_layernorm"):
            out.norm(q + name, h)
        for name in ("q_proj", "k_proj", "v_proj"):
            out.maybe_clipped(clip, q + "self_attn." + name, n_heads * d, h)
        out.maybe_clipped(clip, q + "self_attn.o_proj", h, n_heads * d, 0.75, 0.75)
        out.norm(q + "self_attn.q_norm", d)
        out.norm(q + "self_attn.k_norm", d)
        out.maybe_clipped(clip, q + "mlp.gate_proj", v["intermediate_size"], h)
        out.maybe_clipped(clip, q + "mlp.up_proj", v["intermediate_size"], h)
        out.maybe_clipped(clip, q + "mlp.down_proj", h, v["intermediate_size"], 1.25, 1.0)
    if v["standardize"]:
        out.add(p + "std_bias", [h], 1.0, 6.0)
        out.add(p + "std_scale", [h], 0.25, 0.15)
    out.linear("model.embed_vision.embedding_projection.weight", h_text, h)


def audio_tensors(out, a, h_text):
    p, h = "model.audio_tower.", a["hidden_size"]
    c0, c1 = a["subsampling_conv_channels"]
    s = p + "subsample_conv_projection."
    out.add(s + "layer0.conv.weight", [c0, 1, 3, 3], 0.0, math.sqrt(3.0 / 9))
    out.norm(s + "layer0.norm", c0)
    out.add(s + "layer1.conv.weight", [c1, c0, 3, 3], 0.0, math.sqrt(3.0 / (9 * c0)))
    out.norm(s + "layer1.norm", c1)
    out.linear(s + "input_proj_linear.weight", h, (c0 // 4) * c1)
    clip = a["use_clipped_linears"]
    for i in range(a["num_hidden_layers"]):
        q = f"{p}layers.{i}."
        # In one block the first layer's output limits bite, in the other the second's input limits: behind SiLU
        # either would hide the other.
        for ff, out_1, in_2, low_2 in (("feed_forward1.", 1.25, 2.0, None), ("feed_forward2.", 2.5, 1.0, 0.1875)):
            out.norm(q + ff + "pre_layer_norm", h)
            out.norm(q + ff + "post_layer_norm", h)
            out.maybe_clipped(clip, q + ff + "ffw_layer_1", 4 * h, h, 1.75, out_1)
            out.maybe_clipped(clip, q + ff + "ffw_layer_2", h, 4 * h, in_2, 0.75, low_2)
        for name in ("norm_pre_attn", "norm_post_attn", "norm_out"):
            out.norm(q + name, h)
        for name in ("q_proj", "k_proj", "v_proj"):
            out.maybe_clipped(clip, q + "self_attn." + name, h, h, 1.75, 1.25)
        out.maybe_clipped(clip, q + "self_attn.post", h, h, 0.875, 1.0)
        out.linear(q + "self_attn.relative_k_proj.weight", h, h)
        out.add(q + "self_attn.per_dim_scale", [h // a["num_attention_heads"]], 0.5, 1.0)
        out.norm(q + "lconv1d.pre_layer_norm", h)
        out.norm(q + "lconv1d.conv_norm", h)
        out.maybe_clipped(clip, q + "lconv1d.linear_start", 2 * h, h)
        out.add(q + "lconv1d.depthwise_conv1d.weight", [h, 1, a["conv_kernel_size"]], 0.1, 0.6)
        out.maybe_clipped(clip, q + "lconv1d.linear_end", h, h, 1.25, 0.75, 0.1875)
    out.linear(p + "output_proj.weight", a["output_proj_dims"], h)
    out.add(p + "output_proj.bias", [a["output_proj_dims"]], 0.1, 0.5)
    out.linear("model.embed_audio.embedding_projection.weight", h_text, a["output_proj_dims"])


def unified_tensors(out, v, a, h_text):
    p, e = "model.vision_embedder.", v["mm_embed_dim"]
    n_in = 3 * (v["patch_size"] * v["pooling_kernel_size"]) ** 2
    for name, n in (("patch_ln1", n_in), ("patch_ln2", e), ("pos_norm", e)):
        out.norm(p + name, n)
        out.add(p + name + ".bias", [n], 0.0, 0.3)
    out.linear(p + "patch_dense.weight", e, n_in, 4.0)
    out.add(p + "patch_dense.bias", [e], 0.0, 0.5)
    out.add(p + "pos_embedding", [v["mm_posemb_size"], 2, e], 0.0, 0.8)
    out.linear("model.embed_vision.embedding_projection.weight", h_text, e)
    out.linear("model.embed_audio.embedding_projection.weight", h_text, a["audio_embed_dim"])


# ---------------------------------------------------------------- configurations

def types(pattern):
    return [{"S": "sliding_attention", "F": "full_attention"}[c] for c in pattern]


def text_config(**kw):
    t = {"model_type": "gemma4_text", "vocab_size": N_ENTRIES, "vocab_size_per_layer_input": N_ENTRIES,
         "hidden_size_per_layer_input": 0, "attention_bias": False, "attention_dropout": 0.0,
         "attention_k_eq_v": False, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
         "enable_moe_block": False, "final_logit_softcapping": 30.0, "hidden_activation": "gelu_pytorch_tanh",
         "initializer_range": 0.02, "max_position_embeddings": 131072, "moe_intermediate_size": None,
         "num_experts": None, "num_global_key_value_heads": None, "num_kv_shared_layers": 0,
         "rms_norm_eps": 1e-06, "tie_word_embeddings": True, "top_k_experts": None,
         "use_bidirectional_attention": None, "use_cache": True, "use_double_wide_mlp": False,
         "rope_parameters": {
             "full_attention": {"partial_rotary_factor": 0.25, "rope_theta": 1000000.0, "rope_type": "proportional"},
             "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}}
    t.update(kw)
    return t


def vision_config(**kw):
    v = {"model_type": "gemma4_vision", "attention_bias": False, "attention_dropout": 0.0,
         "default_output_length": 280, "hidden_activation": "gelu_pytorch_tanh", "initializer_range": 0.02,
         "max_position_embeddings": 131072, "patch_size": 16, "pooling_kernel_size": 3,
         "position_embedding_size": 512, "rms_norm_eps": 1e-06,
         "rope_parameters": {"rope_theta": 100.0, "rope_type": "axial"},
         "standardize": False, "use_clipped_linears": True}
    v.update(kw)
    v["num_key_value_heads"] = v["num_attention_heads"]
    return v


def audio_config(**kw):
    a = {"model_type": "gemma4_audio", "attention_chunk_size": 12, "attention_context_left": 13,
         "attention_context_right": 0, "attention_invalid_logits_value": -1000000000.0,
         "attention_logit_cap": 50.0, "conv_kernel_size": 5, "gradient_clipping": 10000000000.0,
         "hidden_act": "silu", "initializer_range": 0.02, "residual_weight": 0.5, "rms_norm_eps": 1e-06,
         "use_clipped_linears": True}
    a.update(kw)
    return a


VARIANTS = {
    # flat configuration; KV-shared layers still carry k, v and k_norm, as published
    "e2b": dict(style="flat", shards=1, shared_kv_tensors=True, text=text_config(
        hidden_size=88, num_hidden_layers=8, layer_types=types("SSFSFSSF"), num_attention_heads=4,
        num_key_value_heads=1, head_dim=16, global_head_dim=32, intermediate_size=136, sliding_window=24,
        num_kv_shared_layers=3, use_double_wide_mlp=True, hidden_size_per_layer_input=20),
        vision=vision_config(hidden_size=40, num_attention_heads=5, head_dim=8, intermediate_size=84,
                             num_hidden_layers=3),
        audio=audio_config(hidden_size=48, num_attention_heads=4, num_hidden_layers=2,
                           subsampling_conv_channels=[128, 12], output_proj_dims=52)),
    # per_layer_config; more embedding rows than tokens; other chunk and kernel sizes in the audio tower
    "e4b": dict(style="per_layer", shards=1, shared_kv_tensors=False, text=text_config(
        vocab_size=N_ENTRIES + 37, vocab_size_per_layer_input=N_ENTRIES + 37,
        hidden_size=76, num_hidden_layers=7, layer_types=types("SSSFSSF"), num_attention_heads=6,
        num_key_value_heads=2, head_dim=20, global_head_dim=40, intermediate_size=156, sliding_window=16,
        num_kv_shared_layers=3, hidden_size_per_layer_input=12),
        vision=vision_config(hidden_size=48, num_attention_heads=4, head_dim=12, intermediate_size=100,
                             num_hidden_layers=2),
        audio=audio_config(hidden_size=40, num_attention_heads=5, num_hidden_layers=3, conv_kernel_size=5,
                           subsampling_conv_channels=[128, 8], output_proj_dims=44)),
    "31b": dict(style="per_layer", shards=3, shared_kv_tensors=False, text=text_config(
        hidden_size=104, num_hidden_layers=7, layer_types=types("SSSSSFF"), num_attention_heads=8,
        num_key_value_heads=4, num_global_key_value_heads=2, head_dim=16, global_head_dim=32,
        intermediate_size=200, sliding_window=32, attention_k_eq_v=True, use_bidirectional_attention="vision",
        max_position_embeddings=262144),
        vision=vision_config(hidden_size=60, num_attention_heads=5, head_dim=12, intermediate_size=136,
                             num_hidden_layers=3, standardize=True, use_clipped_linears=False),
        audio=None),
    # flat configuration without layer_types
    "26b": dict(style="flat", shards=1, shared_kv_tensors=False, text=text_config(
        hidden_size=96, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2,
        num_global_key_value_heads=1, head_dim=24, global_head_dim=48, intermediate_size=72,
        sliding_window=20, attention_k_eq_v=True, use_bidirectional_attention="vision",
        max_position_embeddings=262144, enable_moe_block=True, num_experts=8, top_k_experts=2,
        moe_intermediate_size=40),
        vision=vision_config(hidden_size=56, num_attention_heads=7, head_dim=8, intermediate_size=132,
                             num_hidden_layers=2, standardize=True, use_clipped_linears=False),
        audio=None),
    "12b": dict(style="flat", shards=1, shared_kv_tensors=False, unified=True, text=text_config(
        model_type="gemma4_unified_text", hidden_size=112, num_hidden_layers=6, layer_types=types("SSSSSF"),
        num_attention_heads=4, num_key_value_heads=2, num_global_key_value_heads=1, head_dim=28,
        global_head_dim=56, intermediate_size=184, sliding_window=28, attention_k_eq_v=True,
        use_bidirectional_attention="vision", max_position_embeddings=262144),
        vision={"model_type": "gemma4_unified_vision", "initializer_range": 0.02, "mm_embed_dim": 112,
                "mm_posemb_size": 128, "model_patch_size": 48, "output_proj_dims": 112, "patch_size": 16,
                "pooling_kernel_size": 3, "rms_norm_eps": 1e-06},
        audio={"model_type": "gemma4_unified_audio", "audio_embed_dim": 640, "audio_samples_per_token": 640,
               "hidden_size": 640, "output_proj_dims": 640, "initializer_range": 0.02, "rms_norm_eps": 1e-06}),
    # a text-only checkpoint (Gemma4ForCausalLM)
    "text": dict(style="per_layer", shards=1, shared_kv_tensors=False, text=text_config(
        hidden_size=72, num_hidden_layers=5, layer_types=types("SFSSF"), num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, global_head_dim=32, intermediate_size=120, sliding_window=16,
        num_kv_shared_layers=2, hidden_size_per_layer_input=16), vision=None, audio=None),
}


def saved_text_config(variant):
    """The text part as published (flat) or as newer releases save it (per_layer_config)."""
    t = dict(variant["text"])
    plan = layer_plan(t)
    if variant["style"] == "flat":
        if t["use_bidirectional_attention"] is None and t["num_experts"] is None:
            t.pop("top_k_experts")
        if t["model_type"] == "gemma4_unified_text":
            for k in ("vocab_size_per_layer_input", "hidden_size_per_layer_input", "enable_moe_block",
                      "num_experts", "top_k_experts", "moe_intermediate_size"):
                t.pop(k, None)
        return t
    over = {"head_dim": t.pop("global_head_dim")}
    kv = t.pop("num_global_key_value_heads", None)
    if kv and t["attention_k_eq_v"]:
        over["num_key_value_heads"] = kv
    t["per_layer_config"] = {str(i): dict(over) for i, (full, _) in enumerate(plan) if full}
    return t


def configs(name, variant, dtype):
    vocab = json.load(open(os.path.join(HERE, "tokenizer", "tokenizer.json")))["model"]["vocab"]
    torch_dtype = {"f32": "float32", "bf16": "bfloat16"}[dtype]
    t = saved_text_config(variant)
    unified = variant.get("unified", False)
    if variant["vision"] is None and variant["audio"] is None:
        conf = dict(t, architectures=["Gemma4ForCausalLM"], dtype=torch_dtype, transformers_version="5.24.0")
    else:
        t["dtype"] = torch_dtype
        eoa = "eoa_token_index" if variant["style"] == "flat" else "eoa_token_id"
        conf = {"architectures": ["Gemma4UnifiedForConditionalGeneration" if unified
                                  else "Gemma4ForConditionalGeneration"],
                "audio_config": variant["audio"], "audio_token_id": vocab["<|audio|>"],
                "boa_token_id": vocab["<|audio>"], "boi_token_id": vocab["<|image>"], "dtype": torch_dtype,
                eoa: vocab["<audio|>"], "eoi_token_id": vocab["<image|>"], "eos_token_id": [1, 106],
                "image_token_id": vocab["<|image|>"], "initializer_range": 0.02,
                "model_type": "gemma4_unified" if unified else "gemma4", "text_config": t,
                "tie_word_embeddings": True, "transformers_version": "5.24.0",
                "video_token_id": vocab["<|video|>"], "vision_config": variant["vision"],
                "vision_soft_tokens_per_image": 280}
    gen = {"bos_token_id": 2, "do_sample": True, "eos_token_id": [1, 106, 50], "pad_token_id": 0,
           "temperature": 1.0, "top_k": 64, "top_p": 0.95, "transformers_version": "5.24.0"}
    if unified:
        gen["suppress_tokens"] = [vocab["<audio|>"], vocab["<image|>"]]
    files = {"config.json": conf, "generation_config.json": gen}
    if "architectures" in conf and conf["architectures"][0] != "Gemma4ForCausalLM":
        files["processor_config.json"] = processor_config(variant, unified)
    return files


def processor_config(variant, unified):
    pre = "Gemma4Unified" if unified else "Gemma4"
    image = {"do_convert_rgb": True, "do_normalize": False, "do_rescale": True, "do_resize": True,
             "image_mean": [0.0, 0.0, 0.0], "image_processor_type": pre + "ImageProcessor",
             "image_seq_length": 280, "image_std": [1.0, 1.0, 1.0], "max_soft_tokens": 280, "patch_size": 16,
             "pooling_kernel_size": 3, "resample": 3, "rescale_factor": 0.00392156862745098}
    video = {"do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
             "do_sample_frames": True, "image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0],
             "max_soft_tokens": 70, "num_frames": 32, "patch_size": 16, "pooling_kernel_size": 3, "resample": 3,
             "rescale_factor": 0.00392156862745098, "return_metadata": False,
             "video_processor_type": pre + "VideoProcessor"}
    conf = {"audio_ms_per_token": 40, "audio_seq_length": 750, "image_processor": image, "image_seq_length": 280,
            "processor_class": pre + "Processor", "video_processor": video}
    if variant["audio"] is None:
        return conf
    if unified:
        conf["feature_extractor"] = {"audio_samples_per_token": 640, "feature_size": 640,
                                     "feature_extractor_type": "Gemma4UnifiedAudioFeatureExtractor",
                                     "padding_side": "right", "padding_value": 0.0, "sampling_rate": 16000}
    else:
        conf["feature_extractor"] = {
            "dither": 0.0, "feature_extractor_type": "Gemma4AudioFeatureExtractor", "feature_size": 128,
            "fft_length": 512, "fft_overdrive": False, "frame_length": 320, "hop_length": 160,
            "input_scale_factor": 1.0, "max_frequency": 8000.0, "mel_floor": 0.001, "min_frequency": 0.0,
            "padding_side": "right", "padding_value": 0.0, "per_bin_mean": None, "per_bin_stddev": None,
            "preemphasis": 0.0, "preemphasis_htk_flavor": True, "return_attention_mask": True,
            "sampling_rate": 16000}
    return conf


# ---------------------------------------------------------------- manifest and files

def manifest(name, variant):
    out = Tensors()
    prefix = "model." if variant["vision"] is None else "model.language_model."
    h = variant["text"]["hidden_size"]
    text_tensors(out, variant["text"], prefix, variant["shared_kv_tensors"])
    if variant.get("unified"):
        unified_tensors(out, variant["vision"], variant["audio"], h)
    else:
        if variant["vision"]:
            vision_tensors(out, variant["vision"], h)
        if variant["audio"]:
            audio_tensors(out, variant["audio"], h)
    items = sorted(out.items)
    total = sum(math.prod(s) for _, s, _, _ in items)
    per_shard, tensors, at = -(-total // variant["shards"]), [], 0
    for n, s, o, c in items:
        tensors.append([n, s, o, c, min(at // per_shard, variant["shards"] - 1)])
        at += math.prod(s)
    k = variant["shards"]
    files = ["model.safetensors"] if k == 1 else [f"model-{i + 1:05d}-of-{k:05d}.safetensors" for i in range(k)]
    return {"model": name, "files": files, "tensors": tensors}


def save_manifest(man, path):
    with open(path, "w") as f:
        f.write('{"model": %s, "files": %s,\n "fields": ["name", "shape", "offset", "scale", "file"],\n "tensors": [\n'
                % (json.dumps(man["model"]), json.dumps(man["files"])))
        f.write(",\n".join(json.dumps(t) for t in man["tensors"]))
        f.write("\n]}\n")


def write_safetensors(path, tensors, dtype):
    size = 4 if dtype == "f32" else 2
    header, at = {}, 0
    for name, shape, _, _, _ in tensors:
        n = math.prod(shape) * size
        header[name] = {"dtype": dtype.upper(), "shape": shape, "data_offsets": [at, at + n]}
        at += n
    header["__metadata__"] = {"format": "pt"}
    text = json.dumps({k: header[k] for k in sorted(header)}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape, offset, scale, _ in tensors:
            v = hash_values(name, math.prod(shape), offset, scale)
            f.write((v if dtype == "f32" else to_bf16_bits(v)).tobytes())
    return at


def write_configs(out, files):
    os.makedirs(out, exist_ok=True)
    for file, doc in files.items():
        with open(os.path.join(out, file), "w") as f:
            json.dump(doc, f, indent=2, sort_keys=True)
            f.write("\n")


def write_model(out, name, dtype):
    variant, man = VARIANTS[name], json.load(open(os.path.join(HERE, "manifests", name + ".json")))
    os.makedirs(out, exist_ok=True)
    write_configs(out, configs(name, variant, dtype))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(HERE, "tokenizer", file), os.path.join(out, file))
    total = 0
    for k, file in enumerate(man["files"]):
        total += write_safetensors(os.path.join(out, file), [t for t in man["tensors"] if t[4] == k], dtype)
    if len(man["files"]) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": {t[0]: man["files"][t[4]] for t in man["tensors"]}}
        with open(os.path.join(out, "model.safetensors.index.json"), "w") as f:
            json.dump(index, f, indent=2, sort_keys=True)
            f.write("\n")
    return total


def checksums():
    """CRC-32 of every file of every model, and of one picture and one sound: what the C helpers must make."""
    sums = {}
    with tempfile.TemporaryDirectory() as tmp:
        for name in VARIANTS:
            for suffix, dtype in (("", "f32"), ("-bf16", "bf16")):
                folder = os.path.join(tmp, name + suffix)
                write_model(folder, name, dtype)
                for file in sorted(os.listdir(folder)):
                    with open(os.path.join(folder, file), "rb") as f:
                        sums[f"{name}{suffix}/{file}"] = f"{zlib.crc32(f.read()):08x}"
    sums["picture 150x90 seed 3 noise 16"] = f"{zlib.crc32(recipes.picture(150, 90, 3, 16).tobytes()):08x}"
    for seed in (1, 5):
        sums[f"sound 20000 seed {seed}"] = f"{zlib.crc32(recipes.sound(20000, seed).astype('<i2').tobytes()):08x}"
    return sums


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--variant", default=",".join(VARIANTS))
    ap.add_argument("--dtype", choices=["f32", "bf16", "both"], default="both")
    ap.add_argument("--manifests", action="store_true")
    args = ap.parse_args()
    for name in args.variant.split(","):
        if args.manifests:
            os.makedirs(os.path.join(HERE, "manifests"), exist_ok=True)
            save_manifest(manifest(name, VARIANTS[name]), os.path.join(HERE, "manifests", name + ".json"))
            write_configs(os.path.join(HERE, "configs", name), configs(name, VARIANTS[name], "f32"))
        for dtype in ("f32", "bf16"):
            if args.dtype in (dtype, "both"):
                folder = os.path.join(args.out, name + ("-bf16" if dtype == "bf16" else ""))
                print(folder, write_model(folder, name, dtype), "bytes")
    if args.manifests:
        with open(os.path.join(HERE, "checksums.json"), "w") as f:
            json.dump(checksums(), f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
