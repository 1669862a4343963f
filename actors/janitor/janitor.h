#ifndef ACTORS_JANITOR_JANITOR_H
#define ACTORS_JANITOR_JANITOR_H

#include "actors/actor.h"

extern const struct actor janitor_actor;

#endif
