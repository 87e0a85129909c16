/* hf_cache.c: names in the Hugging Face cache, checked before they become parts of paths. */
#include "hf_cache.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

enum { MAX_REF_BYTES = 4096, LEAST_PREFIX = 4 };

/* One part of a repository's or revision's name: what the Hub allows, and no way out of the cache. */
static bool is_plain(const char *s, size_t n)
{
    if (n == 0 || n > 96 || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
            return false;
    return true;
}

/* "refs/pr/1": plain parts with slashes between. */
static bool is_plain_path(const char *s, size_t n)
{
    for (size_t at = 0; at <= n;) {
        size_t len = 0;
        while (at + len < n && s[at + len] != '/')
            len++;
        if (!is_plain(s + at, len))
            return false;
        at += len + 1;
    }
    return n > 0;
}

static tsr_status bad_spec(const char *spec, const char *why, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_USAGE, "%s: %s; the form is hf:ORG/REPO[@REVISION][:QUANT]", spec, why);
}

static tsr_status keep(char **out, const char *s, size_t n, tsr_error *err)
{
    *out = tsr_strndup(s, n);
    return *out ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: a name of %zu bytes", n);
}

tsr_status tsri_hf_spec_parse(tsri_hf_spec *out, const char *spec, tsr_error *err)
{
    *out = (tsri_hf_spec){0};
    const char *s = spec + (strncmp(spec, "hf:", 3) == 0 ? 3 : 0);
    size_t n_repo = strcspn(s, "@:"), n_rev = 0, n_quant = 0;
    const char *slash = memchr(s, '/', n_repo), *rev = NULL, *quant = NULL;
    if (!slash || !is_plain(s, (size_t)(slash - s)) || !is_plain(slash + 1, n_repo - (size_t)(slash + 1 - s)))
        return bad_spec(spec, "names no repository", err);
    if (s[n_repo] == '@') {
        rev = s + n_repo + 1;
        n_rev = strcspn(rev, ":");
        if (!is_plain_path(rev, n_rev))
            return bad_spec(spec, "names no revision after '@'", err);
    }
    const char *rest = rev ? rev + n_rev : s + n_repo;
    if (*rest == ':') {
        quant = rest + 1;
        n_quant = strlen(quant);
        if (!is_plain_path(quant, n_quant))
            return bad_spec(spec, "names no type after ':'", err);
    }
    tsr_status st = keep(&out->repo, s, n_repo, err);
    if (st == TSR_OK && rev)
        st = keep(&out->rev, rev, n_rev, err);
    if (st == TSR_OK && quant)
        st = keep(&out->quant, quant, n_quant, err);
    if (st != TSR_OK)
        tsri_hf_spec_deinit(out);
    return st;
}

void tsri_hf_spec_deinit(tsri_hf_spec *s)
{
    tsr_free(s->repo);
    tsr_free(s->rev);
    tsr_free(s->quant);
    *s = (tsri_hf_spec){0};
}

char *tsri_hf_repo_path(const char *cache, const char *repo)
{
    const char *slash = strchr(repo, '/');
    size_t cap = strlen(repo) + 16;
    char *name = tsr_alloc(cap), *path = NULL;
    if (name) {
        snprintf(name, cap, "models--%.*s--%s", (int)(slash - repo), repo, slash + 1);
        path = tsr_path_join(cache, name);
    }
    tsr_free(name);
    return path;
}

tsr_status tsri_hf_repo_name(char **out, const char *folder_name, tsr_error *err)
{
    *out = NULL;
    if (strncmp(folder_name, "models--", 8) != 0)
        return TSR_OK;
    const char *org = folder_name + 8, *dashes = strstr(org, "--");
    if (!dashes || !is_plain(org, (size_t)(dashes - org)) || !is_plain(dashes + 2, strlen(dashes + 2)))
        return TSR_OK;
    tsr_status st = keep(out, org, strlen(org) - 1, err);
    if (st == TSR_OK) {
        size_t n = (size_t)(dashes - org);
        (*out)[n] = '/';
        memcpy(*out + n + 1, dashes + 2, strlen(dashes + 2));
    }
    return st;
}

/* The entries of REPO/name; none when it isn't there. */
static tsr_status list(tsri_names *out, const char *repo_path, const char *name, tsr_error *err)
{
    *out = (tsri_names){0};
    char *dir = tsr_path_join(repo_path, name);
    if (!dir)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", repo_path);
    tsr_status st = tsr_file_is_dir(dir) ? tsri_folder_names(out, dir, err) : TSR_OK;
    tsr_free(dir);
    return st;
}

tsr_status tsri_hf_commits(tsri_names *out, const char *repo_path, tsr_error *err)
{
    return list(out, repo_path, "snapshots", err);
}

