/* model_find.c: the word after -m, looked up in the Hugging Face cache or taken as a path. */
#include "model_find.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "hf_cache.h"
#include "places.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

enum { MOST_NAMES = 8 }; /* in one message */

/* Where it is looked for, and what to say when it isn't found. */
typedef struct search {
    const char *spec;      /* as given */
    tsri_hf_spec hf;       /* all NULL for a folder */
    const char *repo_path; /* NULL for a folder */
    tsri_folder folder;
} search;

static tsr_status no_memory(const search *s, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", s->spec);
}

/* ": this would download it: hf download ORG/REPO ..." for a repository, "" for a folder. */
static void advice(char *buf, size_t cap, const search *s, const char *quant)
{
    buf[0] = '\0';
    if (!s->hf.repo)
        return;
    size_t n = (size_t)snprintf(buf, cap, "; this would download it: hf download %s", s->hf.repo);
    if (s->hf.rev && n < cap)
        n += (size_t)snprintf(buf + n, cap - n, " --revision %s", s->hf.rev);
    if (quant && n < cap)
        snprintf(buf + n, cap - n, " --include '*%s*' '*mmproj*'", quant);
}

/* "SPEC: WHY LIST; ADVICE" */
static tsr_status refuse(const search *s, tsr_status st, const char *why, const tsri_names *list, const char *quant,
                         tsr_error *err)
{
    char how[512];
    char *names = tsri_names_join(list, MOST_NAMES);
    if (!names)
        return no_memory(s, err);
    advice(how, sizeof how, s, quant);
    tsr_fail(err, st, "%s: %s%s%s%s", s->spec, why, *names ? ": " : "", names, how);
    tsr_free(names);
    return st;
}

/* ---- what is missing ---- */

/* What is missing of a model, and what is still being downloaded. */
static tsr_status not_whole(const search *s, const tsri_names *missing, tsr_error *err)
{
    tsri_names all = {0}, unfinished = {0};
    tsr_status st = s->repo_path ? tsri_hf_unfinished(&unfinished, s->repo_path, err) : TSR_OK;
    for (size_t i = 0; i < missing->n && st == TSR_OK; i++)
        st = tsri_names_add(&all, missing->at[i], strlen(missing->at[i]), err);
    for (size_t i = 0; i < unfinished.n && st == TSR_OK; i++) {
        char name[160];
        int n = snprintf(name, sizeof name, "(download not ended: blobs/%.120s)", unfinished.at[i]);
        st = tsri_names_add(&all, name, (size_t)n, err);
    }
    if (st == TSR_OK)
        st = refuse(s, TSR_ERR_NOINPUT, "is not whole; missing", &all, s->hf.quant, err);
    tsri_names_deinit(&all);
    tsri_names_deinit(&unfinished);
    return st;
}

/* ---- choosing among GGUF files ---- */

static bool same_letters(const char *a, const char *b, size_t n_b)
{
    size_t n = 0;
    while (n < n_b && a[n] && toupper((unsigned char)a[n]) == toupper((unsigned char)b[n]))
        n++;
    return n == n_b && a[n] == '\0';
}

/* How well a file answers to `quant`: 3 by its name, 2 by its type, 1 by its type without the publisher's "UD-",
 * 0 not at all. */
static unsigned answers(const tsri_gguf_file *f, const char *quant)
{
    const char *slash = strrchr(f->name, '/'), *file = slash ? slash + 1 : f->name;
    if (strcmp(f->name, quant) == 0 || strcmp(file, quant) == 0 || same_letters(quant, file, strlen(file) - 5))
        return 3;
    if (same_letters(quant, f->tag, strlen(f->tag)))
        return 2;
    return strncmp(f->tag, "UD-", 3) == 0 && same_letters(quant, f->tag + 3, strlen(f->tag) - 3);
}

