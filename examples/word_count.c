/* word-count - counts the words of each source, exactly once, whatever kills it.
 * takes words.line   gives words.count   keeps a count for each (source, word) */
#include <string.h>
#include <tipoff/actor.h>

#include <tipoff/message_struct.h>
#include "words.def"
#include <tipoff/message_end.h>

#include <tipoff/message_table.h>
#include "words.def"
#include <tipoff/message_end.h>

static enum tip_verdict count_word(struct tip_step *step, struct msg_word_count *out)
{
    struct tip_store_txn *store = tip_step_store(step);
    struct tip_store_key key;
    struct tip_span old;
    tip_store_key_start(&key);
    tip_store_key_text(&key, out->source);
    tip_store_key_text(&key, out->word);
    if (tip_store_get(store, "count", TIP_STORE_UNDATED, key.data, key.size, &old) == 0)
        memcpy(&out->count, old.data, sizeof out->count);
    out->count++;
    if (tip_store_put(store, "count", TIP_STORE_UNDATED, key.data, key.size, &out->count, 8) != 0)
        return tip_step_refuse(step, TIP_LATER, "it cannot be written down now");
    tip_step_emit(step, &msg_word_count_desc, out);
    return TIP_DONE;
}

static enum tip_verdict take_line(struct tip_step *step, const struct tip_input *input, void *self)
{
    struct msg_word_line line = *(const struct msg_word_line *)input->message;
    enum tip_verdict verdict = TIP_DONE;
    char *rest = NULL;
    (void)self;
    for (char *word = strtok_r(line.text, " ", &rest); word && verdict == TIP_DONE;
         word = strtok_r(NULL, " ", &rest)) {
        struct msg_word_count out;
        tip_message_clear(&msg_word_count_desc, &out);
        if (strlen(word) >= sizeof out.word)
            return tip_step_refuse(step, TIP_NEVER, "word_line.text: a word of over 64 bytes");
        memcpy(out.source, line.source, sizeof out.source);
        strcpy(out.word, word);
        verdict = count_word(step, &out);
    }
    return verdict;
}

int main(int argc, char **argv)
{
    static const struct tip_message_desc *const messages[] = {&msg_word_line_desc,
                                                              &msg_word_count_desc, NULL};
    static const struct tip_take takes[] = {
        {&msg_word_line_desc, take_line, TIP_RUN_PER_STEP, "WordCounts", false},
        {NULL, NULL, TIP_RUN_NONE, NULL, false}};
    static const struct tip_actor word_count = {
        .name = "word-count", .does = "counts words", .takes = takes, .messages = messages};
    return tip_actor_main(&word_count, argc, argv);
}
