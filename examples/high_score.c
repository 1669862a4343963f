/* high-score - says once a game, for each player, that he has reached 30 points.
 * takes row.box_score   gives example.high_score   keeps who was said */
#include <string.h>

#include "actors/actor.h"
#include "schema/messages.h"

#include "schema/message_struct.h"
#include "examples/high_score.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "examples/high_score.def"
#include "schema/message_end.h"

static enum verdict take_box_score(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_box_score *row = input->message;
    struct msg_high_score out;
    struct store_key key;
    struct span said;
    (void)self;
    if (row->points < 30)
        return DONE;
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_i64(&key, row->player_id);
    if (store_get(step_store(step), "said", row->game_date, key.data, key.size, &said) == STORE_OK)
        return DONE;
    if (store_put(step_store(step), "said", row->game_date, key.data, key.size, "", 0) != STORE_OK)
        return step_refuse(step, LATER, "it cannot be written down now");
    message_clear(&msg_high_score_desc, &out);
    memcpy(out.game_id, row->game_id, sizeof out.game_id);
    memcpy(out.player_name, row->player_name, sizeof out.player_name);
    out.player_id = row->player_id;
    out.points = row->points;
    step_emit(step, &msg_high_score_desc, &out);
    return DONE;
}

int main(int argc, char **argv)
{
    static const struct take takes[] = {
        {&msg_row_box_score_desc, take_box_score, RUN_PER_STEP, "HighScores", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor high_score = {
        .name = "high-score", .does = "says who has reached 30 points", .takes = takes};
    return actor_main(&high_score, argc, argv);
}
