#!/usr/bin/env python3
"""Make the picture fixtures and the tables of what the reference does with them.

Writes fixtures/* (small picture files), image_expected.h (their size and the CRC-32 of their RGB
bytes), resize_expected.h (CRC-32 of resized patterns) and fit_expected.h (sizes that pictures are
fitted to). Needs Pillow 13 and transformers 5.24; the tests need neither.

The RGB rule: EXIF orientation applied; with transparency, RGBA composited onto white, else
convert("RGB"); grey of 16 bits by its high byte, which is the one place where we leave Pillow
(it clips such values to 255).
"""
import io
import random
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
OUT = HERE / "fixtures"
RNG = np.random.default_rng(20)
RND = random.Random(20)


# ---- pictures ----

def smooth(width, height, channels):
    """Soft blobs with some hard edges, so that every coder has something to do."""
    small = RNG.integers(0, 256, (height // 5 + 2, width // 5 + 2, channels), dtype=np.uint8)
    bands = [np.array(Image.fromarray(small[:, :, c]).resize((width, height), Image.BICUBIC)) for c in range(channels)]
    a = np.stack(bands, -1)
    a[height // 3:height // 2, width // 4:width // 2] = 255 - a[height // 3:height // 2, width // 4:width // 2]
    return a


def picture(mode, width=33, height=27):
    n = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    a = smooth(width, height, n)
    return Image.fromarray(a[:, :, 0] if n == 1 else a, mode)


def save(im, fmt, **kw):
    b = io.BytesIO()
    im.save(b, fmt, **kw)
    return b.getvalue()


def noise(n):
    return bytes(RND.randint(0, 255) for _ in range(n))


# ---- metadata ----

def exif(orientation, endian="<", typ=3, extra=0, lead=b"Exif\0\0"):
    head = (b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "I", 8)
    entries = [struct.pack(endian + "HHII", 0x10F, 4, 1, 7)] * extra
    value = struct.pack(endian + "HH", orientation, 0) if typ == 3 else struct.pack(endian + "I", orientation)
    entries.append(struct.pack(endian + "HHI", 0x112, typ, 1) + value)
    return lead + head + struct.pack(endian + "H", len(entries)) + b"".join(entries) + struct.pack(endian + "I", 0)


def jpeg_with(jpeg, *segments):
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s for s in segments) + jpeg[2:]


XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


# ---- png ----

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_row(pixels, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", v) for p in pixels for v in p)
    if depth == 8:
        return bytes(v for p in pixels for v in p)
    bits = "".join(format(v, f"0{depth}b") for p in pixels for v in p)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def png(width, height, depth, colour, samples, interlace=0, before=b"", after=b""):
    raw = b""
    for x0, y0, dx, dy in ADAM7 if interlace else [(0, 0, 1, 1)]:
        xs = range(x0, width, dx)
        if len(xs):
            for y in range(y0, height, dy):
                raw += b"\0" + png_row([samples[y][x] for x in xs], depth)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", zlib.compress(raw)) + after + chunk(b"IEND", b"")


def png_files():
    for colour, name, depths in ((0, "grey", (1, 2, 4, 8, 16)), (2, "rgb", (8, 16)), (3, "pal", (1, 2, 4, 8)),
                                 (4, "greya", (8, 16)), (6, "rgba", (8, 16))):
        for depth in depths:
            top = (1 << depth) - 1
            n = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
            for interlace in (0, 1):
                w, h = RND.randint(9, 17), RND.randint(9, 17)
                edge = [0, top, top // 2]
                s = [[tuple(RND.choice(edge + [RND.randint(0, top)]) for _ in range(n)) for _ in range(w)]
                     for _ in range(h)]
                before = chunk(b"PLTE", noise(3 * (1 << depth))) if colour == 3 else b""
                yield f"png_{name}{depth}{'i' if interlace else ''}.png", png(w, h, depth, colour, s, interlace, before)
                if colour in (0, 2) and (colour, depth) != (0, 16):
                    key = chunk(b"tRNS", b"".join(struct.pack(">H", v) for v in s[h // 2][w // 2]))
                elif colour == 3:
                    key = chunk(b"tRNS", noise(1 << max(depth - 1, 0)))
                else:
                    continue
                if interlace:
                    yield f"png_{name}{depth}_trns.png", png(w, h, depth, colour, s, 0, before + key)
    s = [[tuple(noise(3)) for _ in range(9)] for _ in range(7)]
    few = chunk(b"PLTE", noise(9))
    yield "png_pal_short.png", png(9, 7, 4, 3, [[(RND.randint(0, 15),) for _ in range(9)] for _ in range(7)], 0, few)
    yield "png_exif6_le.png", png(9, 7, 8, 2, s, 0, chunk(b"eXIf", exif(6, lead=b"")))
    yield "png_exif5_be_after.png", png(9, 7, 8, 2, s, 0, b"", chunk(b"eXIf", exif(5, ">", lead=b"")))
    yield "png_xmp8.png", png(9, 7, 8, 2, s, 0, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP[29:] % 8))
    raw = exif(7)
    text = ("\nexif\n%8d\n" % len(raw) + raw.hex() + "\n").encode()
    note = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    yield "png_raw7.png", png(9, 7, 8, 2, s, 0, note)
    yield "png_raw7_after.png", png(9, 7, 8, 2, s, 0, b"", note)
    grey = [[(RND.randint(0, 9),) for _ in range(9)] for _ in range(7)]
    yield "png_grey8_trns_wide.png", png(9, 7, 8, 0, grey, 0, chunk(b"tRNS", b"\1\5"))


# ---- jpeg, webp ----

def jpeg_files():
    rgb = picture("RGB")
    for sub, name in ((0, "444"), (1, "422"), (2, "420")):
        yield f"jpeg_{name}.jpg", save(rgb, "JPEG", quality=80, subsampling=sub)
        yield f"jpeg_{name}_prog.jpg", save(rgb, "JPEG", quality=70, subsampling=sub, progressive=True)
    yield "jpeg_restart.jpg", save(rgb, "JPEG", quality=75, restart_marker_blocks=2)
    yield "jpeg_grey.jpg", save(picture("L"), "JPEG", quality=85)
    yield "jpeg_cmyk.jpg", save(picture("CMYK"), "JPEG", quality=85)
    ycck = save(picture("CMYK"), "JPEG", quality=85)
    yield "jpeg_ycck.jpg", ycck.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2")
    adobe = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\0"
    plain = save(rgb, "JPEG", quality=80, subsampling=0)
    yield "jpeg_rgb.jpg", plain[:2] + adobe + plain[20:]
    tiny = save(picture("RGB", 12, 7), "JPEG", quality=60)
    for o in range(1, 9):
        yield f"jpeg_exif{o}.jpg", jpeg_with(tiny, exif(o, "<>"[o % 2], 3 if o < 6 else 4, extra=o % 3))
    yield "jpeg_xmp6.jpg", jpeg_with(tiny, XMP % 6)
    yield "jpeg_exif1_xmp6.jpg", jpeg_with(tiny, exif(1), XMP % 6)
    yield "jpeg_exif_bad.jpg", jpeg_with(tiny, exif(9))
    yield "jpeg_scans.jpg", jpeg_scans()
    yield "jpeg_1x1.jpg", save(picture("RGB", 1, 1), "JPEG")


def jpeg_scans():
    """Three scans, one for each component: each is the scan of a grey file with the same tables."""
    def parts(im):
        data = save(im, "JPEG", quality=50)
        frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
        return data, frame, data.index(b"\xff\xc4"), scan, data[scan + 10:-2]
    first, frame, tables, scan, body = parts(picture("L", 15, 9))
    size = first[frame + 4:frame + 9]
    out = first[:frame] + b"\xff\xc0\0\x11" + size + b"\3\1\x11\0\2\x11\0\3\x11\0" + first[tables:scan]
    for k, b in enumerate((body, parts(picture("L", 15, 9))[4], parts(picture("L", 15, 9))[4])):
        out += b"\xff\xda\0\x08\1" + bytes([k + 1]) + b"\0\0\x3f\0" + b
    return out + b"\xff\xd9"


def webp_files():
    rgb, rgba = picture("RGB"), picture("RGBA")
    yield "webp_lossy.webp", save(rgb, "WEBP", quality=60)
    yield "webp_lossy_alpha.webp", save(rgba, "WEBP", quality=60)
    yield "webp_lossless.webp", save(picture("RGB", 15, 11), "WEBP", lossless=True)
    yield "webp_lossless_alpha.webp", save(picture("RGBA", 15, 11), "WEBP", lossless=True)
    yield "webp_exif6.webp", save(rgb, "WEBP", quality=40, exif=exif(6))
    frames = [picture("RGBA", 12, 9) for _ in range(2)]
    yield "webp_anim.webp", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=40)


# ---- bmp, tga, gif, pnm ----

def bmp(width, height, bits, rows=None, header=40, comp=0, palette=(), masks=b"", top_down=False, colours=0,
        offset=None, data=None):
    if data is None:
        data = b"".join(r + b"\0" * (-len(r) % 4) for r in (rows if top_down else rows[::-1]))
    entries = b"".join(bytes((b, g, r)) + (b"" if header == 12 else b"\0") for r, g, b in palette)
    extra = b""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, comp, len(data), 0,
                           0, colours, 0)
        if header > 40:
            info += (masks + b"\0" * 200)[:header - 40]
        else:
            extra = masks
    at = 14 + len(info) + len(extra) + len(entries)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at if offset is None else offset) + info + extra + \
        entries + data


def bmp_files():
    w, h = 13, 9
    for bits in (1, 4, 8):
        palette = [tuple(noise(3)) for _ in range(1 << bits)]
        rows = [noise((w * bits + 7) // 8) for _ in range(h)]
        yield f"bmp_{bits}.bmp", bmp(w, h, bits, rows, palette=palette)
        yield f"bmp_{bits}_os2.bmp", bmp(w, h, bits, rows, 12, palette=palette)
    yield "bmp_8_few.bmp", bmp(w, h, 8, [noise(w) for _ in range(h)], palette=[tuple(noise(3)) for _ in range(99)],
                               colours=99, top_down=True)
    yield "bmp_8_grey.bmp", bmp(w, h, 8, [noise(w) for _ in range(h)], palette=[(k, k, k) for k in range(50)],
                                colours=50, offset=54)
    for bits, masks in ((16, ()), (24, ()), (32, ()), (16, (0xF800, 0x7E0, 0x1F)), (16, (0x7C00, 0x3E0, 0x1F)),
                        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
                        (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)), (32, (0xFF000000, 0xFF00, 0xFF, 0))):
        header = 124 if len(masks) == 4 else 40
        m = b"".join(struct.pack("<I", v) for v in masks[:4 if header > 40 else 3])
        name = f"bmp_{bits}" + ("_%x" % masks[0] if masks else "") + ("_%x" % masks[3] if len(masks) == 4 else "")
        yield name + ".bmp", bmp(w, h, bits, [noise(w * bits // 8) for _ in range(h)], header, 3 if masks else 0,
                                 masks=m, top_down=bits == 24)
    for comp, bits in ((1, 8), (2, 4)):
        data = b""
        for y in range(h):
            data += bytes([5, RND.randint(0, 255)]) + b"\0\3" + noise(3 if comp == 1 else 2) + \
                (b"\0" if comp == 1 else b"") + bytes([w - 8, RND.randint(0, 255)]) + b"\0\0"
        yield f"bmp_rle{bits}.bmp", bmp(w, h, bits, comp=comp, palette=[tuple(noise(3)) for _ in range(1 << bits)],
                                        data=data + b"\0\1")


def tga(width, height, kind, depth, data, flags=0, has_map=0, palette=b"", first=0, n=0, bits=0, ident=b"", tail=b""):
    return struct.pack("<BBBHHBHHHHBB", len(ident), has_map, kind, first, n, bits, 0, 0, width, height, depth, flags) \
        + ident + palette + data + tail


def tga_files():
    w, h = 11, 7
    for kind, depth in ((2, 16), (2, 24), (2, 32), (3, 8), (3, 16), (3, 1)):
        n = (w * depth + 7) // 8
        yield f"tga_{kind}_{depth}.tga", tga(w, h, kind, depth, noise(n * h), {8: 0x20, 16: 0x10, 24: 0x30}.get(depth, 0),
                                             ident=b"name" if depth == 24 else b"")
    for bits in (16, 24, 32):
        yield f"tga_pal{bits}.tga", tga(w, h, 1, 8, bytes(RND.randint(0, 9) for _ in range(w * h)), 0x20, 1,
                                        noise(bits), 2, 8, bits)
    for mode in ("L", "RGB", "RGBA"):
        yield f"tga_rle_{mode.lower()}.tga", save(picture(mode), "TGA", compression="tga_rle")
    body = tga(w, h, 2, 32, noise(4 * w * h))
    yield "tga_void_alpha.tga", body + b"\0" * 495 + struct.pack("<II", len(body), 0) + b"TRUEVISION-XFILE.\0"


def lzw(pixels, bits):
    clear, codes = 1 << bits, []
    for i, p in enumerate(pixels):
        if i % max(1, clear - 2) == 0:
            codes.append(clear)
        codes.append(p)
    codes.append(clear + 1)
    acc = n = 0
    data = bytearray()
    for c in codes:
        acc |= c << n
        n += bits + 1
        while n >= 8:
            data.append(acc & 255)
            acc >>= 8
            n -= 8
    data.append(acc & 255)
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))
    return bytes([bits]) + blocks + b"\0"


def gif(screen, box, bits, pixels, interlace=False, palette=None, local=None, control=None):
    def size(p):
        return 0x80 | ((len(p) // 3).bit_length() - 2) if p else 0
    b = b"GIF89a" + struct.pack("<HHBBB", *screen, size(palette), 0, 0) + (palette or b"")
    if control:
        b += b"!\xf9\x04" + control + b"\0"
    return b + b"!\xfe\3abc\0," + struct.pack("<HHHHB", *box, size(local) | (0x40 if interlace else 0)) + \
        (local or b"") + lzw(pixels, bits) + b";"


def gif_files():
    def px(n, top):
        return [RND.randint(0, top) for _ in range(n)]
    yield "gif_plain.gif", save(picture("RGB").quantize(64), "GIF", interlace=0)
    yield "gif_clear.gif", save(picture("RGB").quantize(64), "GIF", transparency=7)
    yield "gif_anim.gif", save(picture("RGB", 15, 11).quantize(16), "GIF", save_all=True,
                               append_images=[picture("RGB", 15, 11).quantize(16)])
    yield "gif_interlaced.gif", gif((9, 13), (0, 0, 9, 13), 4, px(117, 15), True, noise(48))
    yield "gif_inside.gif", gif((12, 10), (3, 2, 6, 5), 4, px(30, 15), False, noise(48))
    yield "gif_inside_clear.gif", gif((12, 10), (3, 2, 6, 5), 4, px(30, 15), False, noise(48), None, b"\1\0\0\5")
    yield "gif_outside.gif", gif((4, 4), (2, 1, 6, 5), 3, px(30, 7), False, None, noise(24))
    yield "gif_no_palette.gif", gif((5, 4), (0, 0, 5, 4), 8, px(20, 255))
    yield "gif_short_palette.gif", gif((5, 4), (0, 0, 5, 4), 5, px(20, 31), False, noise(24))


def pnm_files():
    w, h = 11, 6
    for maxval in (1, 100, 255, 1000, 65535):
        n = 2 if maxval > 255 else 1
        v = [RND.randint(0, maxval) for _ in range(3 * w * h)]
        yield f"pnm_p6_{maxval}.ppm", b"P6\n# made\n%d %d\n%d\n" % (w, h, maxval) + b"".join(x.to_bytes(n, "big") for x in v)
        yield f"pnm_p5_{maxval}.pgm", b"P5 %d\t%d %d\n" % (w, h, maxval) + b"".join(x.to_bytes(n, "big") for x in v[:w * h])
        if maxval in (100, 65535):
            yield f"pnm_p3_{maxval}.ppm", b"P3\n%d %d\n%d\n" % (w, h, maxval) + b" ".join(b"%d" % x for x in v) + b"\n"
            yield f"pnm_p2_{maxval}.pgm", b"P2\n%d %d # c\n%d\n" % (w, h, maxval) + \
                b"\n".join(b"%d" % x for x in v[:w * h]) + b"\n"
    yield "pnm_p4.pbm", b"P4\n%d %d\n" % (w, h) + noise(2 * h)
    yield "pnm_p1.pbm", b"P1\n%d %d\n" % (w, h) + b"".join(RND.choice([b"0", b"1", b"0 ", b"1\n"]) for _ in range(w * h)) \
        + b"\n"


# ---- the reference ----

def reference_rgb(data):
    im = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if im.mode in ("I;16", "I"):
        return np.repeat((np.array(im).astype(np.int64) >> 8).astype(np.uint8)[:, :, None], 3, 2)
    if "A" in im.getbands() or im.info.get("transparency") is not None:
        im = im.convert("RGBA")
        white = Image.new("RGBA", im.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, im).convert("RGB"))
    return np.array(im.convert("RGB"))


def write_header(name, what, struct_text, rows):
    text = f"/* {name}: {what}\n * Made by make_image_fixtures.py with Pillow {PIL.__version__}. */\n{struct_text} = {{\n"
    (HERE / name).write_text(text + "".join(f"    {{{r}}},\n" for r in rows) + "};\n")


def make_files():
    rows = []
    makers = (jpeg_files, png_files, webp_files, bmp_files, tga_files, gif_files, pnm_files)
    total = 0
    for make in makers:
        for name, data in make():
            (OUT / name).write_bytes(data)
            total += len(data)
            rgb = reference_rgb(data)
            rows.append(f'"{name}", {rgb.shape[1]}, {rgb.shape[0]}, 0x{zlib.crc32(rgb.tobytes()):08x}u')
    write_header("image_expected.h", "size and CRC-32 of the RGB bytes of every fixture.",
                 "static const struct {\n    const char *file;\n    size_t width, height;\n    uint32_t crc;\n} expected[]",
                 rows)
    print(len(rows), "files,", total, "bytes")


# ---- resize ----

def pattern(width, height, kind):
    """kind 0: noise; 1: noise of 0 and 255 only, so that the result clips; 2: a steep ramp."""
    x = np.arange(width, dtype=np.uint32)[None, :, None]
    y = np.arange(height, dtype=np.uint32)[:, None, None]
    c = np.arange(3, dtype=np.uint32)[None, None, :]
    if kind == 2:
        return ((x * 7 + y * 13 + c * 29) & 255).astype(np.uint8)
    s = (x * np.uint32(2654435761)) ^ (y * np.uint32(2246822519)) ^ (c * np.uint32(3266489917))
    s ^= s >> 15
    s *= np.uint32(2246822519)
    s ^= s >> 13
    return ((s & 255) if kind == 0 else np.where(s & 64, 255, 0)).astype(np.uint8)


def make_resize():
    pairs = [((1, 1), (1, 1)), ((1, 1), (48, 48)), ((1, 1), (3, 7)), ((2, 1), (1, 2)), ((1, 300), (48, 96)),
             ((300, 1), (96, 48)), ((640, 480), (912, 672)), ((480, 640), (672, 912)), ((100, 100), (48, 48)),
             ((97, 53), (97, 48)), ((97, 53), (96, 53)), ((50, 40), (50, 41)), ((1000, 3), (48, 3)),
             ((3, 1000), (3, 48)), ((800, 600), (96, 48)), ((768, 768), (768, 768)), ((47, 49), (48, 48)),
             # the order of the passes: vertical first where the height shrinks by more than twice the width
             ((100, 100), (60, 19)), ((100, 100), (60, 20)), ((100, 100), (60, 21)), ((100, 200), (50, 99)),
             ((100, 200), (50, 100)), ((100, 200), (50, 101)), ((100, 400), (10, 219)), ((100, 400), (10, 220)),
             ((60, 90), (96, 48)), ((90, 60), (96, 48)), ((60, 90), (48, 96)), ((90, 30), (89, 27)), ((90, 30), (89, 28))]
    r = random.Random(8)
    while len(pairs) < 64:
        side = [r.choice([r.randint(1, 9), r.randint(10, 99), r.randint(100, 500)]) for _ in range(4)]
        pairs.append(((side[0], side[1]), (side[2], side[3])))
    rows = []
    for i, (src, dst) in enumerate(pairs):
        out = Image.fromarray(pattern(*src, i % 3)).resize(dst, Image.BICUBIC)
        rows.append(f"{i % 3}, {src[0]}, {src[1]}, {dst[0]}, {dst[1]}, 0x{zlib.crc32(np.array(out).tobytes()):08x}u")
    write_header("resize_expected.h", "CRC-32 of patterns after Pillow's bicubic resize.",
                 "static const struct {\n    unsigned pattern;\n    size_t from_w, from_h, to_w, to_h;\n    uint32_t crc;\n"
                 "} resized[]", rows)


# ---- fit ----

def make_fit():
    from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size
    r = random.Random(9)
    cases = [(1000, 800), (800, 1000), (512, 512), (1, 1), (1, 65535), (65535, 1), (65535, 65535), (48, 48), (47, 49),
             (4000, 3000), (3000, 4000), (1920, 1080), (1080, 1920), (100, 9999), (9999, 100), (2, 65535), (65535, 3)]
    # where one ulp decides: the order of the operations shows
    cases += [(35, 50), (70, 25), (500, 14), (2000, 28), (484, 35), (500, 56), (875, 4), (1435, 41), (2000, 56)]
    while len(cases) < 70:
        cases.append((int(2 ** r.uniform(0, 16)), int(2 ** r.uniform(0, 16))))
    rows = []
    for w, h in cases:
        for budget in (70, 140, 280, 560, 1120):
            th, tw = get_aspect_ratio_preserving_size(h, w, 16, 9 * budget, 3)
            rows.append(f"{w}, {h}, {budget}, {tw}, {th}")
    write_header("fit_expected.h", "what get_aspect_ratio_preserving_size of transformers gives (patch 16, pool 3).",
                 "static const struct {\n    size_t width, height, budget, to_w, to_h;\n} fitted[]", rows)


def main():
    if not PIL.__version__.startswith("13."):
        sys.exit("needs Pillow 13: older ones resize in another order")
    OUT.mkdir(exist_ok=True)
    make_files()
    make_resize()
    make_fit()


if __name__ == "__main__":
    main()
