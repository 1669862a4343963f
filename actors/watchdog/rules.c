/* What is wrong, judged from what is known. */
#include "actors/watchdog/rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define MINUTE_US INT64_C(60000000)
#define DAY_US (24 * 60 * MINUTE_US)
#define GAME_LONGEST_US                                                                            \
    (6 * 60 * MINUTE_US) /* nothing heard so long after its tip: it is not played any more */

static void add(struct incidents *out, const char *cause, const char *subject, const char *severity,
                int64_t since_us, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static void add(struct incidents *out, const char *cause, const char *subject, const char *severity,
                int64_t since_us, const char *fmt, ...)
{
    if (out->count == RULES_INCIDENTS_MAX)
        return;
    struct incident *at = &out->list[out->count++];
    va_list args;
    snprintf(at->cause, sizeof at->cause, "%s", cause);
    snprintf(at->subject, sizeof at->subject, "%s", subject);
    at->severity = severity;
    at->since_us = since_us;
    va_start(args, fmt);
    vsnprintf(at->text, sizeof at->text, fmt, args);
    va_end(args);
}

int64_t game_on_since(const struct watched_game *game, int64_t now_us)
{
    if (!strcmp(game->status, "in_progress"))
        return game->seen_playing_us;
    if (strcmp(game->status, "scheduled") != 0 || game->tip_us == CLOCK_NONE)
        return CLOCK_NONE;
    return game->tip_us <= now_us && now_us - game->tip_us < GAME_LONGEST_US ? game->tip_us
                                                                             : CLOCK_NONE;
}

static const char *severity_of(const struct rules *rules, int64_t late_us)
{
    return late_us >= rules->stale_critical_us ? "critical"
           : late_us >= rules->stale_alert_us  ? "alert"
                                               : "warning";
}

void judge_source(const struct rules *rules, const struct watched_source *source,
                  int64_t on_since_us, int64_t now_us, struct incidents *out)
{
    if (on_since_us == CLOCK_NONE)
        return;
    bool never = source->last_good_us == CLOCK_NONE;
    int64_t since_us =
        !never && source->last_good_us > on_since_us ? source->last_good_us : on_since_us;
    int64_t stale_us = now_us - since_us;
    if (stale_us < rules->stale_warn_us)
        return;
    add(out, "stale", source->name, severity_of(rules, stale_us), since_us,
        "%s: %s for %" PRId64 " min while games are on", source->name,
        never ? "no run has succeeded" : "no successful run", stale_us / MINUTE_US);
}

void judge_frozen(const struct rules *rules, const char *name, int64_t last_news_us,
                  int64_t last_good_us, int64_t playing_since_us, struct incidents *out)
{
    if (playing_since_us == CLOCK_NONE || last_good_us == CLOCK_NONE)
        return;
    int64_t since_us = last_news_us != CLOCK_NONE && last_news_us > playing_since_us
                           ? last_news_us
                           : playing_since_us;
    if (last_good_us - since_us >= rules->unchanged_us)
        add(out, "frozen", name, "alert", since_us,
            "%s: nothing new for %" PRId64 " min while a game is in play", name,
            (last_good_us - since_us) / MINUTE_US);
}

void judge_unprocessed(const struct rules *rules, const char *name, int64_t last_good_us,
                       int64_t last_news_us, int64_t playing_since_us, struct incidents *out)
{
    if (playing_since_us == CLOCK_NONE || last_news_us == CLOCK_NONE)
        return;
    int64_t since_us = last_good_us != CLOCK_NONE && last_good_us > playing_since_us
                           ? last_good_us
                           : playing_since_us;
    int64_t late_us = last_news_us - since_us;
    if (late_us >= rules->stale_warn_us)
        add(out, "unprocessed", name, severity_of(rules, late_us), since_us,
            "%s: no successful run for %" PRId64 " min, and there is news", name,
            late_us / MINUTE_US);
}

void judge_refused(const struct rules *rules, const char *feed, int64_t count, int64_t first_us,
                   int64_t last_us, const char *example, int64_t now_us, struct incidents *out)
{
    if (count > 0 && now_us - last_us < rules->refused_us)
        add(out, "refused", feed, "warning", first_us, "%s: rows were set aside, first %.150s",
            feed, example);
}

void judge_model(const struct rules *rules, const struct watched_model *model, int64_t now_us,
                 struct incidents *out)
{
    const int64_t age_us = now_us - model->learned_us;
    if (age_us > rules->model_age_us)
        add(out, "model-old", model->name, "warning", model->learned_us + rules->model_age_us,
            "model %s learned nothing for %" PRId64 " days: tipoff train", model->name,
            age_us / DAY_US);
    if (model->graded < RULES_MODEL_FEWEST)
        return;
    double inside = (double)model->inside / (double)model->graded;
    double mae = model->absolute / (double)model->graded;
    if (inside < 0.8 - rules->drift_coverage || inside > 0.8 + rules->drift_coverage)
        add(out, "model-drift", model->name, "warning", CLOCK_NONE,
            "model %s: %.1f %% of the newest %" PRId64 " outcomes lie in its 80 %% intervals",
            model->name, 100 * inside, model->graded);
    else if (mae > model->mae * (1 + rules->drift_error))
        add(out, "model-drift", model->name, "warning", CLOCK_NONE,
            "model %s is off by %.2f on its newest %" PRId64 " outcomes, by %.2f when it was "
            "promoted",
            model->name, mae, model->graded, model->mae);
}

void judge_shard(const struct rules *rules, const struct watched_shard *shard,
                 struct incidents *out)
{
    if (!strcmp(shard->state, "halted"))
        add(out, "halted", shard->name, "critical", CLOCK_NONE, "%s halted: %s", shard->name,
            shard->cause);
    else if (!shard->connected && shard->away_us >= rules->silence_us)
        add(out, "dead", shard->name, "critical", CLOCK_NONE, "%s is gone for %" PRId64 " s",
            shard->name, shard->away_us / 1000000);
    else if (shard->connected && shard->silent_us >= rules->silence_us)
        add(out, "hung", shard->name, "critical", CLOCK_NONE,
            "%s has been silent for %" PRId64 " s", shard->name, shard->silent_us / 1000000);
    else if (shard->connected && shard->stuck_us >= rules->silence_us)
        add(out, "backlogged", shard->name, "warning", CLOCK_NONE,
            "%s has %" PRId64 " records to take and took none for %" PRId64 " s", shard->name,
            shard->lag, shard->stuck_us / 1000000);
}

void judge_dead_letters(const char *reader, int64_t count, int64_t first_us, struct incidents *out)
{
    if (count > 0)
        add(out, "dead_letter", reader, "warning", first_us,
            "%s set %" PRId64 " record%s aside; see tipoff dead", reader, count,
            count == 1 ? "" : "s");
}
