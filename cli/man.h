#ifndef CLI_MAN_H
#define CLI_MAN_H

#include <stdio.h>

void man_print(FILE *out); /* docs/man/tipoff.1 */

#endif