/* Types, or where a name carries none or two the same, names of the text models. */
static tsr_status list_models(tsri_names *out, const tsri_folder *f, tsr_error *err)
{
    tsr_status st = TSR_OK;
    *out = (tsri_names){0};
    for (size_t i = 0; i < f->n_ggufs && st == TSR_OK; i++) {
        const tsri_gguf_file *g = &f->ggufs[i];
        bool alone = g->tag[0] != '\0';
        for (size_t k = 0; k < f->n_ggufs; k++)
            alone &= k == i || f->ggufs[k].is_mmproj || strcmp(f->ggufs[k].tag, g->tag) != 0;
        if (!g->is_mmproj)
            st = tsri_names_add(out, alone ? g->tag : g->name, strlen(alone ? g->tag : g->name), err);
    }
    return st;
}

static tsr_status refuse_listing(const search *s, tsr_status status, const char *why, const char *quant, tsr_error *err)
{
    tsri_names names;
    tsr_status st = list_models(&names, &s->folder, err);
    if (st == TSR_OK)
        st = refuse(s, status, why, &names, quant, err);
    tsri_names_deinit(&names);
    return st;
}

/* The one text model that answers best; without `quant` the only one. */
static tsr_status choose(const tsri_gguf_file **out, const search *s, tsr_error *err)
{
    unsigned best = 0;
    size_t n = 0, n_models = 0;
    *out = NULL;
    for (size_t i = 0; i < s->folder.n_ggufs; i++) {
        const tsri_gguf_file *f = &s->folder.ggufs[i];
        if (f->is_mmproj)
            continue;
        unsigned how = s->hf.quant ? answers(f, s->hf.quant) : 1;
        n_models++;
        if (how == 0 || how < best)
            continue;
        n = how > best ? 1 : n + 1;
        best = how;
        *out = f;
    }
    if (n == 1)
        return TSR_OK;
    if (n_models == 0)
        return refuse(s, TSR_ERR_NOINPUT, "no GGUF text model is there", &(tsri_names){0}, s->hf.quant, err);
    if (n == 0)
        return refuse_listing(s, TSR_ERR_NOINPUT, "no GGUF of that type is there; there is", s->hf.quant, err);
    search here = *s;
    here.hf = (tsri_hf_spec){0}; /* a choice, not a download */
    return refuse_listing(&here, TSR_ERR_USAGE,
                          s->repo_path ? "several GGUF models answer to it; choose one with hf:ORG/REPO:QUANT"
                                       : "several GGUF models are there; name the file",
                          NULL, err);
}

static tsr_status take_gguf(const search *s, char **path, char **mmproj, tsr_error *err)
{
    const tsri_gguf_file *f;
    tsr_status st = choose(&f, s, err);
    if (st == TSR_OK && f->missing.n)
        st = not_whole(s, &f->missing, err);
    if (st == TSR_OK && !(*path = tsr_strdup(f->path)))
        st = no_memory(s, err);
    return st == TSR_OK ? tsri_folder_mmproj(mmproj, &s->folder, f->path, err) : st;
}

static tsr_status take_folder(const search *s, char **path, tsr_error *err)
{
    *path = tsr_strdup(s->folder.path);
    return *path ? TSR_OK : no_memory(s, err);
}

/* ---- the cache ---- */

static tsr_status pick(const search *s, char **path, char **mmproj, tsr_error *err)
{
    const tsri_folder *f = &s->folder;
    size_t n_models = 0;
    for (size_t i = 0; i < f->n_ggufs; i++)
        n_models += !f->ggufs[i].is_mmproj;
    if (s->hf.quant || (n_models && (!f->has_safetensors || f->missing.n)))
        return take_gguf(s, path, mmproj, err);
    if (f->has_safetensors && f->missing.n == 0)
        return take_folder(s, path, err);
    if (f->has_safetensors)
        return not_whole(s, &f->missing, err);
    char what[] = "any model file", *list[] = {what};
    return not_whole(s, &(tsri_names){.at = list, .n = 1}, err);
}

static tsr_status not_there(const search *s, const char *cache, tsr_error *err)
{
    char why[512];
    bool has_repo = s->repo_path && tsr_file_is_dir(s->repo_path);
    if (has_repo && s->hf.rev)
        snprintf(why, sizeof why, "has no revision %.100s in the Hugging Face cache %.300s", s->hf.rev, cache);
    else
        snprintf(why, sizeof why, "is not in the Hugging Face cache %.400s", cache);
    return refuse(s, TSR_ERR_NOINPUT, why, &(tsri_names){0}, s->hf.quant, err);
}

