/* detect_out.c: JSON of pictures and boxes into lines, COCO, CSV and YOLO's files. */
#include "detect_out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "json_build.h"
#include "text_build.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

typedef struct writer {
    const tsr_json *pictures;
    tsr_json *names; /* of categories, in the order of their numbers: COCO counts from 1, YOLO from 0 */
    const char *folder;
    tsr_json *written; /* YOLO's files so far */
    tsr_error *err;
} writer;

static const struct {
    const char *name;
    tsri_detect_format format;
} formats[] = {{"json", TSRI_BOXES_JSON}, {"jsonl", TSRI_BOXES_JSONL}, {"coco", TSRI_BOXES_COCO},
               {"csv", TSRI_BOXES_CSV},   {"yolo", TSRI_BOXES_YOLO}};

tsr_status tsri_detect_format_find(tsri_detect_format *out, const char *name, tsr_error *err)
{
    *out = TSRI_BOXES_JSON;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!name || strcmp(formats[i].name, name) == 0) {
            *out = formats[i].format;
            return TSR_OK;
        }
    return tsr_fail(err, TSR_ERR_USAGE, "no form of boxes is called '%s': json, jsonl, coco, csv and yolo are", name);
}

static tsr_status no_memory(const writer *w)
{
    return tsr_fail(w->err, TSR_ERR_NOMEM, "out of memory: the boxes of %zu pictures", tsr_json_len(w->pictures));
}

/* ---- what a picture and a box say ---- */

static size_t whole(const tsr_json *list, size_t i)
{
    size_t n = 0;
    tsr_json_to_size(tsr_json_at(list, i), &n);
    return n;
}

static size_t width_of(const tsr_json *picture)
{
    return whole(tsr_json_get(picture, "source_size"), 0);
}

static size_t height_of(const tsr_json *picture)
{
    return whole(tsr_json_get(picture, "source_size"), 1);
}

/* A copy, NULL when there is none or memory is short. */
static tsr_json *copied(const tsr_json *v)
{
    size_t len;
    double x;
    int64_t n;
    const char *s = tsr_json_string(v, &len);
    if (s)
        return tsr_json_new_string(s, len);
    if (tsr_json_is_integer(v) && tsr_json_to_i64(v, &n))
        return tsr_json_new_i64(n);
    return tsr_json_to_double(v, &x) ? tsr_json_new_double(x) : NULL;
}

static void put_copy(tsri_build *o, const char *key, const tsr_json *from)
{
    const tsr_json *v = tsr_json_get(from, key);
    if (v)
        tsri_put(o, key, copied(v));
}

static void put_list(tsri_build *o, const char *key, const tsr_json *from)
{
    const tsr_json *v = tsr_json_get(from, key);
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < tsr_json_len(v); i++)
        tsri_add(&list, copied(tsr_json_at(v, i)));
    tsr_json *made = tsri_build_end(&list);
    if (v)
        tsri_put(o, key, made);
    else
        tsr_json_free(made);
}

static void put_place(tsri_build *o, const tsr_json *picture)
{
    put_copy(o, "page", picture);
    put_copy(o, "time", picture);
}

/* ---- categories ---- */

static bool is_name(const tsr_json *name, const char *s, size_t len)
{
    size_t n;
    const char *have = tsr_json_string(name, &n);
    return n == len && memcmp(have, s, len) == 0;
}

static size_t number_of(const writer *w, const tsr_json *box)
{
    size_t len, i = 0;
    const char *s = tsr_json_string(tsr_json_get(box, "label"), &len);
    while (i < tsr_json_len(w->names) && !is_name(tsr_json_at(w->names, i), s, len))
        i++;
    return i;
}

static tsr_status add_name(writer *w, const char *s, size_t len)
{
    for (size_t i = 0; i < tsr_json_len(w->names); i++)
        if (is_name(tsr_json_at(w->names, i), s, len))
            return TSR_OK;
    return tsr_json_append(w->names, tsr_json_new_string(s, len)) ? TSR_OK : no_memory(w);
}

static tsr_status add_asked(writer *w, const char *labels)
{
    tsr_status st = TSR_OK;
    while (labels && *labels && st == TSR_OK) {
        size_t len = strcspn(labels, ","), from = strspn(labels, " "), to = len;
        while (to > from && labels[to - 1] == ' ')
            to--;
        if (to > from)
            st = add_name(w, labels + from, to - from);
        labels += len + (labels[len] == ',');
    }
    return st;
}

