/* The processor as an actor; main.c runs it, tests step it. */
#ifndef ACTORS_PROCESSOR_PROCESSOR_H
#define ACTORS_PROCESSOR_PROCESSOR_H

#include "actors/actor.h"

extern const struct actor processor_actor;

#endif
