/* tipoff-watchdog */
#include <string.h>

#include "actors/watchdog/route.h"
#include "actors/watchdog/watchdog.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], ROUTE_SEND) == 0)
        return route_send_main();
    messages_register();
    return actor_main(&watchdog_actor, argc, argv);
}