static tsr_status number_categories(writer *w, const char *labels)
{
    if (!(w->names = tsr_json_new_array()))
        return no_memory(w);
    tsr_status st = add_asked(w, labels);
    for (size_t i = 0; i < tsr_json_len(w->pictures); i++) {
        const tsr_json *boxes = tsr_json_get(tsr_json_at(w->pictures, i), "boxes");
        for (size_t k = 0; k < tsr_json_len(boxes) && st == TSR_OK; k++) {
            size_t len;
            const char *s = tsr_json_string(tsr_json_get(tsr_json_at(boxes, k), "label"), &len);
            st = add_name(w, s, len);
        }
    }
    return st;
}

/* ---- lines of JSON ---- */

static tsr_json *line_of(const tsr_json *picture, const tsr_json *box)
{
    tsri_build o = tsri_build_object();
    put_copy(&o, "file", picture);
    put_place(&o, picture);
    put_list(&o, "source_size", picture);
    put_copy(&o, "label", box);
    put_list(&o, "box_2d", box);
    put_list(&o, "xyxy", box);
    put_list(&o, "point", box);
    put_list(&o, "xy", box);
    return tsri_build_end(&o);
}

static tsr_status add_line(tsr_text *text, tsr_json *v, tsr_error *err)
{
    char *line = NULL;
    tsr_status st = v ? tsr_json_dump(&line, v, 0, err) : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a line of JSON");
    if (st == TSR_OK)
        st = tsr_text_add(text, line, strlen(line), err);
    if (st == TSR_OK)
        st = tsr_text_add(text, "\n", 1, err);
    tsr_free(line);
    tsr_json_free(v);
    return st;
}

static tsr_status write_jsonl(writer *w, tsr_text *text)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < tsr_json_len(w->pictures); i++) {
        const tsr_json *picture = tsr_json_at(w->pictures, i), *boxes = tsr_json_get(picture, "boxes");
        for (size_t k = 0; k < tsr_json_len(boxes) && st == TSR_OK; k++)
            st = add_line(text, line_of(picture, tsr_json_at(boxes, k)), w->err);
    }
    return st;
}

/* ---- COCO ---- */

static tsr_json *coco_image(const tsr_json *picture, size_t id)
{
    tsri_build o = tsri_build_object();
    const tsr_json *file = tsr_json_get(picture, "file");
    tsri_put_size(&o, "id", id);
    tsri_put(&o, "file_name", copied(file));
    tsri_put_size(&o, "width", width_of(picture));
    tsri_put_size(&o, "height", height_of(picture));
    put_place(&o, picture);
    return tsri_build_end(&o);
}

static void put_sizes(tsri_build *o, const char *key, const size_t *v, size_t n)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < n; i++)
        tsri_add_size(&list, v[i]);
    tsri_put(o, key, tsri_build_end(&list));
}

static tsr_json *coco_annotation(const writer *w, const tsr_json *box, size_t id, size_t image)
{
    tsri_build o = tsri_build_object();
    const tsr_json *xyxy = tsr_json_get(box, "xyxy"), *xy = tsr_json_get(box, "xy");
    size_t x = whole(xyxy ? xyxy : xy, 0), y = whole(xyxy ? xyxy : xy, 1);
    size_t width = xyxy ? whole(xyxy, 2) - x : 1, height = xyxy ? whole(xyxy, 3) - y : 1;
    tsri_put_size(&o, "id", id);
    tsri_put_size(&o, "image_id", image);
    tsri_put_size(&o, "category_id", 1 + number_of(w, box));
    put_sizes(&o, "bbox", (const size_t[]){x, y, width, height}, 4);
    tsri_put_size(&o, "area", width * height);
    tsri_put_size(&o, "iscrowd", 0);
    if (!xyxy) {
        put_sizes(&o, "keypoints", (const size_t[]){x, y, 2}, 3);
        tsri_put_size(&o, "num_keypoints", 1);
    }
    return tsri_build_end(&o);
}

static tsr_json *coco_categories(const writer *w)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < tsr_json_len(w->names); i++) {
        tsri_build o = tsri_build_object();
        tsri_put_size(&o, "id", i + 1);
        tsri_put(&o, "name", copied(tsr_json_at(w->names, i)));
        tsri_add(&list, tsri_build_end(&o));
    }
    return tsri_build_end(&list);
}

