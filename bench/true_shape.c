/* true_shape: random models in the true sizes of the published ones, as a folder or as GGUF files.
 *
 * usage: true_shape folder VARIANT DIR [--holes]
 *        true_shape gguf VARIANT OUT.gguf --type TYPE [--head TYPE] [--mmproj OUT.gguf [--mmproj-type TYPE]]
 *
 * A folder is BF16; with --holes the weights are zeros that take no room. A GGUF file has the keys, names and types
 * that `tessera quantize` gives such a folder, but its weights are made as bytes, which takes seconds; --head is the
 * type of the embedding table, which is the output matrix too. All weights are random: zeros would be read and
 * multiplied faster than a real model's. Only of the per-layer table in a folder one row in 16 is there. The rows of
 * what ends an answer are zero, so that an answer never ends early. Files are written as they are made: no model has
 * to fit into memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "made_up_vocab.h"
#include "quantize_source.h"
#include "random_rows.h"
#include "shapes.h"
#include "tsr_file.h"

enum { BLOCK = 4096, PIECE = 1 << 20, WIDTH = 960, HEIGHT = 672, PATH_BYTES = 4096 };

static const size_t END_IDS[] = {1, 50, 106};

typedef struct args {
    const shape *s;
    const char *out, *type, *head, *mmproj, *mmproj_type;
    bool is_folder, holes;
} args;

_Noreturn static void die(const char *what, const char *why)
{
    fprintf(stderr, "true_shape: %s: %s\n", what, why);
    exit(74);
}

_Noreturn static void die_errno(const char *what)
{
    die(what, strerror(errno));
}

/* ---- a folder ---- */

static void write_part(const char *dir, const char *name, const shape *s, void (*write)(const shape *s, FILE *f))
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        die_errno(path);
    write(s, f);
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        die_errno(path);
}

static void write_vocab(const shape *s, FILE *f)
{
    (void)s;
    made_up_vocab_write(f);
}

/* 960 x 672 fills a budget of 280 exactly and is not resized: 20 x 14 soft tokens. */
static void write_picture(const shape *s, FILE *f)
{
    (void)s;
    fprintf(f, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int dx = x - WIDTH / 2, dy = y - HEIGHT / 2;
            int inside = dx * dx + dy * dy < 200 * 200;
            fputc(inside ? 214 : x * 255 / WIDTH, f);
            fputc(inside ? 39 : y * 255 / HEIGHT, f);
            fputc(inside ? 40 : (x / 48 + y / 48) % 2 ? 255 : 96, f);
        }
}

static void write_at(int fd, const unsigned char *p, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die_errno("model.safetensors");
        p += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
}

/* The rows that the per-layer table has: those of control tokens, and one in 16. */
static bool has_row(size_t id)
{
    return id < 512 || id % 16 == 5 || id > 255990;
}

/* Clear the rows of END_IDS in n bytes that begin at byte `at` of an embedding table. */
static void clear_ends(unsigned char *p, uint64_t at, size_t n, size_t row_bytes)
{
    for (size_t i = 0; i < sizeof END_IDS / sizeof *END_IDS; i++) {
        uint64_t begin = END_IDS[i] * row_bytes, end = begin + row_bytes;
        uint64_t from = begin > at ? begin : at, to = end < at + n ? end : at + n;
        if (from < to)
            memset(p + (from - at), 0, (size_t)(to - from));
    }
}

static void write_folder_tensor(int fd, const shape_tensor *t, uint64_t at)
{
    static unsigned char buf[PIECE];
    static row_recipe recipe;
    random_bits bits = random_of_name(t->name);
    bool is_embedding = strstr(t->name, "embed_tokens.") != NULL, is_ple = strstr(t->name, "embed_tokens_per_layer");
    size_t row_bytes = 2 * t->dims[1], n;
    row_recipe_init(&recipe, TSR_BF16, value_range_of(t->name, t->n_dims, t->dims));
    if (is_ple) {
        for (size_t id = 0; id < t->dims[0]; id++)
            if (has_row(id)) {
                random_rows(&recipe, &bits, buf, row_bytes);
                write_at(fd, buf, row_bytes, at + (uint64_t)id * row_bytes);
            }
        return;
    }
    for (uint64_t i = 0; i < 2 * t->n_elems; i += n) {
        n = 2 * t->n_elems - i < PIECE ? (size_t)(2 * t->n_elems - i) : PIECE;
        random_rows(&recipe, &bits, buf, n);
        if (is_embedding)
            clear_ends(buf, i, n, row_bytes);
        write_at(fd, buf, n, at + i);
    }
}

