/* model_list.c: all models on this machine, or in the folders named: found, looked at, told as a table or JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hf_cache.h"
#include "json_build.h"
#include "model_facts.h"
#include "model_internal.h"
#include "places.h"
#include "tessera.h"
#include "text_build.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

enum { MAX_DEPTH = 6, WIDEST_NAME = 72, MOST_BLOBS = 3 };

typedef struct seen {
    dev_t dev;
    ino_t ino;
} seen;

typedef struct listing {
    tsri_model_facts *at;
    size_t n;
    seen *folders; /* so that a folder is looked at once, however many ways lead to it */
    size_t n_folders;
    tsr_error *err;
} listing;

/* ---- collecting ---- */

static tsr_status no_memory(listing *l, const char *path)
{
    return tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: models in %s", path);
}

/* Room for one more; it counts when n is raised. */
static tsr_status make_room(listing *l, const char *path)
{
    tsri_model_facts *grown = tsr_realloc(l->at, (l->n + 1) * sizeof *grown);
    if (!grown)
        return no_memory(l, path);
    l->at = grown;
    return TSR_OK;
}

static tsr_status add_folder(listing *l, const char *name, const tsri_folder *f)
{
    tsr_status st = make_room(l, f->path);
    if (st == TSR_OK)
        st = tsri_facts_of_folder(&l->at[l->n], name, f, l->err);
    l->n += st == TSR_OK;
    return st;
}

static tsr_status add_gguf(listing *l, const char *name, const tsri_folder *f, const tsri_gguf_file *file)
{
    tsr_status st = make_room(l, file->path);
    if (st == TSR_OK)
        st = tsri_facts_of_gguf(&l->at[l->n], name, f, file, l->err);
    l->n += st == TSR_OK;
    return st;
}

/* Something that is no model but must not go unsaid. */
static tsr_status add_problem(listing *l, const char *name, const char *path, const char *text)
{
    tsr_status st = make_room(l, path);
    if (st != TSR_OK)
        return st;
    tsri_model_facts *m = &l->at[l->n++];
    *m = (tsri_model_facts){.name = tsr_strdup(name), .path = tsr_strdup(path), .format = "-", .variant = "-", .type = "-"};
    return m->name && m->path ? tsri_names_add(&m->problems, text, strlen(text), l->err) : no_memory(l, path);
}

/* True the first time that a folder is met. */
static bool is_new(listing *l, const char *path, tsr_status *st)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return true; /* scanning it will tell */
    for (size_t i = 0; i < l->n_folders; i++)
        if (l->folders[i].dev == sb.st_dev && l->folders[i].ino == sb.st_ino)
            return false;
    seen *grown = tsr_realloc(l->folders, (l->n_folders + 1) * sizeof *grown);
    if (!grown) {
        *st = no_memory(l, path);
        return false;
    }
    l->folders = grown;
    l->folders[l->n_folders++] = (seen){sb.st_dev, sb.st_ino};
    return true;
}

/* ---- one scanned folder ---- */

/* What to pass to -m for a GGUF of a repository: its type, or its name where that says more than one. */
static char *name_in_repo(const char *spec, const tsri_folder *f, const tsri_gguf_file *file)
{
    const char *slash = strrchr(file->name, '/'), *last = slash ? slash + 1 : file->name;
    bool alone = file->tag[0] != '\0';
    for (size_t i = 0; i < f->n_ggufs; i++)
        alone &= &f->ggufs[i] == file || f->ggufs[i].is_mmproj || strcmp(f->ggufs[i].tag, file->tag) != 0;
    size_t cap = strlen(spec) + strlen(file->name) + TSRI_TAG_BYTES + 2;
    char *name = tsr_alloc(cap);
    if (name)
        snprintf(name, cap, "%s:%s", spec, alone ? file->tag : last);
    return name;
}

/* `spec`: of the repository, NULL outside the cache. */
static tsr_status add_file(listing *l, const char *spec, const tsri_folder *f, const tsri_gguf_file *file)
{
    char *name = spec && !file->is_mmproj ? name_in_repo(spec, f, file) : tsr_strdup(file->path);
    tsr_status st = name ? add_gguf(l, name, f, file) : no_memory(l, file->path);
    tsr_free(name);
    return st;
}

