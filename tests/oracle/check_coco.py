#!/usr/bin/env python3
"""detect's COCO as the package pycocotools reads it: it loads, ids are unique and lead to each other, bbox and area are those of
the boxes that --json has, it evaluates against itself with an AP of 1, and results without what one file has with less.

usage: check_coco.py PROGRAM MODEL [FILE...]   (samples/shapes.png and scene.png; without pycocotools it is skipped by name: 77)
"""

import contextlib
import copy
import io
import json
import os
import subprocess
import sys
import tempfile

try:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
except ModuleNotFoundError as e:
    print(f"check_coco: skipped, Python's package {e.name} is missing", file=sys.stderr)
    sys.exit(77)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def detect(program, model, files, *more):
    done = subprocess.run([program, "detect", "-m", model, "--quiet", *more, *files], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"check_coco: detect: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def check_ids(told, coco):
    images, categories = {i["id"] for i in told["images"]}, {c["id"] for c in told["categories"]}
    assert len(images) == len(told["images"]) and len(categories) == len(told["categories"]), "an id comes twice"
    assert len({a["id"] for a in told["annotations"]}) == len(told["annotations"]), "an annotation's id comes twice"
    for a in told["annotations"]:
        assert a["image_id"] in images and a["category_id"] in categories, f"annotation {a['id']} leads nowhere"
    assert sorted(coco.getAnnIds()) == sorted(a["id"] for a in told["annotations"]), "pycocotools finds other annotations"


def check_boxes(told, whole):
    names = {c["id"]: c["name"] for c in told["categories"]}
    for image, picture in zip(told["images"], whole["pictures"], strict=True):
        assert image["file_name"] == picture["file"] and [image["width"], image["height"]] == picture["source_size"]
        own = [a for a in told["annotations"] if a["image_id"] == image["id"]]
        for a, b in zip(own, picture["boxes"], strict=True):
            x1, y1, x2, y2 = b["xyxy"]
            assert names[a["category_id"]] == b["label"] and a["bbox"] == [x1, y1, x2 - x1, y2 - y1], f"{a} is not {b}"
            assert a["area"] == (x2 - x1) * (y2 - y1) and a["iscrowd"] == 0, f"{a} has another area than {b}"


def average_precision(coco, results):
    with contextlib.redirect_stdout(io.StringIO()):
        e = COCOeval(coco, coco.loadRes(results), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e.stats[1]  # at IoU 0.5


def check_evaluation(told, coco):
    results = [{"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 1.0} for a in told["annotations"]]
    whole = average_precision(coco, copy.deepcopy(results))
    less = average_precision(coco, [r for r in copy.deepcopy(results) if r["image_id"] != told["images"][0]["id"]])
    assert abs(whole - 1) < 1e-9, f"against itself its AP is {whole}"
    assert less < whole, f"without the first picture's boxes its AP is still {less}"
    return whole, less


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, model = sys.argv[1:3]
    files = sys.argv[3:] or [os.path.join(ROOT, "samples", name) for name in ("shapes.png", "scene.png")]
    told = detect(program, model, files, "--format", "coco")
    whole = detect(program, model, files, "--json")
    assert told["annotations"], "nothing was found: there is nothing to check"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f, contextlib.redirect_stdout(io.StringIO()):
        json.dump(told, f)
        f.flush()
        coco = COCO(f.name)
    check_ids(told, coco)
    check_boxes(told, whole)
    itself, less = check_evaluation(told, coco)
    print(f"check_coco: {len(told['images'])} pictures, {len(told['annotations'])} annotations, {len(told['categories'])} categories: "
          f"AP at IoU 0.5 against itself {itself:.3f}, without the first picture's boxes {less:.3f}")


if __name__ == "__main__":
    main()
