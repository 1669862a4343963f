/* tipoff-janitor */
#include "actors/janitor/janitor.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    messages_register();
    return actor_main(&janitor_actor, argc, argv);
}
