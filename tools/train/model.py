"""The architecture of tessera-nano, its starting values and the dense heads that are thrown away after training."""

import math

import torch
import torch.nn as nn
from transformers import (Gemma4AudioConfig, Gemma4Config, Gemma4ForConditionalGeneration, Gemma4TextConfig,
                          Gemma4VisionConfig)

from vocabulary import CHARACTERS, CHARACTER_SLOTS, COLOUR_NAMES, SHAPES, SIZES, WORDS

VOCABULARY = 1024
WIDTH = 256
TOWER_WIDTH = 128
SMOOTH_ROWS = 256  # of the position table
EDGE_BINS = 64     # classes of a box's edge, over its place in the picture
INDEX_CLASSES = 64 # of the number of a thing in a list
SPECIAL = {name: i for i, name in enumerate(
    '<pad> <eos> <bos> <unk> <mask> <|tool> <tool|> <|tool_call> <tool_call|> <|tool_response> <tool_response|> <|"|> '
    "<|think|> <|channel> <channel|> <|turn> <turn|> <|image> <|audio> <|image|> <|audio|> <image|> <audio|> <|video|>".split())}

_POST_NORMS = ("post_attention_layernorm.weight", "post_feedforward_layernorm.weight", "norm_post_attn.weight",
               "post_per_layer_input_norm.weight")


def configuration():
    sliding, full = "sliding_attention", "full_attention"
    text = Gemma4TextConfig(
        vocab_size=VOCABULARY, vocab_size_per_layer_input=VOCABULARY, hidden_size=WIDTH, intermediate_size=256,
        num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=1, head_dim=64, global_head_dim=128,
        layer_types=[sliding, sliding, sliding, full] * 2, num_kv_shared_layers=4, use_double_wide_mlp=True,
        hidden_size_per_layer_input=32, sliding_window=512, max_position_embeddings=32768, final_logit_softcapping=30.0,
        pad_token_id=SPECIAL["<pad>"], bos_token_id=SPECIAL["<bos>"], eos_token_id=[SPECIAL["<eos>"], SPECIAL["<turn|>"]])
    vision = Gemma4VisionConfig(
        hidden_size=TOWER_WIDTH, intermediate_size=256, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=4, head_dim=32,
        position_embedding_size=3360, use_clipped_linears=True)
    audio = Gemma4AudioConfig(
        hidden_size=TOWER_WIDTH, num_hidden_layers=3, num_attention_heads=4, subsampling_conv_channels=[128, 8], output_proj_dims=128,
        use_clipped_linears=True)
    return Gemma4Config(
        text_config=text, vision_config=vision, audio_config=audio, image_token_id=SPECIAL["<|image|>"],
        video_token_id=SPECIAL["<|video|>"], audio_token_id=SPECIAL["<|audio|>"], boi_token_id=SPECIAL["<|image>"],
        eoi_token_id=SPECIAL["<image|>"], boa_token_id=SPECIAL["<|audio>"], eoa_token_index=SPECIAL["<audio|>"],
        eoa_token_id=SPECIAL["<audio|>"], vision_soft_tokens_per_image=280, tie_word_embeddings=True)


def smooth_positions(table):
    """Starting values of a position table [2, rows, width]: waves over the first rows, so that neighbours start alike and a
    place is to be read off from the start; the rows beyond stay zero until a picture reaches them."""
    places = torch.arange(SMOOTH_ROWS, dtype=torch.float32)[:, None]
    generator = torch.Generator().manual_seed(7)
    for axis in table:
        waves = torch.exp(torch.linspace(math.log(1.5), math.log(600), 24))
        features = torch.cat([torch.sin(places * 6.2832 / waves), torch.cos(places * 6.2832 / waves), places / 64], -1)
        axis[:SMOOTH_ROWS] = features @ torch.randn(features.shape[1], axis.shape[1], generator=generator) * 0.06


def fresh_model():
    """A model with starting values for an attention scale of 1.0; far rows of the position table start (and untrained ones stay) zero."""
    config = configuration()
    config._attn_implementation = {"vision_config": "sdpa", "text_config": "sdpa", "audio_config": "eager"}
    model = Gemma4ForConditionalGeneration(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "position_embedding" in name:
                smooth_positions(p.zero_())
            elif "embed_tokens_per_layer" in name:
                p.normal_(0, 32 ** -0.5)
            elif "embed_tokens" in name:
                p.normal_(0, WIDTH ** -0.5)
            elif p.dim() >= 2:
                p.normal_(0, p[0].numel() ** -0.5)
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                p.fill_(p.shape[0] ** -0.25)
            elif name.endswith(_POST_NORMS) or ("feed_forward" in name and name.endswith("post_layer_norm.weight")):
                p.fill_(0.3)
    return model


class Heads(nn.Module):
    """What the soft tokens must tell while the towers learn: linear readings of the rows that the decoder will get."""

    def __init__(self):
        super().__init__()
        self.colour = nn.Linear(WIDTH, 1 + len(COLOUR_NAMES))
        self.shape = nn.Linear(WIDTH, 1 + len(SHAPES))
        self.size = nn.Linear(WIDTH, 1 + len(SIZES))
        self.box = nn.Linear(WIDTH, 4)
        self.edges = nn.Linear(WIDTH, 4 * EDGE_BINS)
        self.place = nn.Linear(WIDTH, 2)  # the token's own centre
        self.digits = nn.Linear(WIDTH, 4 * (11 + 10))  # hundreds and tens of each edge in thousandths, as the answer writes them
        self.early_place = nn.ModuleList([nn.Linear(TOWER_WIDTH, 2 + 2 * EDGE_BINS) for _ in range(2)])  # of patches, after two early layers
        self.offsets = nn.ModuleList([nn.Linear(TOWER_WIDTH, 4) for _ in range(2)])  # from a patch to its object's edges, in patches, after two later layers
        self.rank = nn.Linear(WIDTH, 6)   # which object from the left
        self.count = nn.Linear(WIDTH, 6)  # objects in the picture
        self.order = nn.Linear(WIDTH, INDEX_CLASSES)  # number of the first character
        self.characters = nn.Linear(WIDTH, CHARACTER_SLOTS * (1 + len(CHARACTERS)))
        self.word = nn.Linear(WIDTH, 1 + len(WORDS))
        self.word_before = nn.Linear(WIDTH, 1 + len(WORDS))
        self.decoder_index = nn.ModuleList([nn.Linear(WIDTH, INDEX_CLASSES) for _ in range(2)])
        self.decoder_before = nn.ModuleList([nn.Linear(WIDTH, 2 * (1 + len(WORDS))) for _ in range(2)])
        self.decoder_box = nn.ModuleList([nn.Linear(WIDTH, 4 + 4 * EDGE_BINS) for _ in range(2)])  # of the object that an answer is about
        self.decoder_fresh = nn.ModuleList([nn.Linear(WIDTH, 2) for _ in range(2)])  # an object of a film that was not there before


def is_tower(name):
    return "vision" in name or "audio" in name


if __name__ == "__main__":
    m = fresh_model()
    total = 0
    for part in ("embed_tokens", "language_model.layers", "vision_tower", "audio_tower", "embed_vision", "embed_audio"):
        n = sum(p.numel() for k, p in m.named_parameters() if part in k)
        total += n
        print(part, n)
    print("all", sum(p.numel() for p in m.parameters()), "tensors", len(m.state_dict()))
