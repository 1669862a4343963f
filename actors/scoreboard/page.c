/* The assembler brings the file in; where it is, the build says (PAGE_FILE). */
#include "actors/scoreboard/page.h"

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
        ".popsection\n");

extern const char page_first[], page_end[];

const char *page_html(size_t *size)
{
    *size = (size_t)(page_end - page_first);
    return page_first;
}
