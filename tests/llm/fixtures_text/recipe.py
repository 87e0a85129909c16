"""Strings from integers: the same ones as test_tokenizer.c makes. Change both together."""

MASK = (1 << 64) - 1
RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x45F), (0x5D0, 0x5EA),
          (0x620, 0x64A), (0x905, 0x939), (0xE01, 0xE3A), (0x1780, 0x17B3), (0x3041, 0x30FE), (0x4E00, 0x4FFF),
          (0xAC00, 0xADFF), (0x1F300, 0x1F64F), (0x20000, 0x200FF), (0x1, 0x1F), (0x2000, 0x206F), (0xE000, 0xE0FF),
          (0x10000, 0x100FF), (0xFFF0, 0xFFFD), (0x300, 0x36F)]
PHRASES = ["Hello", " world", "the ", "user\n", "model\n", "00:05 ", "don't", "<0x0A>", "\r\n", "<", "|>", "<|", "thought\n",
           "\u2581", "\u2581\u2581", "e\u0301", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "3.14", "\t", "  \n  ",
           "<start>", "<|tur", "n>", "[multimodal]", "<table>", "\u00a0", "\ufeff", "x\x00y"]


class Rng:
    def __init__(self, seed):
        self.s = seed & MASK

    def below(self, n):
        self.s = (self.s * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.s >> 33) % n


def text(seed, pieces):
    """`pieces`: the vocabulary's text by id ("" where there is none)."""
    r, out = Rng(seed), []
    for _ in range(r.below(13)):
        kind = r.below(10)
        if kind < 3:
            low, high = RANGES[r.below(len(RANGES))]
            for _ in range(1 + r.below(6)):
                out.append(chr(low + r.below(high - low + 1)))
        elif kind < 6:
            p = pieces[r.below(len(pieces))]
            out.append(p.replace("\u2581", " ") if r.below(2) else p)
        elif kind == 6:
            out.append("\n" * (1 + r.below(20)))
        elif kind == 7:
            out.append(" " * (1 + r.below(20)))
        else:
            out.append(PHRASES[r.below(len(PHRASES))])
    return "".join(out)


def id_list(seed, n_ids, byte_ids):
    r, out = Rng(seed), []
    for _ in range(r.below(16)):
        kind = r.below(4)
        if kind < 2:
            out.append(r.below(n_ids + 5))
        elif kind == 2:
            out.append(byte_ids[r.below(256)])
        else:
            out += [byte_ids[b] for b in chr(0x80 + r.below(0x600)).encode()]
    return out


def bytes_of(seed):
    r, hot = Rng(seed), [0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0xC0, 0xE0, 0xF4, 0x90, 0x41, 0xBF, 0xFF]
    return bytes(r.below(256) if r.below(2) else hot[r.below(len(hot))] for _ in range(r.below(13)))


class Hash:
    """FNV-1a, 64 bits, over bytes and over 32-bit numbers, least byte first."""

    def __init__(self):
        self.h = 0xCBF29CE484222325

    def bytes(self, b):
        for x in b:
            self.h = (self.h ^ x) * 0x100000001B3 & MASK
        return self

    def numbers(self, ns):
        for n in ns:
            self.bytes(n.to_bytes(4, "little"))
        return self

    def hex(self):
        return f"{self.h:016x}"