/* A mmproj is told with the text model that it belongs to; where none has one, it stands for itself. */
static tsr_status add_all(listing *l, const char *spec, const tsri_folder *f)
{
    tsr_status st = TSR_OK;
    size_t first = l->n, n_with = 0;
    if (f->has_safetensors)
        st = add_folder(l, spec ? spec : f->path, f);
    for (size_t i = 0; i < f->n_ggufs && st == TSR_OK; i++)
        if (!f->ggufs[i].is_mmproj)
            st = add_file(l, spec, f, &f->ggufs[i]);
    for (size_t i = first; i < l->n; i++)
        n_with += l->at[i].mmproj != NULL;
    for (size_t i = 0; i < f->n_ggufs && st == TSR_OK && n_with == 0; i++)
        if (f->ggufs[i].is_mmproj)
            st = add_file(l, spec, f, &f->ggufs[i]);
    return st;
}

/* A folder that can't be read is told and passed over. */
static tsr_status scan(tsri_folder *f, listing *l, const char *dir, bool deep, bool *good)
{
    tsr_error why = {TSR_OK, ""};
    tsr_status st = tsri_folder_scan(f, dir, deep, &why);
    *good = st == TSR_OK;
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(l->err, st, "%s", why.text);
    return st == TSR_OK ? TSR_OK : add_problem(l, dir, dir, why.text);
}

static tsr_status list_folder(listing *l, const char *dir, unsigned depth, bool flat)
{
    tsri_folder f;
    bool good;
    tsr_status st = TSR_OK;
    if (!is_new(l, dir, &st))
        return st;
    st = scan(&f, l, dir, false, &good);
    if (st != TSR_OK || !good)
        return st;
    st = add_all(l, NULL, &f);
    for (size_t i = 0; i < f.folders.n && st == TSR_OK && !flat && depth < MAX_DEPTH; i++)
        st = list_folder(l, f.folders.at[i], depth + 1, false);
    tsri_folder_deinit(&f);
    return st;
}

static tsr_status list_file(listing *l, const char *path)
{
    tsri_gguf_file file = {.path = tsr_strdup(path), .n_parts = 1};
    tsri_folder none = {0};
    struct stat sb;
    if (!file.path)
        return no_memory(l, path);
    file.name = file.path;
    file.n_bytes = stat(path, &sb) == 0 ? (uint64_t)sb.st_size : 0;
    tsri_type_tag(file.tag, file.name);
    tsr_status st = add_gguf(l, path, &none, &file);
    tsr_free(file.path);
    return st;
}

/* ---- the Hugging Face cache ---- */

static char *spec_of(const char *repo, const char *rev)
{
    size_t cap = strlen(repo) + strlen(rev) + 5;
    char *s = tsr_alloc(cap);
    if (s)
        snprintf(s, cap, *rev ? "hf:%s@%s" : "hf:%s%s", repo, rev);
    return s;
}

static tsr_status list_snapshot(listing *l, const char *repo_path, const char *repo, const char *commit)
{
    char *snapshots = tsr_path_join(repo_path, "snapshots"), *dir = NULL, *rev = NULL, *spec = NULL;
    tsri_folder f = {0};
    bool good = false;
    tsr_status st = tsri_hf_revision_of(&rev, repo_path, commit, l->err);
    if (st == TSR_OK && (!snapshots || !(dir = tsr_path_join(snapshots, commit)) || !(spec = spec_of(repo, rev))))
        st = no_memory(l, repo_path);
    if (st == TSR_OK && tsr_file_is_dir(dir) && is_new(l, dir, &st))
        st = scan(&f, l, dir, true, &good);
    if (st == TSR_OK && good)
        st = add_all(l, spec, &f);
    tsri_folder_deinit(&f);
    tsr_free(spec);
    tsr_free(rev);
    tsr_free(dir);
    tsr_free(snapshots);
    return st;
}

