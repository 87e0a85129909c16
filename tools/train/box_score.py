"""Answers with boxes beside the boxes that are right."""

import json


def parsed_boxes(text, fence=True):
    """[(label, box)] or None when the text is no JSON list of boxes, fenced as it was trained (or, without `fence`, at will)."""
    body = text.strip()
    fenced = body.startswith("```json") and body.endswith("```")
    if fence and not fenced:
        return None
    try:
        rows = json.loads(body[7:-3] if fenced else body)
        return [(r["label"], [float(v) for v in r["box_2d"]]) for r in rows if len(r["box_2d"]) == 4]
    except (ValueError, KeyError, TypeError):
        return None


def overlap(a, b):
    y0, x0, y1, x1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    shared = max(0, y1 - y0) * max(0, x1 - x0)
    area = lambda r: max(0, r[2] - r[0]) * max(0, r[3] - r[1])
    return shared / max(1e-9, area(a) + area(b) - shared)


def match_boxes(got, want):
    """IoU of every wanted box with its best free box of the same label (0 where there is none)."""
    free, out = list(got), []
    for label, box in want:
        same = [g for g in free if g[0] == label]
        best = max(same, key=lambda g: overlap(g[1], box), default=None)
        out.append(overlap(best[1], box) if best else 0.0)
        if best:
            free.remove(best)
    return out
