/* high-score - says once a game, for each player, that he has reached 30 points.
 * takes row.box_score   gives example.high_score   keeps who was said */
#include <string.h>
#include <tipoff/actor.h>

#include <tipoff/message_struct.h>
#include <tipoff/pipeline.def>
#include "high_score.def"
#include <tipoff/message_end.h>

#include <tipoff/message_table.h>
#include <tipoff/pipeline.def>
#include "high_score.def"
#include <tipoff/message_end.h>

static enum tip_verdict take_box_score(struct tip_step *step, const struct tip_input *input,
                                       void *self)
{
    const struct msg_row_box_score *row = input->message;
    struct msg_high_score out;
    struct tip_store_key key;
    struct tip_span said;
    (void)self;
    if (row->points < 30)
        return TIP_DONE;
    tip_store_key_start(&key);
    tip_store_key_text(&key, row->game_id);
    tip_store_key_i64(&key, row->player_id);
    if (tip_store_get(tip_step_store(step), "said", row->game_date, key.data, key.size, &said) == 0)
        return TIP_DONE;
    if (tip_store_put(tip_step_store(step), "said", row->game_date, key.data, key.size, "", 0) != 0)
        return tip_step_refuse(step, TIP_LATER, "it cannot be written down now");
    tip_message_clear(&msg_high_score_desc, &out);
    memcpy(out.game_id, row->game_id, sizeof out.game_id);
    memcpy(out.player_name, row->player_name, sizeof out.player_name);
    out.player_id = row->player_id;
    out.points = row->points;
    tip_step_emit(step, &msg_high_score_desc, &out);
    return TIP_DONE;
}

int main(int argc, char **argv)
{
    static const struct tip_message_desc *const messages[] = {&msg_high_score_desc, NULL};
    static const struct tip_take takes[] = {
        {&msg_row_box_score_desc, take_box_score, TIP_RUN_PER_STEP, "HighScores", false},
        {NULL, NULL, TIP_RUN_NONE, NULL, false}};
    static const struct tip_actor high_score = {.name = "high-score",
                                                .does = "says who has reached 30 points",
                                                .takes = takes,
                                                .messages = messages};
    return tip_actor_main(&high_score, argc, argv);
}
