/* tipoff-scoreboard */
#include "actors/scoreboard/scoreboard.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&scoreboard_actor, argc, argv);
}
