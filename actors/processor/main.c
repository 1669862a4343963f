#include "actors/processor/processor.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&processor_actor, argc, argv);
}