static char *join3(const char *a, const char *b, const char *c)
{
    char *ab = tsr_path_join(a, b), *abc = ab ? tsr_path_join(ab, c) : NULL;
    tsr_free(ab);
    return abc;
}

/* What refs/NAME says; NULL and TSR_OK when it isn't there or no name of a commit. */
static tsr_status read_ref(char **commit, const char *repo_path, const char *name, tsr_error *err)
{
    unsigned char *text;
    size_t len;
    *commit = NULL;
    char *path = join3(repo_path, "refs", name);
    if (!path)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", repo_path);
    tsr_status st = TSR_OK;
    if (tsr_file_exists(path) && !tsr_file_is_dir(path)) {
        st = tsr_file_read(&text, &len, path, MAX_REF_BYTES, err);
        if (st == TSR_OK) {
            while (len > 0 && isspace(text[len - 1]))
                len--;
            if (is_plain((const char *)text, len))
                st = keep(commit, (const char *)text, len, err);
            tsr_free(text);
        }
    }
    tsr_free(path);
    return st;
}

/* The only snapshot whose name begins with `prefix`. */
static tsr_status only_commit(char **commit, const char *repo_path, const char *prefix, tsr_error *err)
{
    tsri_names commits;
    const char *hit = NULL;
    size_t n = 0;
    *commit = NULL;
    tsr_status st = tsri_hf_commits(&commits, repo_path, err);
    for (size_t i = 0; i < commits.n; i++) {
        if (strcmp(commits.at[i], prefix) == 0) {
            hit = commits.at[i];
            n = 1;
            break;
        }
        if (strncmp(commits.at[i], prefix, strlen(prefix)) != 0)
            continue;
        hit = commits.at[i];
        n++;
    }
    if (st == TSR_OK && n == 1)
        st = keep(commit, hit, strlen(hit), err);
    tsri_names_deinit(&commits);
    return st;
}

tsr_status tsri_hf_snapshot(char **dir, const char *repo_path, const char *rev, tsr_error *err)
{
    char *commit;
    *dir = NULL;
    tsr_status st = read_ref(&commit, repo_path, rev ? rev : "main", err);
    if (st == TSR_OK && !commit && (!rev || (strlen(rev) >= LEAST_PREFIX && !strchr(rev, '/'))))
        st = only_commit(&commit, repo_path, rev ? rev : "", err);
    if (st == TSR_OK && commit) {
        *dir = join3(repo_path, "snapshots", commit);
        if (!*dir)
            st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", repo_path);
    }
    if (*dir && !tsr_file_is_dir(*dir)) {
        tsr_free(*dir);
        *dir = NULL;
    }
    tsr_free(commit);
    return st;
}

/* Whether refs/NAME says `commit`. */
static tsr_status says(bool *yes, const char *repo_path, const char *name, const char *commit, tsr_error *err)
{
    char *is;
    tsr_status st = read_ref(&is, repo_path, name, err);
    *yes = is && strcmp(is, commit) == 0;
    tsr_free(is);
    return st;
}

tsr_status tsri_hf_revision_of(char **out, const char *repo_path, const char *commit, tsr_error *err)
{
    tsri_names refs;
    const char *found = NULL;
    bool yes = false;
    char *only = NULL, *has_main = NULL;
    *out = NULL;
    tsr_status st = list(&refs, repo_path, "refs", err);
    if (st == TSR_OK)
        st = read_ref(&has_main, repo_path, "main", err);
    if (st == TSR_OK && !has_main)
        st = only_commit(&only, repo_path, "", err);
    if ((has_main && strcmp(has_main, commit) == 0) || only)
        found = "";
    for (size_t i = 0; i < refs.n && !found && st == TSR_OK; i++) {
        st = says(&yes, repo_path, refs.at[i], commit, err);
        if (yes)
            found = refs.at[i];
    }
    if (st == TSR_OK)
        st = keep(out, found ? found : commit, strlen(found ? found : commit), err);
    tsr_free(only);
    tsr_free(has_main);
    tsri_names_deinit(&refs);
    return st;
}

tsr_status tsri_hf_unfinished(tsri_names *out, const char *repo_path, tsr_error *err)
{
    tsri_names blobs;
    *out = (tsri_names){0};
    tsr_status st = list(&blobs, repo_path, "blobs", err);
    for (size_t i = 0; i < blobs.n && st == TSR_OK; i++) {
        size_t n = strlen(blobs.at[i]);
        if (n > 11 && strcmp(blobs.at[i] + n - 11, ".incomplete") == 0)
            st = tsri_names_add(out, blobs.at[i], n, err);
    }
    tsri_names_deinit(&blobs);
    if (st != TSR_OK)
        tsri_names_deinit(out);
    return st;
}
