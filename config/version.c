#include "config/version.h"

#include "version_code.h" /* generated at build time: config/version.cmake */

const char *version_project(void)
{
    return TIPOFF_VERSION;
}

const char *version_code(void)
{
    return TIPOFF_CODE_VERSION;
}
