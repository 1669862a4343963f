#include "schema/runs.h"

#define TEXT_ROW(id, text, doc) text,
static const char *const OUTCOME_TEXTS[] = {RUN_OUTCOMES(TEXT_ROW)};
static const char *const CLASS_TEXTS[] = {ERROR_CLASSES(TEXT_ROW)};
#undef TEXT_ROW

const char *run_outcome_text(enum run_outcome outcome)
{
    return OUTCOME_TEXTS[outcome];
}

const char *error_class_text(enum error_class error)
{
    return CLASS_TEXTS[error];
}
