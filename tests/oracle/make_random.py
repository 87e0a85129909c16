"""Make models of other dimensions than make_models.py's: transformers builds them from configurations drawn from a
seed, fills in random weights and saves them in its own layout.

usage: make_random.py OUT [--only NAME]

Every kind of Gemma 4 is there. Dimensions of "k256" are multiples of 256, so that every block type fits its rows.
"""

import argparse
import json
import os
import re
import shutil
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers

HERE = Path(__file__).parent
EXTRA = json.loads((HERE / "configs" / "e2b" / "config.json").read_text())


def text(pattern, **kw):
    t = dict(vocab_size=1298, vocab_size_per_layer_input=1298, num_hidden_layers=len(pattern),
             layer_types=[{"S": "sliding_attention", "F": "full_attention"}[c] for c in pattern],
             hidden_size_per_layer_input=0, num_kv_shared_layers=0, max_position_embeddings=4096,
             final_logit_softcapping=30.0, tie_word_embeddings=True, use_bidirectional_attention=None,
             bos_token_id=2, eos_token_id=1, pad_token_id=0, rms_norm_eps=1e-6)
    t.update(kw)
    return t


def vision(hidden, heads, layers, ffn, clip, std):
    return dict(hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=heads, head_dim=hidden // heads,
                num_hidden_layers=layers, intermediate_size=ffn, patch_size=16, pooling_kernel_size=3,
                position_embedding_size=600, use_clipped_linears=clip, standardize=std, rms_norm_eps=1e-6)


def audio(hidden, heads, layers, out, channels):
    return dict(hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=layers, output_proj_dims=out,
                subsampling_conv_channels=[128, channels], use_clipped_linears=True)


MODELS = {
    # E2B's kind: double-wide FFN in shared layers, head dims that are not twice each other
    "small": ("gemma4", text("SSSFSSFSF", hidden_size=132, num_attention_heads=6, num_key_value_heads=1, head_dim=8,
                             global_head_dim=24, intermediate_size=52, sliding_window=11, num_kv_shared_layers=4,
                             use_double_wide_mlp=True, hidden_size_per_layer_input=28),
              vision(52, 13, 2, 60, True, False), audio(56, 7, 1, 36, 4)),
    # E4B's kind, no layer shared
    "k256": ("gemma4", text("SSF", hidden_size=256, num_attention_heads=4, num_key_value_heads=2, head_dim=64,
                            global_head_dim=128, intermediate_size=512, sliding_window=40,
                            hidden_size_per_layer_input=256),
             vision(256, 4, 2, 512, True, False), audio(256, 2, 1, 256, 8)),
    # 26B's: experts; the dense branch wider than the model; every expert used
    "experts": ("gemma4", text("SFSSF", hidden_size=64, num_attention_heads=8, num_key_value_heads=4,
                               num_global_key_value_heads=2, head_dim=16, global_head_dim=24, intermediate_size=96,
                               sliding_window=7, attention_k_eq_v=True, use_bidirectional_attention="vision",
                               enable_moe_block=True, num_experts=6, top_k_experts=6, moe_intermediate_size=32),
                vision(48, 3, 3, 40, False, True), None),
    # 31B's, K and V apart, one KV head in the sliding layers
    "dense": ("gemma4", text("SSSFSSSF", hidden_size=96, num_attention_heads=4, num_key_value_heads=1, head_dim=32,
                             global_head_dim=40, intermediate_size=160, sliding_window=19,
                             use_bidirectional_attention="vision"),
              vision(64, 8, 1, 96, False, True), None),
    # 12B's
    "whole": ("gemma4_unified", text("SFSF", hidden_size=80, num_attention_heads=5, num_key_value_heads=5,
                                     num_global_key_value_heads=1, head_dim=12, global_head_dim=20,
                                     intermediate_size=100, sliding_window=50, attention_k_eq_v=True,
                                     use_bidirectional_attention="vision"),
              dict(mm_embed_dim=80, output_proj_dims=80, mm_posemb_size=96, patch_size=16, pooling_kernel_size=3,
                   model_patch_size=48), dict(audio_embed_dim=640, hidden_size=640, output_proj_dims=640,
                                              audio_samples_per_token=640)),
}


