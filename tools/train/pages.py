"""Invoice-like pages: a title, a number, a few lines and a total, set in one font."""

import pictures
from pictures import Image, ImageDraw, font

TITLES = ["Invoice", "Bill", "Receipt", "Order", "Offer", "Delivery note", "Reminder", "Credit note", "Statement", "Quote"]
ITEMS = ["Paper", "Kite", "Lamp", "Chair", "Table", "Rope", "Paint", "Brush", "Cable", "Glass", "Book", "Clock", "Repair", "Post", "String", "Wheel"]
NUMBER_WORDS = ["No.", "Number", "Number:", "No:", "Nr."]
TOTAL_WORDS = ["Total", "Total:", "Amount due", "Sum", "Total due"]
UNITS = ["", "", " EUR", " €"]


def page(rng, font_path, width=480):
    """A picture, its characters (for the dense targets) and the fields title, number, total."""
    height = int(width * rng.uniform(0.9, 1.35))
    paper, ink = tuple(rng.randint(235, 255) for _ in range(3)), tuple(rng.randint(0, 50) for _ in range(3))
    picture = Image.new("RGB", (width, height), paper)
    draw, marks = ImageDraw.Draw(picture), []
    size = rng.randint(19, 24)
    margin, y = rng.randint(20, 50), rng.randint(20, 50)

    def put(text, x, y, size):
        face = font(font_path, size)
        draw.text((x, y), text, fill=ink, font=face)
        left, top, right, bottom = face.getbbox(text)
        for i, c in enumerate(text):
            if c != " ":
                middle = (face.getlength(text[:i]) + face.getlength(text[:i + 1])) / 2
                marks.append((c, (x + middle) / width, (y + (top + bottom) / 2) / height, -100))

    def put_right(text, y, size):
        put(text, width - margin - font(font_path, size).getlength(text), y, size)

    title, number = rng.choice(TITLES), str(rng.randint(10, 99999))
    put(title, margin, y, int(size * rng.uniform(1.4, 1.9)))
    y += int(size * 2.6)
    put(f"{rng.choice(NUMBER_WORDS)} {number}", margin, y, size)
    y += int(size * 2.2)
    total = 0
    for _ in range(rng.randint(1, 4)):
        price = rng.randint(50, 19999)
        total += price
        put(rng.choice(ITEMS), margin, y, size)
        put_right(f"{price / 100:.2f}", y, size)
        y += int(size * 1.5)
    y += int(size * 0.6)
    if rng.random() < 0.6:
        draw.line((margin, y, width - margin, y), fill=ink, width=2)
        y += int(size * 0.5)
    put(rng.choice(TOTAL_WORDS), margin, y, size)
    put_right(f"{total / 100:.2f}" + rng.choice(UNITS), y, size)
    marks = [m for m in marks if m[0] in pictures.CHARACTERS and 0 <= m[2] < 1]
    return picture, marks, dict(title=title, number=number, total=f"{total / 100:.2f}")