static tsr_status find_in_repo(search *s, const char *cache, char **path, char **mmproj, tsr_error *err)
{
    char *dir;
    tsr_status st = tsri_hf_snapshot(&dir, s->repo_path, s->hf.rev, err);
    if (st == TSR_OK && !dir)
        st = not_there(s, cache, err);
    if (st == TSR_OK)
        st = tsri_folder_scan(&s->folder, dir, true, err);
    if (st == TSR_OK)
        st = pick(s, path, mmproj, err);
    tsri_folder_deinit(&s->folder);
    tsr_free(dir);
    return st;
}

static tsr_status find_in_cache(const char *spec, char **path, char **mmproj, tsr_error *err)
{
    search s = {.spec = spec};
    char *cache = NULL, *repo = NULL;
    tsr_status st = tsri_hf_spec_parse(&s.hf, spec, err);
    if (st == TSR_OK)
        st = tsri_hf_cache_path(&cache, err);
    if (st == TSR_OK && !cache)
        st = tsr_fail(err, TSR_ERR_NOINPUT, "%s: where is the Hugging Face cache? Neither HF_HOME nor HOME is set", spec);
    if (st == TSR_OK) {
        repo = tsri_hf_repo_path(cache, s.hf.repo);
        s.repo_path = repo;
        st = repo ? find_in_repo(&s, cache, path, mmproj, err) : no_memory(&s, err);
    }
    tsr_free(repo);
    tsr_free(cache);
    tsri_hf_spec_deinit(&s.hf);
    return st;
}

/* ---- paths ---- */

static tsr_status find_in_folder(const char *dir, char **path, char **mmproj, tsr_error *err)
{
    search s = {.spec = dir};
    tsr_status st = tsri_folder_scan(&s.folder, dir, false, err);
    size_t n_models = 0;
    for (size_t i = 0; i < s.folder.n_ggufs; i++)
        n_models += !s.folder.ggufs[i].is_mmproj;
    if (st == TSR_OK && n_models && !s.folder.has_config && !s.folder.has_safetensors)
        st = take_gguf(&s, path, mmproj, err);
    else if (st == TSR_OK)
        st = take_folder(&s, path, err); /* what is missing of it, its opener tells */
    tsri_folder_deinit(&s.folder);
    return st;
}

tsr_status tsri_find_model(const char *spec, char **path, char **mmproj, tsr_error *err)
{
    tsr_status st;
    *path = *mmproj = NULL;
    if (strncmp(spec, "hf:", 3) == 0)
        st = find_in_cache(spec, path, mmproj, err);
    else if (tsr_file_is_dir(spec))
        st = find_in_folder(spec, path, mmproj, err);
    else
        st = (*path = tsr_strdup(spec)) ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", spec);
    if (st != TSR_OK) {
        tsr_free(*path);
        tsr_free(*mmproj);
        *path = *mmproj = NULL;
    }
    return st;
}

/* Ask `ask` about the folder that the file stands in. */
static tsr_status look_beside(const char *gguf, char **out,
                              tsr_status (*ask)(char **, const tsri_folder *, const char *, tsr_error *), tsr_error *err)
{
    tsri_folder f;
    const char *slash = strrchr(gguf, '/');
    *out = NULL;
    char *dir = !slash ? tsr_strdup(".") : slash == gguf ? tsr_strdup("/") : tsr_strndup(gguf, (size_t)(slash - gguf));
    if (!dir)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", gguf);
    tsr_status st = tsri_folder_scan(&f, dir, false, err);
    if (st == TSR_OK)
        st = ask(out, &f, gguf, err);
    tsri_folder_deinit(&f);
    tsr_free(dir);
    return st;
}

tsr_status tsri_find_mmproj(const char *gguf, char **path, tsr_error *err)
{
    return look_beside(gguf, path, tsri_folder_mmproj, err);
}

tsr_status tsri_find_unfit_mmproj(const char *gguf, char **text, tsr_error *err)
{
    return look_beside(gguf, text, tsri_folder_unfit_mmproj, err);
}
