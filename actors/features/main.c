#include "actors/features/features.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&features_actor, argc, argv);
}
