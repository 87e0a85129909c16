"""Write the trained model as a Hugging Face folder: BF16 safetensors with real clip limits, configs, tokenizer, model card.

The limits of the clipped linears are measured: the extremes that each projection's input and output reach on training
samples, rounded outwards to BF16. What a strange picture or sound pushes beyond them is cut, as in E2B.

usage: export.py --work DIR --stage {towers,join} --out FOLDER [--batches N]
"""

import argparse
import json
import os
import shutil

import torch

import conversations
import model as nano
import train

SAMPLES = {"scene": 2, "line": 1, "sound": 1}  # shares of the batches that the limits are measured on


def outward(x):
    """The nearest BF16 value that is not nearer to zero."""
    b = torch.tensor(float(x)).to(torch.bfloat16)
    if abs(float(b)) < abs(float(x)):
        b = torch.nextafter(b, torch.tensor(float("inf") if x > 0 else float("-inf"), dtype=torch.bfloat16))
    return float(b)


class Limits:
    """Watches every clipped linear of a model."""

    def __init__(self, model):
        self.seen, self.hooks = {}, []
        for name, module in model.named_modules():
            if hasattr(module, "input_min"):
                self.hooks.append(module.register_forward_hook(lambda m, i, o, name=name: self.watch(name, i[0], o)))

    def watch(self, name, x, y):
        now = [x.min(), x.max(), y.min(), y.max()]
        old = self.seen.get(name, now)
        self.seen[name] = [torch.minimum(old[0], now[0]), torch.maximum(old[1], now[1]), torch.minimum(old[2], now[2]), torch.maximum(old[3], now[3])]

    def write(self, model):
        for hook in self.hooks:
            hook.remove()
        for name, module in model.named_modules():
            if hasattr(module, "input_min"):
                for key, value in zip(("input_min", "input_max", "output_min", "output_max"), self.seen[name]):
                    getattr(module, key).fill_(outward(value))


@torch.no_grad()
def measure_limits(model, args):
    source = conversations.Conversations("limits", os.path.join(args.work, "cache"), os.path.join(args.work, "tokenizer"))
    limits, kinds = Limits(model), [k for k, n in SAMPLES.items() for _ in range(n)]
    for i in range(args.batches):
        kind = kinds[i % len(kinds)]
        batch = source.batch(kind, len(conversations.LEVELS[kind]) - 1)
        train.tower_rows(model, batch)
    limits.write(model)


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def processor_config():
    pictures = {"do_convert_rgb": True, "do_normalize": False, "do_rescale": True, "do_resize": True, "image_mean": [0.0] * 3,
                "image_std": [1.0] * 3, "patch_size": 16, "pooling_kernel_size": 3, "resample": 3, "rescale_factor": 1 / 255}
    sound = {"feature_extractor_type": "Gemma4AudioFeatureExtractor", "feature_size": 128, "sampling_rate": 16000, "frame_length": 320,
             "hop_length": 160, "fft_length": 512, "mel_floor": 0.001, "min_frequency": 0.0, "max_frequency": 8000.0, "padding_side": "right",
             "padding_value": 0.0, "return_attention_mask": True}
    return {"processor_class": "Gemma4Processor", "image_seq_length": 280, "audio_seq_length": 750, "audio_ms_per_token": 40,
            "image_processor": dict(pictures, image_processor_type="Gemma4ImageProcessor", image_seq_length=280, max_soft_tokens=280),
            "feature_extractor": sound,
            "video_processor": dict(pictures, video_processor_type="Gemma4VideoProcessor", do_sample_frames=True, max_soft_tokens=70,
                                    num_frames=32, return_metadata=False)}


def export(args):
    os.makedirs(args.out, exist_ok=True)
    model = nano.fresh_model()
    state = torch.load(os.path.join(args.work, args.stage + ".pt"), weights_only=False)
    model.load_state_dict(train.averaged(state)[0])
    model.eval()
    train.unclipped(model)
    measure_limits(model, args)
    model.generation_config.update(bos_token_id=nano.SPECIAL["<bos>"], pad_token_id=nano.SPECIAL["<pad>"], do_sample=True, temperature=1.0,
                                   top_k=64, top_p=0.95,
                                   eos_token_id=[nano.SPECIAL[t] for t in ("<eos>", "<turn|>", "<|tool_response>")])
    model.config.max_trained_soft_tokens = 280  # what `--budget auto` goes up to
    model.to(torch.bfloat16).save_pretrained(args.out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(args.work, "tokenizer", name), args.out)
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat_template.jinja"), args.out)
    write_json(args.out, "processor_config.json", processor_config())
    os.chmod(os.path.join(args.out, "model.safetensors"), 0o644)
    size = sum(os.path.getsize(os.path.join(args.out, f)) for f in os.listdir(args.out))
    print(f"{args.out}: step {state['step']}, {sum(p.numel() for p in model.parameters())} parameters, {size} bytes in all")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--stage", default="join")
    parser.add_argument("--out", required=True)
    parser.add_argument("--batches", type=int, default=120)
    export(parser.parse_args())


if __name__ == "__main__":
    main()
