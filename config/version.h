/* Which code this is: stamped on every record, run and status line. */
#ifndef CONFIG_VERSION_H
#define CONFIG_VERSION_H

const char *version_project(void); /* "0.1.0" */
/* "0.1.0+1a2b3c4d5e6f", "-dirty" behind it when tracked files differed at build time; "0.1.0" without git. */
const char *version_code(void);

#endif
