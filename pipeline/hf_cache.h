/* hf_cache.h: the Hugging Face cache on disk: repositories, their revisions and snapshots. Read only; nothing here
 * knows a network.
 *
 * CACHE/models--ORG--REPO/refs/REVISION holds a commit, CACHE/models--ORG--REPO/snapshots/COMMIT the files, as links
 * into ../../blobs, where a download that has not ended is called *.incomplete. */
#ifndef TSR_HF_CACHE_H
#define TSR_HF_CACHE_H

#include "folder.h"

/* "hf:ORG/REPO[@REVISION][:QUANT]" taken apart. */
typedef struct tsri_hf_spec {
    char *repo;  /* "ORG/REPO" */
    char *rev;   /* NULL: main */
    char *quant; /* NULL: none given */
} tsri_hf_spec;

/* TSR_ERR_USAGE for what can be no such name. On failure *out is all NULL. */
tsr_status tsri_hf_spec_parse(tsri_hf_spec *out, const char *spec, tsr_error *err);
void tsri_hf_spec_deinit(tsri_hf_spec *s);

/* The folder of a repository; NULL when memory is short. */
char *tsri_hf_repo_path(const char *cache, const char *repo);
/* "ORG/REPO" of a folder's name, in memory of the caller's; NULL and TSR_OK for other folders. */
tsr_status tsri_hf_repo_name(char **out, const char *folder_name, tsr_error *err);

/* The commit that a revision (NULL: main, else a name in refs/, a commit or the beginning of one) stands for, and
 * the folder of its snapshot. Without main, the only snapshot there is. *dir is the caller's; NULL and TSR_OK when
 * the cache has no such thing. */
tsr_status tsri_hf_snapshot(char **dir, const char *repo_path, const char *rev, tsr_error *err);

/* Names of what refs/ and snapshots/ hold. Empty when there is nothing. */
tsr_status tsri_hf_commits(tsri_names *out, const char *repo_path, tsr_error *err);
/* The revision to write after "@" for a commit: "" when it is main's (or the only one), a name in refs/, or the
 * commit itself. The caller's (tsr_free). */
tsr_status tsri_hf_revision_of(char **out, const char *repo_path, const char *commit, tsr_error *err);

/* Downloads that have not ended. */
tsr_status tsri_hf_unfinished(tsri_names *out, const char *repo_path, tsr_error *err);

#endif
