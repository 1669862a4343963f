#include "cli/season.h"

#include "cli/schedule.h"
#include "config/clock.h"

#define HOUR_US INT64_C(3600000000)

/* When a day begins and has its last tip, as far as the schedule knows. */
static void begin(struct season *self, const struct schedule_day *day)
{
    int64_t noon_us = clock_league_day_start_us(self->date, 12);
    self->last_tip_us = day->last_tip_us != CLOCK_NONE ? day->last_tip_us : noon_us + 10 * HOUR_US;
    self->start_us = self->lead_us == CLOCK_NONE || day->first_tip_us == CLOCK_NONE
                         ? noon_us
                         : day->first_tip_us - self->lead_us;
}

int season_take(struct season *self, int32_t date, char *why, size_t why_size)
{
    for (; date <= self->last; date = clock_date_add(date, 1)) {
        struct schedule_day day = {
            .games = 1, .first_tip_us = CLOCK_NONE, .last_tip_us = CLOCK_NONE};
        if (self->root && schedule_of_day(self->root, date, &day, why, why_size) != 0)
            return -1;
        if (!day.games)
            continue;
        self->date = date;
        self->number = clock_date_diff(date, self->first) + 1;
        self->total = clock_date_diff(self->last, self->first) + 1;
        begin(self, &day);
        return 0;
    }
    return 1;
}

int32_t season_at(const struct season *self, int64_t now_us)
{
    int32_t day = clock_league_day(now_us, self->rollover_hour);
    return day < self->first ? self->first : day > self->last ? self->last : day;
}

int64_t season_morning_us(const struct season *self)
{
    return clock_league_day_start_us(clock_date_add(self->date, 1), self->rollover_hour);
}
