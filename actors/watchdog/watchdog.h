#ifndef ACTORS_WATCHDOG_WATCHDOG_H
#define ACTORS_WATCHDOG_WATCHDOG_H

#include "actors/actor.h"

extern const struct actor watchdog_actor;

#endif