def config_of(name):
    kind, t, v, a = MODELS[name]
    ids = {k: EXTRA[k] for k in EXTRA if k.endswith(("token_id", "token_index")) and k != "eos_token_id"}
    if kind == "gemma4":
        cls = transformers.Gemma4Config
    else:
        cls = transformers.Gemma4UnifiedConfig
        t = {k: x for k, x in t.items() if k not in ("hidden_size_per_layer_input", "vocab_size_per_layer_input")}
    return cls(text_config=t, vision_config=v, audio_config=a, eos_token_id=[1, 106], tie_word_embeddings=True, **ids)


def fill(name, p, rng):
    """Loud enough that every tensor matters, tame enough that greedy tokens are sure."""
    n_in = p.shape[-1] if p.ndim > 1 else 1

    def normal(centre, spread):
        p.copy_(centre + spread * torch.randn(p.shape, generator=rng))

    if re.search(r"(input|output)_(min|max)$", name):
        sign = -1 if name.endswith("min") else 1
        p.copy_(sign * (1.2 + 1.3 * torch.rand(p.shape, generator=rng)))
    elif name.endswith("layer_scalar"):
        p.copy_(0.7 + 0.5 * torch.rand(p.shape, generator=rng))
    elif name.endswith("language_model.norm.weight"):
        normal(16, 5)
    elif name.endswith("std_bias"):
        normal(1, 3)
    elif name.endswith("std_scale"):
        normal(0.25, 0.1)
    elif name.endswith("embed_tokens.weight"):
        normal(0, 0.03)
    elif name.endswith("embed_tokens_per_layer.weight"):
        normal(0, 0.05)
    elif name.endswith("router.proj.weight"):
        normal(0, 1.5)
    elif name.endswith(("router.scale", "per_expert_scale")):
        normal(1, 0.3)
    elif re.search(r"pos(ition)?_embedding", name):
        normal(0, 0.5)
    elif name.endswith("per_dim_scale"):
        normal(0.3, 0.7)
    elif name.endswith(("q_norm.weight", "k_norm.weight")):  # scores have no other scale
        normal(1.2 * len(p) ** -0.25, 0.3 * len(p) ** -0.25)
    elif name.endswith(".bias"):
        normal(0.05, 0.3)
    elif p.ndim == 1:
        normal(1, 0.25)
    elif "conv" in name and p.ndim > 2:
        normal(0, float(p[0].numel()) ** -0.5)
    elif name.endswith("patch_dense.weight"):
        normal(0, 3 * n_in ** -0.5)
    else:
        normal(0, n_in ** -0.5)


def make(name, out):
    rng = torch.Generator().manual_seed(sum(map(ord, name)))
    config = config_of(name)
    cls = (transformers.Gemma4ForConditionalGeneration if MODELS[name][0] == "gemma4"
           else transformers.Gemma4UnifiedForConditionalGeneration)
    model = cls(config).float()
    saved = model.state_dict()
    with torch.no_grad():
        for key in sorted(saved):
            if saved[key].is_floating_point() and not key.startswith("lm_head"):
                fill(key, saved[key], rng)
    folder = Path(out) / name
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(HERE / "tokenizer" / file, folder / file)
    like = "12b" if MODELS[name][0] == "gemma4_unified" else "e2b"
    for file in ("generation_config.json", "processor_config.json"):
        shutil.copyfile(HERE / "configs" / like / file, folder / file)
    return folder


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--only", default="")
    args = ap.parse_args()
    for name in MODELS:
        if name.startswith(args.only):
            print(make(name, args.out))


if __name__ == "__main__":
    main()
