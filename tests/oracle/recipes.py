"""Pictures and sounds by integer recipes: recipes.c writes the same bytes, so none of them is committed."""

import numpy as np


def mix32(x):
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def fold(t, period):
    """A triangle wave 0 .. period/2 - 1 with the given period."""
    t = t % period
    return np.where(t < period // 2, t, period - 1 - t)


def picture(width, height, seed, noise):
    """uint8 [height, width, 3]: slanted waves, a rectangle, a disc, and noise of `noise` levels (a power of 2)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    s = int(seed)
    out = np.zeros((height, width, 3), np.int64)
    out[..., 0] = fold(x * (3 + s % 5) + y * 2 + s * 17, 512)
    out[..., 1] = fold(x * 2 + y * (5 + s % 3) + s * 29, 512)
    out[..., 2] = fold((x * y) // (8 + s) + s * 41, 512)
    box = (x * 8 >= width) & (x * 8 < width * 3) & (y * 8 >= height * 3) & (y * 8 < height * 6)
    out[box] = [240, 30 + s, 60]
    dx, dy = x * 16 - width * 11, y * 16 - height * 6
    r = min(width, height) * 4
    out[dx * dx + dy * dy < r * r] = [20, 90, 250 - s]
    if noise > 0:
        i = ((y * width + x)[..., None] * 3 + np.arange(3)).astype(np.uint64) + np.uint64(s << 24)
        out += (mix32(i & np.uint64(0xFFFFFFFF)) & np.uint32(noise - 1)).astype(np.int64)
    return np.clip(out, 0, 255).astype(np.uint8)


def sound(n_samples, seed):
    """int16 [n_samples]: a gliding and a steady triangle tone under swelling loudness, with some noise."""
    i = np.arange(n_samples, dtype=np.uint64)
    m = np.uint64(0xFFFFFFFF)
    s = np.uint64(seed)

    def tri(phase):  # 32-bit phase -> -32768 .. 32767
        return fold((phase >> np.uint64(15)).astype(np.int64), 131072) - 32768

    glide = (i * (np.uint64(40000000) + s * np.uint64(9000000)) + i * i * np.uint64(700 + 13 * int(seed))) & m
    steady = (i * (np.uint64(118111601) + s * np.uint64(31000000))) & m
    swell = (tri((i * (np.uint64(700000) + s * np.uint64(90000))) & m) + 32768) // 16  # 0 .. 4095
    noise = (mix32((i + (s << np.uint64(20))) & m) >> np.uint32(23)).astype(np.int64) - 256
    v = (tri(glide) * swell) // 16384 + tri(steady) // 12 + noise
    return np.clip(v, -32768, 32767).astype(np.int16)


def write_ppm(path, rgb):
    with open(path, "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes())


def write_wav(path, channels):
    """channels: int16 [n_samples, n_channels] at 16 kHz."""
    n_ch = channels.shape[1]
    data = channels.astype("<i2").tobytes()
    with open(path, "wb") as f:
        f.write(b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
                + (1).to_bytes(2, "little") + n_ch.to_bytes(2, "little") + (16000).to_bytes(4, "little")
                + (32000 * n_ch).to_bytes(4, "little") + (2 * n_ch).to_bytes(2, "little")
                + (16).to_bytes(2, "little") + b"data" + len(data).to_bytes(4, "little") + data)
