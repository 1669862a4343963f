/* All of the library. */
#ifndef TIPOFF_TIPOFF_H
#define TIPOFF_TIPOFF_H

#include <tipoff/actor.h>
#include <tipoff/api.h>
#include <tipoff/harness.h>
#include <tipoff/link.h>
#include <tipoff/message.h>
#include <tipoff/record.h>
#include <tipoff/registry.h>
#include <tipoff/runs.h>
#include <tipoff/store.h>
#include <tipoff/version.h>

#endif