static tsr_status write_coco(writer *w, tsr_text *text)
{
    tsri_build o = tsri_build_object(), images = tsri_build_list(), annotations = tsri_build_list();
    size_t n_images = 0, n_boxes = 0;
    for (size_t i = 0; i < tsr_json_len(w->pictures); i++) {
        const tsr_json *picture = tsr_json_at(w->pictures, i), *boxes = tsr_json_get(picture, "boxes");
        if (boxes)
            tsri_add(&images, coco_image(picture, ++n_images));
        for (size_t k = 0; k < tsr_json_len(boxes); k++)
            tsri_add(&annotations, coco_annotation(w, tsr_json_at(boxes, k), ++n_boxes, n_images));
    }
    tsri_put(&o, "images", tsri_build_end(&images));
    tsri_put(&o, "annotations", tsri_build_end(&annotations));
    tsri_put(&o, "categories", coco_categories(w));
    return add_line(text, tsri_build_end(&o), w->err);
}

/* ---- CSV ---- */

static void csv_text(tsri_lines *l, const tsr_json *v)
{
    size_t len = 0;
    const char *s = tsr_json_string(v, &len);
    tsri_print(l, "\"");
    for (size_t i = 0; s && i < len; i++)
        tsri_print(l, s[i] == '"' ? "\"\"" : "%c", s[i]);
    tsri_print(l, "\"");
}

static void csv_number(tsri_lines *l, const tsr_json *v)
{
    double x;
    if (tsr_json_to_double(v, &x))
        tsri_print(l, "%.10g", x);
}

static void csv_box(tsri_lines *l, const tsr_json *picture, const tsr_json *box)
{
    const tsr_json *xyxy = tsr_json_get(box, "xyxy");
    csv_text(l, tsr_json_get(picture, "file"));
    tsri_print(l, ",");
    csv_number(l, tsr_json_get(picture, "page"));
    tsri_print(l, ",");
    csv_number(l, tsr_json_get(picture, "time"));
    tsri_print(l, ",%zu,%zu,", width_of(picture), height_of(picture));
    csv_text(l, tsr_json_get(box, "label"));
    for (size_t i = 0; i < 4; i++) {
        tsri_print(l, ",");
        csv_number(l, tsr_json_at(xyxy ? xyxy : tsr_json_get(box, "xy"), i));
    }
    tsri_print(l, "\r\n");
}

static tsr_status write_csv(writer *w, char **out)
{
    tsri_lines l = tsri_lines_begin(false, w->err);
    tsri_print(&l, "file,page,time,width,height,label,x1,y1,x2,y2\r\n");
    for (size_t i = 0; i < tsr_json_len(w->pictures); i++) {
        const tsr_json *picture = tsr_json_at(w->pictures, i), *boxes = tsr_json_get(picture, "boxes");
        for (size_t k = 0; k < tsr_json_len(boxes); k++)
            csv_box(&l, picture, tsr_json_at(boxes, k));
    }
    return tsri_lines_end(&l, out);
}

/* ---- YOLO ---- */

/* "street.txt"; "street-p2.txt" for a page, "street-t12.5.txt" for a frame. */
static char *yolo_name(const tsr_json *picture)
{
    size_t page = 0;
    double time;
    char more[48] = "", name[512];
    const char *file = tsr_json_string(tsr_json_get(picture, "file"), NULL), *slash = strrchr(file, '/');
    file = slash ? slash + 1 : file;
    const char *dot = strrchr(file, '.');
    int stem = (int)(dot && dot > file ? (size_t)(dot - file) : strlen(file));
    if (tsr_json_to_size(tsr_json_get(picture, "page"), &page))
        snprintf(more, sizeof more, "-p%zu", page);
    else if (tsr_json_to_double(tsr_json_get(picture, "time"), &time))
        snprintf(more, sizeof more, "-t%.10g", time);
    snprintf(name, sizeof name, "%.*s%s.txt", stem > 400 ? 400 : stem, file, more);
    return tsr_strndup(name, strlen(name));
}

