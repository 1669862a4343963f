/* docs/FEATURES.md, printed from features.def and replaced.def. */
#ifndef ACTORS_FEATURES_FEATURES_DOCS_H
#define ACTORS_FEATURES_FEATURES_DOCS_H

#include <stdio.h>

void features_print_docs(FILE *out);

#endif
