#include "actors/grader/grader.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&grader_actor, argc, argv);
}