static tsr_status yolo_lines(writer *w, const tsr_json *picture, char **out)
{
    tsri_lines l = tsri_lines_begin(false, w->err);
    const tsr_json *boxes = tsr_json_get(picture, "boxes");
    double width = (double)width_of(picture), height = (double)height_of(picture);
    for (size_t k = 0; k < tsr_json_len(boxes); k++) {
        const tsr_json *box = tsr_json_at(boxes, k), *e = tsr_json_get(box, "xyxy");
        double x1 = (double)whole(e, 0), y1 = (double)whole(e, 1), x2 = (double)whole(e, 2), y2 = (double)whole(e, 3);
        if (e)
            tsri_print(&l, "%zu %.6f %.6f %.6f %.6f\n", number_of(w, box), (x1 + x2) / 2 / width,
                       (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height);
    }
    return tsri_lines_end(&l, out);
}

/* A path that has been written is another picture's. */
static tsr_status yolo_put(writer *w, const char *path, const char *text)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < tsr_json_len(w->written); i++)
        if (is_name(tsr_json_at(w->written, i), path, len))
            return tsr_fail(w->err, TSR_ERR_USAGE, "%s: two pictures would have this file; give them in two calls", path);
    tsr_status st = tsr_file_replace(path, text, strlen(text), w->err);
    if (st == TSR_OK && !tsr_json_append(w->written, tsr_json_new_string(path, len)))
        st = no_memory(w);
    return st;
}

static tsr_status yolo_file(writer *w, const char *name, const char *text)
{
    char *path = tsr_path_join(w->folder, name);
    tsr_status st = path ? yolo_put(w, path, text) : no_memory(w);
    tsr_free(path);
    return st;
}

static tsr_status yolo_picture(writer *w, const tsr_json *picture)
{
    char *name = yolo_name(picture), *text = NULL;
    tsr_status st = name ? yolo_lines(w, picture, &text) : no_memory(w);
    if (st == TSR_OK)
        st = yolo_file(w, name, text);
    tsr_free(text);
    tsr_free(name);
    return st;
}

static tsr_status yolo_classes(writer *w)
{
    tsri_lines l = tsri_lines_begin(false, w->err);
    char *text;
    for (size_t i = 0; i < tsr_json_len(w->names); i++) {
        size_t len;
        const char *s = tsr_json_string(tsr_json_at(w->names, i), &len);
        tsri_print_escaped(&l, s, len, SIZE_MAX);
        tsri_print(&l, "\n");
    }
    tsr_status st = tsri_lines_end(&l, &text);
    if (st == TSR_OK)
        st = yolo_file(w, "classes.txt", text);
    tsr_free(text);
    return st;
}

static tsr_status yolo_files(writer *w)
{
    tsr_status st = TSR_OK;
    if (mkdir(w->folder, 0777) != 0 && !tsr_file_is_dir(w->folder))
        return tsr_fail(w->err, errno == EACCES ? TSR_ERR_PERM : TSR_ERR_IO, "%s: can't make the folder: %s", w->folder,
                        strerror(errno));
    if (!(w->written = tsr_json_new_array()))
        return no_memory(w);
    st = yolo_classes(w);
    for (size_t i = 0; i < tsr_json_len(w->pictures) && st == TSR_OK; i++)
        if (tsr_json_get(tsr_json_at(w->pictures, i), "boxes"))
            st = yolo_picture(w, tsr_json_at(w->pictures, i));
    return st;
}

static tsr_status write_yolo(writer *w, char **out)
{
    tsr_status st = yolo_files(w);
    tsri_lines told = tsri_lines_begin(false, w->err);
    for (size_t i = 0; i < tsr_json_len(w->written) && st == TSR_OK; i++) {
        size_t len;
        const char *path = tsr_json_string(tsr_json_at(w->written, i), &len);
        tsri_print_escaped(&told, path, len, SIZE_MAX);
        tsri_print(&told, "\n");
    }
    tsr_json_free(w->written);
    if (st == TSR_OK)
        return tsri_lines_end(&told, out);
    tsr_text_deinit(&told.text);
    return st;
}

/* ---- all ---- */

tsr_status tsri_detect_write(tsri_detect_format format, const tsr_json *pictures, const char *labels, const char *folder,
                             char **out, tsr_error *err)
{
    writer w = {.pictures = pictures, .folder = folder, .err = err};
    tsr_text text = {0};
    *out = NULL;
    tsr_status st = number_categories(&w, labels);
    if (st == TSR_OK && format == TSRI_BOXES_CSV)
        st = write_csv(&w, out);
    else if (st == TSR_OK && format == TSRI_BOXES_YOLO)
        st = write_yolo(&w, out);
    else if (st == TSR_OK)
        st = format == TSRI_BOXES_COCO ? write_coco(&w, &text) : write_jsonl(&w, &text);
    if (st == TSR_OK && !*out)
        st = tsr_text_add(&text, "", 1, err);
    tsr_json_free(w.names);
    if (st != TSR_OK)
        tsr_text_deinit(&text);
    else if (!*out)
        *out = text.at;
    return st;
}
