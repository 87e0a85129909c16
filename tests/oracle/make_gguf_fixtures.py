"""Make the models whose GGUF files are committed in gguf/, or those files anew.

usage: make_gguf_fixtures.py OUT_DIR [--write]

OUT_DIR/MODEL is for each model the folder with the values that the gguf package reads from its files: what the
reference runs. --write writes gguf/MODEL.gguf and gguf/mmproj-MODEL.gguf, else they are compared. Weights are those
of make_models.py's recipe, rounded by make_gguf.py; the tokenizer is a part of the other models'.
"""

import argparse
import json
import tempfile
from pathlib import Path

import make_gguf
import make_models
from make_models import audio_config, text_config, types, vision_config

HERE = Path(__file__).parent
N_PIECES = 40

MODELS = {
    # E2B's kind: as many types of tensors as fit rows of 32
    "gguf-e": (dict(style="flat", shards=1, shared_kv_tensors=False, text=text_config(
        hidden_size=32, num_hidden_layers=4, layer_types=types("SFSF"), num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, global_head_dim=32, intermediate_size=32, sliding_window=24, num_kv_shared_layers=2,
        use_double_wide_mlp=True, hidden_size_per_layer_input=32),
        vision=vision_config(hidden_size=32, num_attention_heads=2, head_dim=16, intermediate_size=32,
                             num_hidden_layers=1, position_embedding_size=64),
        audio=audio_config(hidden_size=32, num_attention_heads=2, num_hidden_layers=1,
                           subsampling_conv_channels=[128, 4], output_proj_dims=32)),
        make_gguf.Options(type="mixed", position_type="f16", patch_type="f16", shared_kv="fill", audio_eps=1e-5,
                          seed=8)),
    # 26B's: experts in two tensors, one tower under the key without a sense
    "gguf-moe": (dict(style="flat", shards=1, shared_kv_tensors=False, text=text_config(
        hidden_size=32, num_hidden_layers=3, layer_types=types("SSF"), num_attention_heads=4, num_key_value_heads=2,
        num_global_key_value_heads=1, head_dim=16, global_head_dim=32, intermediate_size=32, sliding_window=20,
        attention_k_eq_v=True, use_bidirectional_attention="vision", enable_moe_block=True, num_experts=4,
        top_k_experts=2, moe_intermediate_size=32),
        vision=vision_config(hidden_size=32, num_attention_heads=2, head_dim=16, intermediate_size=32,
                             num_hidden_layers=1, position_embedding_size=64, standardize=True,
                             use_clipped_linears=False),
        audio=None),
        make_gguf.Options(type="mixed", position_type="f16", patch_type="f16", split_experts=True, only="vision",
                          plain_key=True, seed=2)),
}


def short_tokenizer():
    """The tokenizer with the first pieces only. Returns it and where ids went."""
    doc = json.loads((HERE / "tokenizer" / "tokenizer.json").read_text())
    names = sorted(doc["model"]["vocab"], key=doc["model"]["vocab"].get)
    first = names.index("<0xFF>") + 1
    last = next(i for i in range(first, len(names)) if len(names[i]) == 1)
    kept = names[:first + N_PIECES] + names[last:]
    vocab = {name: i for i, name in enumerate(kept)}
    doc["model"]["vocab"] = vocab
    doc["model"]["merges"] = [m for m in doc["model"]["merges"] if {*m, "".join(m)} <= vocab.keys()]
    for token in doc["added_tokens"]:
        token["id"] = vocab[token["content"]]
    return doc, {old: vocab[name] for old, name in enumerate(names) if name in vocab}


def write_folder(out, name, variant):
    doc, moved = short_tokenizer()
    for key in ("vocab_size", "vocab_size_per_layer_input"):
        variant["text"][key] = len(doc["model"]["vocab"])
    out.mkdir(parents=True)
    files = make_models.configs(name, variant, "f32")
    for key, value in files["config.json"].items():
        if key.endswith(("_token_id", "_token_index")) and isinstance(value, int):
            files["config.json"][key] = moved[value]
    make_models.write_configs(out, files)
    (out / "tokenizer.json").write_text(json.dumps(doc, ensure_ascii=False) + "\n")
    (out / "tokenizer_config.json").write_text((HERE / "tokenizer" / "tokenizer_config.json").read_text())
    make_models.write_safetensors(out / "model.safetensors", make_models.manifest(name, variant)["tensors"], "f32")


def make(out, write=False):
    for name, (variant, opts) in MODELS.items():
        with tempfile.TemporaryDirectory() as tmp:
            folder = Path(tmp) / name
            write_folder(folder, name, variant)
            _, _, changed = make_gguf.write(folder, tmp, name, opts)
            for file in (f"{name}.gguf", f"mmproj-{name}.gguf"):
                data = (Path(tmp) / file).read_bytes()
                if write:
                    (HERE / "gguf").mkdir(exist_ok=True)
                    (HERE / "gguf" / file).write_bytes(data)
                assert data == (HERE / "gguf" / file).read_bytes(), f"{file} is not what this script makes"
            make_gguf.write_decoded(folder, Path(out) / name, changed)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--write", action="store_true")
    args = ap.parse_args()
    make(args.out, args.write)


if __name__ == "__main__":
    main()
