#include "actors/poller/poller.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&poller_actor, argc, argv);
}
