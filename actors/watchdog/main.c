/* tipoff-watchdog */
#include "actors/watchdog/watchdog.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&watchdog_actor, argc, argv);
}
