"""The small world that the model knows: shapes, colours, sizes, spoken words, printable characters.

Generators, tasks and dense heads all index into these lists; a change of order or length makes old checkpoints useless.
"""

COLOURS = {
    "red": (220, 30, 30), "green": (30, 160, 60), "blue": (40, 70, 220), "yellow": (235, 205, 30),
    "orange": (245, 130, 20), "purple": (140, 40, 170), "black": (20, 20, 20), "white": (250, 250, 250),
}
COLOUR_NAMES = list(COLOURS)
SHAPES = ["circle", "square", "triangle", "star", "cross"]
SIZES = ["small", "medium", "large"]

DIGITS = "zero one two three four five six seven eight nine".split()
WORDS = DIGITS + (
    "yes no stop go left right up down on off start hello goodbye please thanks help open close play find "
    "world light music door window water house tree car book table picture garden river mountain "
    "dog cat bird horse day night morning summer winter yellow green orange purple cold hot happy quiet"
).split()

CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:-/#%&+€$!?'()"
CHARACTER_SLOTS = 6  # characters that one soft token is asked for while the tower learns to read

SAMPLE_RATE = 16000
