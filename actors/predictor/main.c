#include "actors/predictor/predictor.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&predictor_actor, argc, argv);
}