/* The header, whose length is a whole number of disk blocks: *len with its first 8 bytes. */
static char *safetensors_header(const shape_tensor *t, size_t n_tensors, size_t *len)
{
    size_t cap = n_tensors * 260 + 2 * BLOCK, n = 8;
    uint64_t at = 0;
    char *h = malloc(cap);
    if (!h)
        die_errno("model.safetensors");
    n += (size_t)snprintf(h + n, cap - n, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n_tensors; i++, at += 2 * t[i - 1].n_elems) {
        n += (size_t)snprintf(h + n, cap - n, ",\"%s\":{\"dtype\":\"BF16\",\"shape\":[", t[i].name);
        for (unsigned k = 0; k < t[i].n_dims; k++)
            n += (size_t)snprintf(h + n, cap - n, "%s%zu", k ? "," : "", t[i].dims[k]);
        n += (size_t)snprintf(h + n, cap - n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                              (unsigned long long)(at + 2 * t[i].n_elems));
    }
    h[n++] = '}';
    while (n % BLOCK)
        h[n++] = ' ';
    for (int i = 0; i < 8; i++)
        h[i] = (char)((n - 8) >> (8 * i));
    *len = n;
    return h;
}

static void write_weights(const shape *s, const char *dir, bool holes)
{
    char path[2 * PATH_BYTES];
    shape_tensor *t;
    size_t n = shape_tensors(s, &t), len;
    uint64_t at;
    if (!t)
        die(s->name, "out of memory");
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0)
        die_errno(path);
    char *h = safetensors_header(t, n, &len);
    write_at(fd, (unsigned char *)h, len, 0);
    at = len;
    for (size_t i = 0; i < n; at += 2 * t[i].n_elems, i++)
        if (!holes)
            write_folder_tensor(fd, &t[i], at);
    if (ftruncate(fd, (off_t)at) != 0 || close(fd) != 0)
        die_errno(path);
    free(h);
    free(t);
}