/* Downloads that have not ended: added to what is not whole, else told alone. */
static tsr_status note_unfinished(listing *l, const char *repo_path, const char *repo, size_t first)
{
    tsri_names blobs;
    char text[512], name[256];
    bool told = false;
    tsr_status st = tsri_hf_unfinished(&blobs, repo_path, l->err);
    char *list = st == TSR_OK ? tsri_names_join(&blobs, MOST_BLOBS) : NULL;
    if (st == TSR_OK && !list)
        st = no_memory(l, repo_path);
    if (st == TSR_OK && blobs.n) {
        snprintf(text, sizeof text, "%zu downloads have not ended: blobs/%.400s", blobs.n, list);
        for (size_t i = first; i < l->n && st == TSR_OK; i++)
            if (l->at[i].problems.n) {
                st = tsri_names_add(&l->at[i].problems, text, strlen(text), l->err);
                told = true;
            }
        snprintf(name, sizeof name, "hf:%s", repo);
        if (st == TSR_OK && !told)
            st = add_problem(l, name, repo_path, text);
    }
    tsr_free(list);
    tsri_names_deinit(&blobs);
    return st;
}

static tsr_status list_repo(listing *l, const char *repo_path, const char *repo)
{
    tsri_names commits;
    size_t first = l->n;
    tsr_status st = tsri_hf_commits(&commits, repo_path, l->err);
    for (size_t i = 0; i < commits.n && st == TSR_OK; i++)
        st = list_snapshot(l, repo_path, repo, commits.at[i]);
    if (st == TSR_OK)
        st = note_unfinished(l, repo_path, repo, first);
    tsri_names_deinit(&commits);
    return st;
}

static tsr_status list_cache(listing *l, const char *cache)
{
    tsri_names names;
    tsr_status st = tsri_folder_names(&names, cache, l->err);
    for (size_t i = 0; i < names.n && st == TSR_OK; i++) {
        char *repo, *path;
        st = tsri_hf_repo_name(&repo, names.at[i], l->err);
        if (st != TSR_OK || !repo)
            continue;
        path = tsr_path_join(cache, names.at[i]);
        st = path ? list_repo(l, path, repo) : no_memory(l, cache);
        tsr_free(path);
        tsr_free(repo);
    }
    tsri_names_deinit(&names);
    return st;
}

/* ---- telling ---- */

static tsr_json *names_list(const tsri_names *names)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < names->n; i++)
        tsri_add_text(&list, names->at[i]);
    return tsri_build_end(&list);
}

static tsr_json *model_json(const tsri_model_facts *m)
{
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "name", m->name);
    tsri_put_text(&o, "path", m->path);
    if (m->mmproj)
        tsri_put_text(&o, "mmproj", m->mmproj);
    tsri_put_text(&o, "format", m->format);
    tsri_put_text(&o, "variant", m->variant);
    tsri_put_text(&o, "type", m->type);
    tsri_put_size(&o, "bytes", (size_t)m->n_bytes);
    tsri_put_bool(&o, "sees", m->sees);
    tsri_put_bool(&o, "hears", m->hears);
    tsri_put(&o, "problems", names_list(&m->problems));
    return tsri_build_end(&o);
}

static tsr_status tell_json(char **out, const listing *l, const tsri_places *places)
{
    tsri_build o = tsri_build_object(), models = tsri_build_list(), looked = tsri_build_list();
    for (size_t i = 0; i < l->n; i++)
        tsri_add(&models, model_json(&l->at[i]));
    for (size_t i = 0; i < places->n; i++) {
        tsri_build p = tsri_build_object();
        tsri_put_text(&p, "place", places->at[i].what);
        tsri_put_text(&p, "path", places->at[i].path);
        tsri_put_bool(&p, "there", tsr_file_exists(places->at[i].path));
        tsri_add(&looked, tsri_build_end(&p));
    }
    tsri_put(&o, "models", tsri_build_end(&models));
    tsri_put(&o, "looked_in", tsri_build_end(&looked));
    tsr_json *v = tsri_build_end(&o);
    tsr_status st = v ? tsr_json_dump(out, v, 2, l->err) : tsr_fail(l->err, TSR_ERR_NOMEM, "out of memory: a list of models");
    tsr_json_free(v);
    return st;
}

