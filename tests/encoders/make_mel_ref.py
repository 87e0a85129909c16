#!/usr/bin/env python3
"""Makes data/mel_ref.f32: log-mel frames of hashed samples by the reference's feature extractor.

The samples are made again in test_mel.c, so that only the frames are kept. Needs transformers 5.24.0.
"""
import pathlib

import numpy as np
from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor

N = 5000


def samples():
    i = np.arange(N, dtype=np.uint64)
    m = np.uint64(0xFFFFFFFF)
    h = (i * np.uint64(2654435761)) & m
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & m
    h ^= h >> np.uint64(13)
    noise = (h >> np.uint64(8)).astype(np.float64) / 2.0**23 - 1.0
    saw = (i % np.uint64(73)).astype(np.float64) / 73.0 - 0.5
    return (np.where(i < 2500, 0.01 * noise, 0.3 * noise) + 0.5 * saw).astype(np.float32)


def main():
    out = Gemma4AudioFeatureExtractor()([samples()], return_tensors="np")
    mel = out["input_features"][0][out["input_features_mask"][0]]
    path = pathlib.Path(__file__).parent / "data" / "mel_ref.f32"
    path.parent.mkdir(exist_ok=True)
    mel.astype("<f4").tofile(path)
    print(path, mel.shape)


if __name__ == "__main__":
    main()
