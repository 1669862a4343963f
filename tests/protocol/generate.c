/* Steps made up from a seed: mostly what a client would do next, often with something wrong about it. */
#include "tests/protocol/run.h"

#include <string.h>

static uint32_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static bool chance(uint64_t *state, uint32_t percent)
{
    return next(state) % 100 < percent;
}

static int32_t below(uint64_t *state, uint32_t most)
{
    return (int32_t)(next(state) % most);
}

static void publ(uint64_t *state, int32_t *args)
{
    if (chance(state, 4))
        args[1] = below(state, 5) - 2;
    if (chance(state, 2))
        args[2] = below(state, 4);
    args[3] = chance(state, 30) ? below(state, SCRIPT_BATCHES) : 0;
    for (uint32_t i = 0; i <= (uint32_t)args[3]; i++) {
        int32_t *batch = args + 4 + i * SCRIPT_BATCH_ARGS;
        batch[0] = chance(state, 3) ? below(state, 7) : below(state, 4);
        if (chance(state, 12))
            batch[1] = chance(state, 60) ? -1 - below(state, chance(state, 80) ? 3 : 100)
                                         : 1 + below(state, 3);
        batch[2] = chance(state, 70) ? below(state, 4) : below(state, 50);
        batch[3] = chance(state, 50) ? below(state, 380) : 0;
        if (chance(state, batch[1] < 0 ? 40 : 5))
            batch[4] = batch[1] < 0 ? FLAW_CONTENT + below(state, 3) : 1 + below(state, FLAW_MANY);
        if (chance(state, 6))
            batch[5] = 1 + below(state, chance(state, 80) ? 2000 : 30000);
    }
}

static void subs(uint64_t *state, int32_t *args)
{
    args[1] = chance(state, 60) ? 0 : 1 + below(state, 31);
    if (chance(state, 70))
        args[2] = chance(state, 80) ? 1 + below(state, 200) : -1 - below(state, 20);
    if (chance(state, 50))
        args[3] = below(state, 60);
    if (chance(state, 30))
        args[4] = below(state, 2000);
    if (chance(state, 12))
        args[5] = 1 + below(state, 4);
}

static void fill(uint64_t *state, struct script_step *step)
{
    int32_t *args = step->args;
    switch (step->verb) {
    case SCRIPT_HELO:
        args[1] = below(state, 3);
        args[2] = chance(state, 80) ? 0 : below(state, 3);
        args[3] = chance(state, 4);
        break;
    case SCRIPT_LEAS:
        args[1] = chance(state, 30);
        args[2] = chance(state, 50) ? 0 : below(state, 4);
        args[3] = chance(state, 3);
        break;
    case SCRIPT_SUBS:
        subs(state, args);
        break;
    case SCRIPT_CRED:
        args[1] = chance(state, 40) ? below(state, 30) : 0;
        args[2] = chance(state, 40) ? below(state, 1000) : 0;
        break;
    case SCRIPT_PUBL:
        publ(state, args);
        break;
    case SCRIPT_OWNQ:
        args[1] = chance(state, 5) ? 5 : below(state, 4);
        args[2] = below(state, 40);
        args[3] = below(state, 100);
        break;
    case SCRIPT_BEAT:
        args[1] = chance(state, 70) ? 0 : below(state, 4);
        args[2] = below(state, 200);
        break;
    case SCRIPT_JOIN:
        args[1] = below(state, MODEL_READERS);
        args[2] = chance(state, 3) ? 1 + below(state, 31) : 0;
        args[3] = chance(state, 95) ? below(state, 3) : 3;
        args[4] = chance(state, 70) ? below(state, 200) : below(state, 5000);
        args[5] = chance(state, 40) ? below(state, 60) : 0;
        args[6] = chance(state, 20) ? below(state, 2000) : 0;
        args[7] = chance(state, 20);
        args[8] = chance(state, 10) ? 1 + below(state, 7) : 0;
        break;
    case SCRIPT_DONE:
        args[1] = below(state, MODEL_CURSORS);
        args[2] = chance(state, 95) ? below(state, 100) : -1 - below(state, 3);
        args[3] = chance(state, 5) ? 1 : 0;
        break;
    case SCRIPT_SETL:
        args[1] = below(state, MODEL_READERS - MODEL_CURSORS);
        args[2] = chance(state, 60) ? 0 : chance(state, 95) ? 1 + below(state, 2) : 3;
        args[3] = chance(state, 50) ? 0 : below(state, 8);
        args[4] = chance(state, 70) ? 0 : 1 + below(state, 6);
        args[5] = below(state, 3);
        args[6] = chance(state, 5) ? 1 + below(state, 3) : 0;
        args[7] = chance(state, 30) ? below(state, 3000) : 0;
        args[8] = chance(state, 2);
        break;
    case SCRIPT_RAW:
        args[1] = below(state, 10);
        break;
    default:
        break;
    }
}

