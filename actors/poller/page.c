#include "actors/poller/page.h"

#include "schema/json.h"
#include "schema/message.h"

int64_t page_next(const void *body, size_t size)
{
    char why[200];
    json_t *root = json_read(body, size, why, sizeof why);
    const json_t *cursor = json_object_get(json_object_get(root, "meta"), "next_cursor");
    double number = json_number_value(cursor); /* 0 if it is none; 277.0 is one */
    bool whole = number > 0 && number < 9e15 && number == (double)(int64_t)number;
    int64_t next = json_is_integer(cursor) && json_integer_value(cursor) > 0
                       ? json_integer_value(cursor)
                   : whole ? (int64_t)number
                           : MESSAGE_NONE;
    json_decref(root);
    return next;
}
