/* The poller as an actor; main.c runs it, tests step it. */
#ifndef ACTORS_POLLER_POLLER_H
#define ACTORS_POLLER_POLLER_H

#include "actors/actor.h"

extern const struct actor poller_actor;

#endif