/* How often, about of a thousand. */
static const struct {
    enum script_verb verb;
    uint32_t weight;
} weights[] = {{SCRIPT_TURN, 210}, {SCRIPT_PUBL, 405}, {SCRIPT_CRED, 90}, {SCRIPT_BEAT, 60},
               {SCRIPT_SUBS, 50},  {SCRIPT_OWNQ, 40},  {SCRIPT_HELO, 15}, {SCRIPT_LEAS, 24},
               {SCRIPT_CLOCK, 60}, {SCRIPT_USUB, 6},   {SCRIPT_GBYE, 4},  {SCRIPT_RAW, 22},
               {SCRIPT_DEAF, 6},   {SCRIPT_SET, 2},    {SCRIPT_TRIM, 3},  {SCRIPT_FULL, 3},
               {SCRIPT_CRASH, 3},  {SCRIPT_JOIN, 24},  {SCRIPT_DONE, 70}, {SCRIPT_REWIND, 5},
               {SCRIPT_FORGET, 2}, {SCRIPT_SETL, 90}};

static enum script_verb pick(uint64_t *state)
{
    uint32_t all = 0;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        all += weights[i].weight;
    uint32_t at = next(state) % all;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        if (at < weights[i].weight)
            return weights[i].verb;
        at -= weights[i].weight;
    }
    return SCRIPT_TURN;
}

void generate_step(uint64_t *state, const struct model *model, struct script_step *step)
{
    memset(step, 0, sizeof *step);
    enum script_verb verb = pick(state);
    uint32_t peer = chance(state, 95) ? next(state) % 3 : next(state) % MODEL_PEERS;
    bool speaks = verb < SCRIPT_TURN && verb != SCRIPT_RAW && verb != SCRIPT_HELO;
    if (speaks && !model_welcomed(model, peer) && chance(state, 85))
        verb = SCRIPT_HELO;
    else if (verb == SCRIPT_PUBL && !model_leased(model, peer) && chance(state, 75))
        verb = SCRIPT_LEAS;
    else if ((verb == SCRIPT_DONE || verb == SCRIPT_SETL) && model_reads(model, peer) < 0 &&
             chance(state, 75))
        verb = SCRIPT_JOIN;
    else if (verb == SCRIPT_DONE && model_reads(model, peer) >= MODEL_CURSORS && chance(state, 80))
        verb = SCRIPT_SETL;
    else if (verb == SCRIPT_CRED && !model_subscribed(model, peer) && chance(state, 75))
        verb = SCRIPT_SUBS;
    step->verb = (uint8_t)verb;
    if (verb < SCRIPT_TURN)
        step->args[0] = (int32_t)peer;
    fill(state, step);
    if (verb == SCRIPT_HELO && chance(state, 80))
        step->args[1] = (int32_t)(peer % 3);
    if (verb == SCRIPT_TURN)
        step->args[0] = chance(state, 20);
    if (verb == SCRIPT_CLOCK)
        step->args[0] = chance(state, 94)   ? 1 + below(state, 400)
                        : chance(state, 70) ? below(state, 12000)
                                            : below(state, 90000);
    if (verb == SCRIPT_DEAF) {
        step->args[0] = (int32_t)peer;
        step->args[1] = model_hears(model, peer) && chance(state, 70);
    }
    if (verb == SCRIPT_JOIN && model_reads(model, peer) >= 0 && chance(state, 70))
        step->args[1] = model_reads(model, peer);
    if (verb == SCRIPT_DONE && model_reads(model, peer) >= 0 && chance(state, 90))
        step->args[1] = model_reads(model, peer) % MODEL_CURSORS;
    if (verb == SCRIPT_SETL && model_reads(model, peer) >= MODEL_CURSORS && chance(state, 90))
        step->args[1] = model_reads(model, peer) - MODEL_CURSORS;
    if (verb == SCRIPT_REWIND || verb == SCRIPT_FORGET)
        step->args[0] = below(state, MODEL_READERS);
    if (verb == SCRIPT_REWIND)
        step->args[1] = chance(state, 95) ? below(state, chance(state, 50) ? 50 : 5000) : -1;
    if (verb == SCRIPT_TRIM)
        step->args[0] = below(state, chance(state, 20) ? 100 : 5000);
    if (verb == SCRIPT_SET) {
        step->args[0] = chance(state, 50) ? 0 : below(state, 40000) - 15000;
        step->args[1] = chance(state, 20);
    }
    if (verb == SCRIPT_FULL)
        step->args[0] = chance(state, 50);
    if (verb == SCRIPT_CRASH)
        step->args[0] = chance(state, 50);
}
