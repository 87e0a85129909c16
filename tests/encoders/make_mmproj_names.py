"""Write data/mmproj_names.txt: what an mmproj file calls each tensor of the towers, as the `gguf` package maps them.

usage: make_mmproj_names.py   (needs the package gguf)

One line for each name, '#' for the layer's number: Hugging Face's name, a tab, the file's. The renaming before the
package's map is what llama.cpp's converter does; the encoder-free kind is newer than the package's map, so its few
names stand here.
"""

import json
import os
import re

import gguf

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFESTS = os.path.join(HERE, "..", "oracle", "manifests")
SUFFIXES = (".weight", ".bias", ".input_max", ".input_min", ".output_max", ".output_min")
UNIFIED = {
    "patch_ln1.weight": "v.patch_norm.1.weight",
    "patch_ln1.bias": "v.patch_norm.1.bias",
    "patch_dense.weight": "v.patch_embd.weight",
    "patch_dense.bias": "v.patch_embd.bias",
    "patch_ln2.weight": "v.patch_norm.2.weight",
    "patch_ln2.bias": "v.patch_norm.2.bias",
    "pos_embedding": "v.position_embd.weight",
    "pos_norm.weight": "v.patch_norm.3.weight",
    "pos_norm.bias": "v.patch_norm.3.bias",
}


def renamed(name):
    if "audio_tower" in name or "embed_audio" in name:
        name = name.replace("model.audio_tower.", "conformer.").replace(".linear.", ".")
        return name + ".weight" if name.endswith("per_dim_scale") else name
    name = name.replace("model.vision_tower.encoder.", "vision_model.model.").replace(".linear.weight", ".weight")
    return name + ".weight" if name.endswith("position_embedding_table") else name


def main():
    mapping = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, 8)
    lines = set()
    for variant in ("e2b", "31b", "12b"):
        with open(os.path.join(MANIFESTS, variant + ".json"), encoding="utf-8") as f:
            names = [t[0] for t in json.load(f)["tensors"]]
        for name in names:
            if "language_model" in name:
                continue
            if name.startswith("model.vision_embedder."):
                there = UNIFIED[name.removeprefix("model.vision_embedder.")]
            else:
                there = mapping.get_name(renamed(name), try_suffixes=SUFFIXES)
            assert there, name
            name = re.sub(r"\.layers\.\d+\.", ".layers.#.", name)
            lines.add(f"{name}\t{re.sub(r'[.]blk[.][0-9]+[.]', '.blk.#.', there)}\n")
    with open(os.path.join(HERE, "data", "mmproj_names.txt"), "w", encoding="utf-8") as f:
        f.writelines(sorted(lines))


if __name__ == "__main__":
    main()
