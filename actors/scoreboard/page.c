/* The assembler brings the file in; where it is, the build says (PAGE_FILE). */
#include "actors/scoreboard/page.h"

#include <stdint.h>

#ifndef PAGE_FILE
#define PAGE_FILE "actors/scoreboard/web/index.html"
#endif

__asm__(".pushsection .rodata\n"
        ".global page_first\n"
        ".global page_end\n"
        "page_first:\n"
        ".incbin \"" PAGE_FILE "\"\n"
        "page_end:\n"
        ".byte 0\n"
        ".balign 8\n"
        ".global page_size\n"
        "page_size:\n"
        ".quad page_end - page_first\n"
        ".popsection\n");

extern const char page_first[];
extern const uint64_t page_size;

const char *page_html(size_t *size)
{
    *size = (size_t)page_size;
    return page_first;
}