static void write_folder(const shape *s, const char *dir, bool holes)
{
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        die_errno(dir);
    write_part(dir, "config.json", s, shape_write_config);
    write_part(dir, "generation_config.json", s, shape_write_generation_config);
    write_part(dir, "tokenizer.json", s, write_vocab);
    if (!holes)
        write_part(dir, "picture.ppm", s, write_picture);
    write_weights(s, dir, holes);
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json", "model.safetensors"};
    char path[2 * PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

/* ---- GGUF ---- */

static const tsri_mixture *mixture(const char *name, bool for_towers)
{
    const tsri_mixture *m = tsri_mixture_find(name);
    if (!m || (for_towers && !m->for_towers))
        die(name, "no type for this");
    return m;
}

static tsr_type type_of(const args *a, tsri_half half, const tsri_mixture *mix, const tsri_mixture_model *m,
                        const char *name, const tsr_view *v)
{
    if (half == TSRI_TOWERS)
        return tsri_mixture_tower_type(mix, name, v).type;
    if (a->head && strcmp(name, "token_embd.weight") == 0)
        return mixture(a->head, false)->base;
    return tsri_mixture_text_type(mix, m, name, v).type;
}

static tsr_status write_gguf_tensor(tsr_gguf_writer *w, const char *name, const tsr_view *v, tsr_type type,
                                    tsr_error *err)
{
    static unsigned char buf[PIECE];
    static row_recipe recipe;
    const tsr_type_traits *t = tsr_type_info(type);
    if (strcmp(name, "rope_freqs.weight") == 0) /* the one tensor that is no weight */
        return tsr_gguf_writer_data(w, v->data, v->n_bytes, err);
    random_bits bits = random_of_name(name);
    row_recipe_init(&recipe, type, value_range_of(name, v->n_dims, v->shape));
    bool is_embedding = strcmp(name, "token_embd.weight") == 0;
    size_t row_bytes = tsr_view_cols(v) / t->block_elems * t->block_bytes;
    size_t piece = PIECE / t->block_bytes * t->block_bytes, n;
    uint64_t total = (uint64_t)(v->n_elems / t->block_elems) * t->block_bytes;
    tsr_status st = TSR_OK;
    for (uint64_t i = 0; i < total && st == TSR_OK; i += n) {
        n = total - i < piece ? (size_t)(total - i) : piece;
        random_rows(&recipe, &bits, buf, n);
        if (is_embedding)
            clear_ends(buf, i, n, row_bytes);
        st = tsr_gguf_writer_data(w, buf, n, err);
    }
    return st;
}

static tsr_status fill_gguf(const args *a, tsr_gguf_writer *w, tsri_source *src, tsri_half half,
                            const tsri_mixture *mix, const tsr_weights *tensors, tsr_error *err)
{
    tsri_mixture_model m = tsri_mixture_look(tensors);
    size_t n = tsr_weights_count(tensors);
    tsr_status st = tsri_source_put(src, half, tensors, mix, w, err);
    for (size_t i = 0; i < n; i++) {
        const tsr_view *v = tsr_weights_view(tensors, i);
        const char *name = tsr_weights_name(tensors, i);
        tsr_gguf_add_tensor(w, name, type_of(a, half, mix, &m, name, v), v->n_dims, v->shape);
    }
    if (st == TSR_OK)
        st = tsr_gguf_writer_begin(w, err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        const tsr_view *v = tsr_weights_view(tensors, i);
        const char *name = tsr_weights_name(tensors, i);
        st = write_gguf_tensor(w, name, v, type_of(a, half, mix, &m, name, v), err);
    }
    return st == TSR_OK ? tsr_gguf_writer_finish(w, err) : st;
}

static tsr_status write_gguf(const args *a, tsri_source *src, tsri_half half, const char *path, const char *type,
                             tsr_error *err)
{
    tsr_weights *tensors = NULL;
    tsr_gguf_writer *w = NULL;
    tsr_status st = tsri_source_tensors(&tensors, src, half, err);
    if (st == TSR_OK)
        st = tsr_gguf_writer_open(&w, path, 0, err);
    if (st == TSR_OK)
        st = fill_gguf(a, w, src, half, mixture(type, half == TSRI_TOWERS), tensors, err);
    if (st == TSR_OK)
        printf("%s: %zu tensors, %.2f GB\n", path, tsr_weights_count(tensors),
               1e-9 * (double)tsr_gguf_writer_total_bytes(w));
    tsr_gguf_writer_close(w);
    tsr_weights_close(tensors);
    return st;
}

/* The folder is what the keys and names are made from; its weights are holes. */
static int write_ggufs(const args *a)
{
    char dir[PATH_BYTES];
    tsr_error err = {TSR_OK, ""};
    tsri_source *src = NULL;
    if (snprintf(dir, sizeof dir, "%s.shape", a->out) >= (int)sizeof dir)
        die(a->out, "name too long");
    write_folder(a->s, dir, true);
    tsr_status st = tsri_source_open(&src, dir, NULL, 1, &err);
    if (st == TSR_OK)
        st = write_gguf(a, src, TSRI_TEXT, a->out, a->type, &err);
    if (st == TSR_OK && a->mmproj)
        st = write_gguf(a, src, TSRI_TOWERS, a->mmproj, a->mmproj_type, &err);
    tsri_source_close(src);
    remove_folder(dir);
    if (st != TSR_OK)
        die(a->out, err.text);
    return EXIT_SUCCESS;
}

/* ---- arguments ---- */

static int usage(void)
{
    fputs("usage: true_shape folder VARIANT DIR [--holes]\n"
          "       true_shape gguf VARIANT OUT.gguf --type TYPE [--head TYPE] [--mmproj OUT.gguf [--mmproj-type TYPE]]\n"
          "VARIANT: ", stderr);
    shape_names(stderr);
    fputs("\n", stderr);
    return 64;
}

static bool take_option(args *a, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--type", &a->type}, {"--head", &a->head}, {"--mmproj", &a->mmproj},
                   {"--mmproj-type", &a->mmproj_type}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(name, options[i].name) == 0) {
            *options[i].to = value;
            return !a->is_folder;
        }
    return false;
}

static bool parse(args *a, int argc, char **argv)
{
    *a = (args){.mmproj_type = "bf16"};
    if (argc < 4 || (strcmp(argv[1], "folder") != 0 && strcmp(argv[1], "gguf") != 0))
        return false;
    a->is_folder = argv[1][0] == 'f';
    a->s = shape_find(argv[2]);
    a->out = argv[3];
    for (int i = 4; i < argc; i++) {
        if (a->is_folder && strcmp(argv[i], "--holes") == 0)
            a->holes = true;
        else if (i + 1 == argc || !take_option(a, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return a->s && (a->is_folder || a->type);
}

int main(int argc, char **argv)
{
    args a;
    if (!parse(&a, argc, argv))
        return usage();
    if (!a.is_folder)
        return write_ggufs(&a);
    write_folder(a.s, a.out, a.holes);
    return EXIT_SUCCESS;
}
