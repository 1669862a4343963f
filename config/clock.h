/* The two clocks, and league days.
 *
 * The machinery (leases, heartbeats, timeouts, backoff) runs on clock_mono_us(): real, never set back.
 * The league clock (schedules, deadlines, freshness, 'now' in records) is real or scaled; it is set
 * once per process from an anchor and from then on advances with the monotonic clock, so that a step
 * of the system's wall clock never moves a league night.
 *
 * Instants are int64_t microseconds since 1970-01-01T00:00:00Z. Dates are int32_t yyyymmdd (20251117),
 * always in the league's time zone (setting `timezone`, America/New_York unless told). */
#ifndef CONFIG_CLOCK_H
#define CONFIG_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_NONE INT64_MIN                       /* no instant known */
#define CLOCK_FIRST_US INT64_C(-62135596800000000) /* 0001-01-01, */
#define CLOCK_LAST_US INT64_C(253402300799999999)  /* 9999-12-31: what RFC 3339 can say */
#define CLOCK_SPEED_MOST 1e9
#define CLOCK_TEXT_SIZE 32 /* "2025-11-18T00:10:00.000000Z" and its NUL */
#define CLOCK_DATE_SIZE 11 /* "2025-11-17" and its NUL */

int64_t clock_mono_us(void); /* CLOCK_MONOTONIC */
int64_t clock_real_us(void); /* CLOCK_REALTIME: for anchors and logs only */

/* Where league time stood (`league_us`) when the wall clock read `real_us`, and how many league
 * seconds pass in a real one. Not running: league time stands at `league_us`. */
struct clock_anchor {
    int64_t league_us;
    int64_t real_us;
    double speed; /* 1.0 = real time; > 0 */
    bool running;
};

bool clock_anchor_valid(const struct clock_anchor *anchor); /* instants and speed within bounds */
/* Until set, the league clock is the real clock, running. Thread-safe only in that nobody sets it twice at once.
 * It stands still at CLOCK_LAST_US. */
void clock_league_set(const struct clock_anchor *anchor);
void clock_league_get(struct clock_anchor *anchor);
int64_t clock_league_us(void);
bool clock_league_running(void);
/* Real microseconds until league time reaches `league_us`; 0 if it has; INT64_MAX while the clock stands before it. */
int64_t clock_league_wait_us(int64_t league_us);

/* The anchor's file (JSON-free: four `key value` lines), replaced atomically and fsynced.
 * Both return 0, or -1 with errno (load: ENOENT = none yet, EINVAL = not an anchor). */
int clock_anchor_save(const char *path, const struct clock_anchor *anchor);
int clock_anchor_load(const char *path, struct clock_anchor *anchor);

/* Sets the zone for the functions below (sets TZ for this process). -1 if the zone is unknown to tzdata. */
int clock_zone_set(const char *zone);
bool clock_zone_known(const char *zone);   /* a name of the tz database; changes nothing */
int32_t clock_date_of(int64_t instant_us); /* civil date in the zone */
int32_t clock_league_day(int64_t instant_us,
                         int rollover_hour); /* the day before until `rollover_hour` (06) */
int64_t clock_date_start_us(int32_t date);   /* local midnight, DST-proof */
/* When the league day `date` begins: at `rollover_hour` by the wall, also on days of 23 and 25 hours. */
int64_t clock_league_day_start_us(int32_t date, int rollover_hour);
int32_t clock_date_add(int32_t date, int days);
int clock_date_diff(int32_t a, int32_t b); /* days from b to a */
bool clock_date_valid(int32_t date);
/* Text forms. Parse: 0 or -1; accepts "Z" or an offset, with or without fractions; date: YYYY-MM-DD only. */
void clock_format_utc(int64_t instant_us, char text[CLOCK_TEXT_SIZE]);
int clock_parse_utc(const char *text, int64_t *instant_us);
void clock_format_date(int32_t date, char text[CLOCK_DATE_SIZE]);
int clock_parse_date(const char *text, int32_t *date);

#endif