static void print_model(tsri_lines *t, const tsri_model_facts *m, int widest)
{
    char size[16];
    int len = (int)strlen(m->name);
    tsri_bytes_text(size, m->n_bytes);
    tsri_print_escaped(t, m->name, strlen(m->name), SIZE_MAX);
    tsri_print(t, "%*s  %-8s %-11s %10s  %-4s %-5s\n", len < widest ? widest - len : 0, "", m->variant, m->type,
               m->n_bytes ? size : "-", m->sees ? "yes" : "no", m->hears ? "yes" : "no");
    for (size_t i = 0; i < m->problems.n; i++) {
        tsri_style_begin(t, TSRI_BAD);
        tsri_print(t, "    ! ");
        tsri_print_escaped(t, m->problems.at[i], strlen(m->problems.at[i]), SIZE_MAX);
        tsri_style_end(t, TSRI_BAD);
        tsri_print(t, "\n");
    }
}

static tsr_status tell_text(char **out, const listing *l, const tsri_places *places, bool color)
{
    tsri_lines t = tsri_lines_begin(color, l->err);
    int widest = 4;
    for (size_t i = 0; i < l->n; i++) {
        int len = (int)strlen(l->at[i].name);
        widest = len > widest && len <= WIDEST_NAME ? len : widest;
    }
    if (l->n) {
        tsri_style_begin(&t, TSRI_HEAD);
        tsri_print(&t, "%-*s  %-8s %-11s %10s  %-4s %s", widest, "NAME", "VARIANT", "TYPE", "SIZE", "SEES", "HEARS");
        tsri_style_end(&t, TSRI_HEAD);
        tsri_print(&t, "\n");
    } else {
        tsri_print(&t, "no model files; looked in:\n");
    }
    for (size_t i = 0; i < l->n && t.st == TSR_OK; i++)
        print_model(&t, &l->at[i], widest);
    for (size_t i = 0; i < places->n && l->n == 0; i++) {
        tsri_print(&t, "  %-23s ", places->at[i].what);
        tsri_print_escaped(&t, places->at[i].path, strlen(places->at[i].path), SIZE_MAX);
        tsri_print(&t, "%s\n", tsr_file_exists(places->at[i].path) ? "" : " (is not there)");
    }
    return tsri_lines_end(&t, out);
}

/* ---- the public function ---- */

static tsr_status list_place(listing *l, const tsri_place *p, bool required)
{
    if (!tsr_file_exists(p->path))
        return required ? tsr_fail(l->err, TSR_ERR_NOINPUT, "%s: no such folder", p->path) : TSR_OK;
    if (!tsr_file_is_dir(p->path))
        return list_file(l, p->path);
    return p->is_hf ? list_cache(l, p->path) : list_folder(l, p->path, 0, p->is_flat);
}

/* The folders given, as places; the strings are borrowed. */
static tsr_status take_given(tsri_places *out, const char *const *folders, size_t n, tsr_error *err)
{
    *out = (tsri_places){0};
    tsr_status st = tsr_alloc_array(&out->at, n, sizeof *out->at, "folders", err);
    for (size_t i = 0; i < n && st == TSR_OK; i++) {
        out->at[i] = (tsri_place){.what = "folder", .path = tsr_strdup(folders[i])};
        if (!out->at[i].path)
            st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", folders[i]);
        else
            out->n++;
    }
    return st;
}

tessera_status tessera_models_list(const char *const *folders, size_t n_folders, int as_json, int color, char **out,
                                   size_t *n_models, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    listing l = {.err = &err};
    tsri_places places = {0};
    *out = NULL;
    *n_models = 0;
    tsr_status st = n_folders ? take_given(&places, folders, n_folders, &err) : tsri_places_find(&places, &err);
    for (size_t i = 0; i < places.n && st == TSR_OK; i++)
        st = list_place(&l, &places.at[i], n_folders > 0);
    if (st == TSR_OK)
        st = as_json ? tell_json(out, &l, &places) : tell_text(out, &l, &places, color);
    if (st == TSR_OK)
        *n_models = l.n;
    for (size_t i = 0; i < l.n; i++)
        tsri_model_facts_deinit(&l.at[i]);
    tsr_free(l.at);
    tsr_free(l.folders);
    tsri_places_deinit(&places);
    return tsri_public(perr, st, &err);
}
