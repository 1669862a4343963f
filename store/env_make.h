/* How an LMDB environment comes to be, so that a power cut at any instant leaves none or a whole one: its first pages are
 * written beside, synced, and get their name by a rename. LMDB by itself writes them in place: half of them are a file that
 * no one can open any more. For the two that own LMDB: store.c and the log. */
#ifndef STORE_ENV_MAKE_H
#define STORE_ENV_MAKE_H

#define ENV_FILE "data.mdb"
#define ENV_FILE_NEW "data.new" /* left behind by a cut: of no use, overwritten */

/* Makes `dir`/data.mdb, empty, if it is not there. The caller has `dir` to itself. The name is durable when env_names_sync has
 * returned, not before. 0, or an errno value or LMDB's code. */
int env_make(const char *dir);
/* The names in `dir`, and its own in the directory above, are durable. To be called at every start before anything is promised: the
 * one who made them may have been killed before. 0, or an errno value. */
int env_names_sync(const char *dir);
/* The names in `dir` are durable. 0, or an errno value. */
int env_dir_sync(const char *dir);

#endif
