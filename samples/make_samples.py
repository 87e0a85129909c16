#!/usr/bin/env python3
"""Make every file of this folder anew: our own small pictures, sounds, films and pages.

usage: make_samples.py            (writes beside itself)

Needs rsvg-convert, ffmpeg, espeak-ng, cwebp, cjpeg, and the DejaVu fonts; Python's standard library alone.
Encoders differ between versions, so the bytes may too; what is to be seen and heard does not.
"""

import math
import os
import struct
import subprocess
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))


def run(*args):
    subprocess.run(args, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def out(name):
    return os.path.join(HERE, name)


# ---------------------------------------------------------------- pictures

def svg(width, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'font-family="DejaVu Sans">{body}</svg>')


def rect(x, y, w, h, fill, **kw):
    more = "".join(f' {k}="{v}"' for k, v in kw.items())
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{fill}"{more}/>'


def circle(x, y, r, fill):
    return f'<circle cx="{x}" cy="{y}" r="{r}" fill="{fill}"/>'


def polygon(points, fill):
    return '<polygon points="%s" fill="%s"/>' % (" ".join(f"{x:.1f},{y:.1f}" for x, y in points), fill)


def label(x, y, size, text, fill="#222", anchor="middle"):
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{text}</text>'


def star(x, y, r):
    return [(x + (r if i % 2 == 0 else 0.4 * r) * math.sin(math.pi * i / 5),
             y - (r if i % 2 == 0 else 0.4 * r) * math.cos(math.pi * i / 5)) for i in range(10)]


def render(text, png, tmp):
    path = os.path.join(tmp, "drawing.svg")
    with open(path, "w") as f:
        f.write(text)
    run("rsvg-convert", "-o", png, path)


def shapes(tmp):
    """A red circle, a blue square, a green triangle and a yellow star; the ground is transparent."""
    body = circle(90, 80, 60, "#d62728") + rect(210, 20, 120, 120, "#1f4fd6")
    body += polygon([(30, 300), (160, 300), (95, 180)], "#2ca02c") + polygon(star(270, 245, 70), "#f2c80f")
    render(svg(360, 320, body), out("shapes.png"), tmp)


def scene(tmp):
    """Three things in a row on a plain ground: what the small model was taught to tell."""
    body = rect(0, 0, 420, 280, "#e1ebcd") + circle(80, 150, 58, "#dc1e1e") + rect(170, 70, 96, 96, "#2846dc")
    body += polygon(star(345, 160, 62), "#8c28aa")
    render(svg(420, 280, body), out("scene.png"), tmp)


def line(tmp):
    """One line of print."""
    render(svg(260, 60, rect(0, 0, 260, 60, "#fff") + label(130, 42, 34, "Kite 2041")), out("line.png"), tmp)


def exif_orientation(value):
    """An APP1 segment that holds nothing but the orientation."""
    tiff = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 1)
    tiff += struct.pack(">HHIHH", 0x0112, 3, 1, value, 0) + struct.pack(">I", 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def house(tmp):
    """A house under the sun, stored lying on its side with EXIF orientation 6, as a phone does."""
    body = rect(0, 0, 480, 360, "#9fd3f5") + rect(0, 240, 480, 120, "#6aa84f") + circle(400, 70, 40, "#ffd54a")
    body += rect(130, 150, 180, 130, "#e8dcc3") + polygon([(110, 150), (330, 150), (220, 70)], "#a8402f")
    body += rect(200, 210, 45, 70, "#5b3a1e") + rect(150, 175, 40, 40, "#cfe8ff") + rect(255, 175, 40, 40, "#cfe8ff")
    body += rect(400, 190, 16, 90, "#6b4a2b") + circle(408, 170, 45, "#2f7d32")
    body += label(222, 205, 22, "12", "#5b3a1e")
    turned = f'<g transform="translate(0 480) rotate(-90)">{body}</g>'
    png, ppm, jpg = (os.path.join(tmp, n) for n in ("house.png", "house.ppm", "house.jpg"))
    render(svg(360, 480, turned), png, tmp)
    run("ffmpeg", "-v", "error", "-y", "-i", png, "-pix_fmt", "rgb24", ppm)
    run("cjpeg", "-quality", "85", "-optimize", "-outfile", jpg, ppm)
    data = open(jpg, "rb").read()
    at = 2  # behind SOI and the JFIF header
    if data[2:4] == b"\xff\xe0":
        at += 2 + struct.unpack(">H", data[4:6])[0]
    with open(out("house.jpg"), "wb") as f:
        f.write(data[:at] + exif_orientation(6) + data[at:])


def chart(tmp):
    """A bar chart with readable numbers."""
    body = rect(0, 0, 420, 300, "#ffffff") + label(210, 34, 20, "Fruit sold on Monday")
    bars = (("apples", 30, "#d62728"), ("pears", 50, "#7cb518"), ("plums", 20, "#6a3fa0"), ("figs", 10, "#8c564b"))
    for i, (name, n, colour) in enumerate(bars):
        x, h = 50 + 90 * i, 3.6 * n
        body += rect(x, 260 - h, 60, h, colour) + label(x + 30, 250 - h, 16, n) + label(x + 30, 282, 16, name)
    body += rect(36, 259, 360, 2, "#222")
    png = os.path.join(tmp, "chart.png")
    render(svg(420, 300, body), png, tmp)
    run("cwebp", "-quiet", "-q", "80", png, "-o", out("chart.webp"))


# ---------------------------------------------------------------- sounds

def speak(text, wav, voice="en-gb", speed=150):
    run("espeak-ng", "-v", voice, "-s", str(speed), "-w", wav, text)


def ffmpeg(*args):
    run("ffmpeg", "-v", "error", "-y", *args)


def sounds(tmp):
    wav = os.path.join(tmp, "speech.wav")
    speak("One, two, three, four, five, six, seven.", wav)
    ffmpeg("-i", wav, "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", "-bitexact", out("numbers.wav"))
    speak("The train to Hamburg leaves at half past seven from platform nine.", wav)
    ffmpeg("-i", wav, "-ac", "1", "-b:a", "48k", "-map_metadata", "-1", "-bitexact", out("train.mp3"))
    speak("Guten Morgen. Heute scheint die Sonne.", wav, "de")
    ffmpeg("-i", wav, "-ac", "1", "-ar", "16000", "-bitexact", out("morning_de.flac"))
    left, right = os.path.join(tmp, "l.wav"), os.path.join(tmp, "r.wav")
    speak("This is the left side.", left)
    speak("And this is the right.", right, "en-us", 170)
    mix = "[0:a]apad[l];[1:a]adelay=1800[r];[l][r]join=inputs=2:channel_layout=stereo,atrim=0:3.6[a]"
    ffmpeg("-i", left, "-i", right, "-filter_complex", mix, "-map", "[a]", "-c:a", "libopus", "-b:a", "40k",
           "-map_metadata", "-1", "-bitexact", out("left_right.opus"))


# ---------------------------------------------------------------- films

def frames(tmp, folder, n, draw, size):
    path = os.path.join(tmp, folder)
    os.makedirs(path)
    for k in range(n):
        render(svg(*size, draw(k)), os.path.join(path, f"{k:03d}.png"), tmp)
    return os.path.join(path, "%03d.png")


def ball(tmp):
    """A red ball bounces from left to right in six seconds, ten pictures per second, with a time code."""
    def draw(k):
        t = k / 10
        x, y = 30 + t * 260 / 6, 185 - 110 * abs(math.sin(math.pi * t / 1.5))
        body = rect(0, 0, 320, 240, "#f4f1e8") + rect(0, 207, 320, 33, "#7a6a58") + circle(x, y, 22, "#d62728")
        return body + label(310, 30, 22, f"{int(t // 60):02d}:{t % 60:04.1f}", anchor="end")

    wav = os.path.join(tmp, "count.wav")
    speak("A red ball jumps from the left to the right.", wav)
    pics = frames(tmp, "ball", 60, draw, (320, 240))
    ffmpeg("-framerate", "10", "-i", pics, "-i", wav, "-filter_complex", "[1:a]adelay=500,apad,atrim=0:6[a]",
           "-map", "0:v", "-map", "[a]", "-t", "6", "-c:v", "libx264", "-crf", "28", "-preset", "veryslow",
           "-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-ac", "1", "-b:a", "40k", "-map_metadata", "-1",
           "-movflags", "+faststart", "-bitexact", out("ball.mp4"))


def crossing(tmp):
    """A green square crosses from left to right in seven seconds; at the fourth second a yellow star appears below."""
    def draw(k):
        x = 0.2 + 0.6 * k / 69
        body = rect(0, 0, 320, 240, "#c8d2dc") + rect(320 * x - 30, 70, 60, 60, "#1ea03c")
        return body + (polygon(star(160, 200, 24), "#ebcd1e") if k >= 40 else "")

    pics = frames(tmp, "crossing", 70, draw, (320, 240))
    ffmpeg("-framerate", "10", "-i", pics, "-c:v", "libx264", "-crf", "24", "-preset", "veryslow", "-pix_fmt", "yuv420p",
           "-threads", "1", "-map_metadata", "-1", "-movflags", "+faststart", "-bitexact", out("crossing.mp4"))


def lights(tmp):
    """A traffic light: red for two seconds, red and amber for one, green for two. VP9 and Opus in Matroska."""
    def draw(k):
        on = ("red",) if k < 20 else ("red", "amber") if k < 30 else ("green",)
        body = rect(0, 0, 240, 320, "#b7d3e8") + rect(75, 30, 90, 230, "#222", rx=16) + rect(112, 260, 16, 60, "#555")
        for i, (name, colour, off) in enumerate((("red", "#e02020", "#4a1010"), ("amber", "#ffb000", "#4a3808"),
                                                 ("green", "#20c040", "#0c3a16"))):
            body += circle(120, 75 + 70 * i, 28, colour if name in on else off)
        return body

    wavs = []
    for i, (text, at) in enumerate((("Stop.", 200), ("Get ready.", 2000), ("Go!", 3100))):
        wav = os.path.join(tmp, f"say{i}.wav")
        speak(text, wav)
        wavs.append((wav, at))
    delays = "".join(f"[{i + 1}:a]adelay={at}[a{i}];" for i, (_, at) in enumerate(wavs))
    mix = delays + "[a0][a1][a2]amix=inputs=3:normalize=0,apad,atrim=0:5[a]"
    pics = frames(tmp, "lights", 50, draw, (240, 320))
    ffmpeg("-framerate", "10", "-i", pics, *[a for w, _ in wavs for a in ("-i", w)], "-filter_complex", mix,
           "-map", "0:v", "-map", "[a]", "-t", "5", "-c:v", "libvpx-vp9", "-crf", "40", "-b:v", "0", "-threads", "1",
           "-pix_fmt", "yuv420p", "-c:a", "libopus", "-b:a", "32k", "-map_metadata", "-1", "-bitexact",
           out("lights.mkv"))


# ---------------------------------------------------------------- pages

def pdf_text(x, y, size, text, bold=False, right=False):
    if right:  # digits and the point of Helvetica are 556 and 278 units wide, which is all that is set this way
        x -= sum(278 if c in ".," else 556 for c in text) * size / 1000
    text = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /{'FB' if bold else 'FR'} {size} Tf {x:.1f} {y} Td ({text}) Tj ET\n"


def pdf_line(x0, y0, x1, y1, width=0.7):
    return f"{width} w {x0} {y0} m {x1} {y1} l S\n"


def invoice_page():
    s = "0.12 0.31 0.84 rg 0 770 595 72 re f 1 1 1 rg\n" + pdf_text(50, 797, 24, "The Kite Workshop", bold=True)
    s += "0 0 0 rg\n" + pdf_text(50, 735, 18, "Invoice 2041", bold=True)
    for i, line in enumerate(("Customer: Ada Example, 7 Windmill Lane, Upper Breeze", "Date: 14 March 2025",
                              "To be paid by: 28 March 2025")):
        s += pdf_text(50, 708 - 17 * i, 11, line)
    s += pdf_text(50, 630, 11, "Item", True) + pdf_text(300, 630, 11, "Number", True)
    s += pdf_text(395, 630, 11, "Price", True) + pdf_text(490, 630, 11, "Sum", True) + pdf_line(50, 622, 545, 622)
    items = (("Diamond kite, red", 2, 1250), ("Box kite, blue", 1, 3400), ("Cord, 50 m", 3, 425),
             ("Tail ribbons, set of six", 1, 299))
    total = 0
    for i, (name, n, cents) in enumerate(items):
        y = 600 - 22 * i
        total += n * cents
        s += pdf_text(50, y, 11, name) + pdf_text(330, y, 11, str(n), right=True)
        s += pdf_text(425, y, 11, f"{cents / 100:.2f}", right=True)
        s += pdf_text(515, y, 11, f"{n * cents / 100:.2f}", right=True)
    s += pdf_line(50, 518, 545, 518) + pdf_text(300, 496, 13, "Total in euros", True)
    s += pdf_text(515, 496, 13, f"{total / 100:.2f}", True, right=True)
    return s + pdf_text(50, 80, 9, "Page 1 of 2. Everything here is invented.")


def care_page():
    s = pdf_text(50, 780, 18, "How to look after your kite", bold=True)
    for i, line in enumerate(("1. Never fly near power lines or in a thunderstorm.",
                              "2. Dry the cloth before you fold it.",
                              "3. Wind the cord onto its reel without knots.",
                              "4. Keep the kite away from the fire and from the cat.")):
        s += pdf_text(60, 745 - 24 * i, 12, line)
    s += "0.84 0.15 0.16 rg 297 560 m 377 440 l 297 260 l 217 440 l f\n1 w 297 560 m 297 260 l S 217 440 m 377 440 l S\n"
    s += "297 260 m 330 220 270 190 300 150 c S\n0 0 0 rg\n"
    return s + pdf_text(50, 80, 9, "Page 2 of 2. Everything here is invented.")


def invoice():
    """Two A4 pages written by hand: an invoice, and a page with a list and a drawing."""
    pages = [invoice_page(), care_page()]
    objs = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [5 0 R 7 0 R] /Count 2 >>"]
    objs += [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica%s >>" % w for w in (b"", b"-Bold")]
    for k, text in enumerate(pages):
        data = zlib.compress(text.encode("ascii"), 9)
        objs.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /FR 3 0 R /FB 4 0 R "
                    b">> >> /Contents %d 0 R >>" % (6 + 2 * k))
        objs.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(data), data))
    doc, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for i, o in enumerate(objs):
        places.append(len(doc))
        doc += b"%d 0 obj\n%s\nendobj\n" % (i + 1, o)
    xref = len(doc)
    doc += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objs) + 1) + b"".join(b"%010d 00000 n \n" % p for p in places)
    doc += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objs) + 1, xref)
    with open(out("invoice.pdf"), "wb") as f:
        f.write(doc)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        for make in (shapes, scene, line, house, chart, sounds, ball, crossing, lights):
            make(tmp)
    invoice()


if __name__ == "__main__":
    main()
