#ifndef ACTORS_SCOREBOARD_SCOREBOARD_H
#define ACTORS_SCOREBOARD_SCOREBOARD_H

#include "actors/actor.h"

extern const struct actor scoreboard_actor;

#endif
