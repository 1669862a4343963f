#include "config/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define ANCHOR_BYTES_MAX 256

/* League time was `base_league_us` when the monotonic clock read `base_mono_us`. */
static struct {
    bool set, running;
    double speed;
    int64_t base_league_us, base_mono_us;
} league;

static int64_t read_clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_clock_us(CLOCK_MONOTONIC);
}

int64_t clock_real_us(void)
{
    return read_clock_us(CLOCK_REALTIME);
}

/* ---- the league clock ---- */

static bool instant_valid(int64_t instant_us)
{
    return instant_us >= CLOCK_FIRST_US && instant_us <= CLOCK_LAST_US;
}

bool clock_anchor_valid(const struct clock_anchor *anchor)
{
    return instant_valid(anchor->league_us) && instant_valid(anchor->real_us) &&
           isfinite(anchor->speed) && anchor->speed > 0 && anchor->speed <= CLOCK_SPEED_MOST;
}

static int64_t league_after(int64_t from_us, int64_t elapsed_us, double speed)
{
    double passed_us = (double)elapsed_us * speed;
    return passed_us < (double)(CLOCK_LAST_US - from_us) ? from_us + (int64_t)passed_us
                                                         : CLOCK_LAST_US;
}

void clock_league_set(const struct clock_anchor *anchor)
{
    int64_t elapsed_us = clock_real_us() - anchor->real_us;
    league.set = true;
    league.running = anchor->running;
    league.speed = anchor->speed;
    league.base_mono_us = clock_mono_us();
    league.base_league_us = anchor->league_us;
    if (anchor->running &&
        elapsed_us > 0) { /* a wall clock behind its anchor was set back: stand, never go back */
        league.base_league_us = league_after(anchor->league_us, elapsed_us, anchor->speed);
    }
}

int64_t clock_league_us(void)
{
    if (!league.set) {
        return clock_real_us();
    }
    if (!league.running) {
        return league.base_league_us;
    }
    return league_after(league.base_league_us, clock_mono_us() - league.base_mono_us, league.speed);
}

bool clock_league_running(void)
{
    return !league.set || league.running;
}

void clock_league_get(struct clock_anchor *anchor)
{
    *anchor = (struct clock_anchor){.league_us = clock_league_us(),
                                    .real_us = clock_real_us(),
                                    .speed = league.set ? league.speed : 1.0,
                                    .running = clock_league_running()};
}

int64_t clock_league_wait_us(int64_t league_us)
{
    int64_t now_us = clock_league_us();
    if (now_us >= league_us) {
        return 0;
    }
    if (!clock_league_running()) {
        return INT64_MAX;
    }
    double wait_us = ceil((double)(league_us - now_us) / (league.set ? league.speed : 1.0));
    return wait_us < 9e18 ? (int64_t)wait_us : INT64_MAX;
}

/* ---- the anchor's file ---- */

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0 && errno != EINTR) {
            return -1;
        }
        if (wrote > 0) {
            bytes += wrote;
            size -= (size_t)wrote;
        }
    }
    return 0;
}

/* The rename itself must survive a power cut: the directory is synced too. */
static int sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int failed = fsync(fd);
    close(fd);
    return failed;
}

int clock_anchor_save(const char *path, const struct clock_anchor *anchor)
{
    char text[ANCHOR_BYTES_MAX], beside[PATH_MAX];
    int size = snprintf(text, sizeof text,
                        "league_us %" PRId64 "\nreal_us %" PRId64 "\nspeed %.17g\nrunning %d\n",
                        anchor->league_us, anchor->real_us, anchor->speed, anchor->running ? 1 : 0);
    if (snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof beside) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -1;
    }
    int failed = write_all(fd, text, (size_t)size) != 0 || fsync(fd) != 0;
    int cause = errno;
    if (close(fd) != 0 && !failed) {
        failed = 1;
        cause = errno;
    }
    if (!failed && rename(beside, path) == 0) {
        return sync_directory_of(path);
    }
    cause = failed ? cause : errno;
    unlink(beside);
    errno = cause;
    return -1;
}

/* Exactly the four lines in their order, to the last newline: a torn file is no anchor. */
static bool parse_anchor(const char *text, struct clock_anchor *anchor)
{
    int running = 0, used = 0;
    if (sscanf(text, "league_us %" SCNd64 " real_us %" SCNd64 " speed %lf running %d%n",
               &anchor->league_us, &anchor->real_us, &anchor->speed, &running, &used) != 4) {
        return false;
    }
    anchor->running = running == 1;
    return strcmp(text + used, "\n") == 0 && (running == 0 || running == 1) &&
           clock_anchor_valid(anchor);
}

int clock_anchor_load(const char *path, struct clock_anchor *anchor)
{
    char text[ANCHOR_BYTES_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    int cause = errno;
    close(fd);
    if (size < 0) {
        errno = cause;
        return -1;
    }
    struct clock_anchor found;
    text[size] = '\0';
    if (strlen(text) != (size_t)size || !parse_anchor(text, &found)) {
        errno = EINVAL;
        return -1;
    }
    *anchor = found;
    return 0;
}

/* ---- the zone, and dates in it ---- */

bool clock_zone_known(const char *zone)
{
    char path[PATH_MAX];
    struct stat about;
    const char *root = getenv("TZDIR");
    if (zone[0] == '\0' || zone[0] == '/' || zone[0] == ':' || strstr(zone, "..") != NULL) {
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", root != NULL ? root : "/usr/share/zoneinfo", zone);
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

int clock_zone_set(const char *zone)
{
    if (!clock_zone_known(zone) || setenv("TZ", zone, 1) != 0) {
        return -1;
    }
    tzset();
    return 0;
}

/* Whole seconds, rounded down also before 1970. */
static time_t seconds_of(int64_t instant_us)
{
    int64_t seconds = instant_us / SECOND_US;
    return (time_t)(instant_us % SECOND_US < 0 ? seconds - 1 : seconds);
}

static int32_t date_of_tm(const struct tm *tm)
{
    return (int32_t)((tm->tm_year + 1900) * 10000 + (tm->tm_mon + 1) * 100 + tm->tm_mday);
}

static struct tm tm_of_date(int32_t date)
{
    return (struct tm){.tm_year = date / 10000 - 1900,
                       .tm_mon = date / 100 % 100 - 1,
                       .tm_mday = date % 100,
                       .tm_isdst = -1};
}

int32_t clock_date_of(int64_t instant_us)
{
    struct tm tm = {0};
    time_t seconds = seconds_of(instant_us);
    localtime_r(&seconds, &tm);
    return date_of_tm(&tm);
}

int32_t clock_league_day(int64_t instant_us, int rollover_hour)
{
    struct tm tm = {0};
    time_t seconds = seconds_of(instant_us);
    localtime_r(&seconds, &tm);
    int32_t date = date_of_tm(&tm);
    return tm.tm_hour < rollover_hour ? clock_date_add(date, -1) : date;
}

int64_t clock_date_start_us(int32_t date)
{
    struct tm tm = tm_of_date(date);
    int64_t start_us = (int64_t)mktime(&tm) * SECOND_US;
    while (clock_date_of(start_us) <
           date) { /* zones that skip midnight on this date: its first instant */
        start_us += 15 * 60 * SECOND_US;
    }
    return start_us;
}

int64_t clock_league_day_start_us(int32_t date, int rollover_hour)
{
    struct tm tm = tm_of_date(date);
    tm.tm_hour = rollover_hour;
    return (int64_t)mktime(&tm) * SECOND_US;
}

/* Days since 1970-01-01, by the calendar alone: the Gregorian rule, years begun in March so that a leap day is the last (timegm gives
 * the same in twenty times the time; features ask for some hundred of them for a player). */
static int64_t day_number(int32_t date)
{
    const int64_t month = date / 100 % 100, day = date % 100, late = month > 2;
    const int64_t year = date / 10000 - !late;
    const int64_t day_of_year = (153 * (month + (late ? -3 : 9)) + 2) / 5 + day - 1;
    return 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

int32_t clock_date_add(int32_t date, int days)
{
    struct tm tm = tm_of_date(date);
    tm.tm_mday += days;
    tm.tm_isdst = 0;
    timegm(&tm);
    return date_of_tm(&tm);
}

int clock_date_diff(int32_t a, int32_t b)
{
    return (int)(day_number(a) - day_number(b));
}

bool clock_date_valid(int32_t date)
{
    static const int32_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t year = date / 10000, month = date / 100 % 100, day = date % 100;
    if (date < 10101 || date > 99991231 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= DAYS[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* ---- text ---- */

void clock_format_utc(int64_t instant_us, char text[CLOCK_TEXT_SIZE])
{
    struct tm tm = {0};
    time_t seconds = seconds_of(instant_us);
    gmtime_r(&seconds, &tm);
    size_t length = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + length, CLOCK_TEXT_SIZE - length, ".%06dZ",
             (int)(instant_us - (int64_t)seconds * SECOND_US));
}

/* Exactly `count` digits; moves *text behind them; -1 if they are not there. */
static int digits(const char **text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
    }
    *text += count;
    return value;
}

static bool skip(const char **text, const char *any)
{
    if (**text == '\0' || strchr(any, **text) == NULL) {
        return false;
    }
    (*text)++;
    return true;
}

static int parse_date_part(const char **text, int32_t *date)
{
    int year = digits(text, 4);
    int month = year >= 0 && skip(text, "-") ? digits(text, 2) : -1;
    int day = month >= 0 && skip(text, "-") ? digits(text, 2) : -1;
    *date = year * 10000 + month * 100 + day;
    return day >= 0 && clock_date_valid(*date) ? 0 : -1;
}

/* ".5" and ".123456789": microseconds, the rest cut off. */
static int parse_fraction(const char **text, int64_t *fraction_us)
{
    int count = 0;
    *fraction_us = 0;
    if (!skip(text, ".")) {
        return 0;
    }
    for (int64_t unit = SECOND_US / 10; **text >= '0' && **text <= '9';
         count++, unit /= 10, (*text)++) {
        *fraction_us += unit * (**text - '0');
    }
    return count > 0 && count <= 9 ? 0 : -1;
}

/* "Z", "-05:00", "-0500": seconds east of UTC. */
static int parse_offset(const char **text, int64_t *offset)
{
    *offset = 0;
    if (skip(text, "Zz")) {
        return 0;
    }
    int sign = **text == '-' ? -1 : 1;
    int hours = skip(text, "+-") ? digits(text, 2) : -1;
    if (hours >= 0) {
        skip(text, ":");
    }
    int minutes = hours >= 0 ? digits(text, 2) : -1;
    *offset = sign * (hours * 3600 + minutes * 60);
    return minutes >= 0 && minutes < 60 && hours <= 15 ? 0 : -1;
}

int clock_parse_utc(const char *text, int64_t *instant_us)
{
    int32_t date = 0;
    int64_t fraction_us = 0, offset = 0;
    if (parse_date_part(&text, &date) != 0 || !skip(&text, "Tt ")) {
        return -1;
    }
    int hour = digits(&text, 2);
    int minute = hour >= 0 && skip(&text, ":") ? digits(&text, 2) : -1;
    int second = 0;
    if (minute >= 0 && skip(&text, ":")) { /* some upstreams leave the seconds out */
        second = digits(&text, 2);
    }
    if (hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
        parse_fraction(&text, &fraction_us) != 0 || parse_offset(&text, &offset) != 0 ||
        *text != '\0') {
        return -1;
    }
    int64_t seconds = day_number(date) * 86400 + hour * 3600 + minute * 60 + second - offset;
    *instant_us = seconds * SECOND_US + fraction_us;
    return 0;
}

void clock_format_date(int32_t date, char text[CLOCK_DATE_SIZE])
{
    unsigned value = date > 0 && date <= 99999999 ? (unsigned)date : 0;
    snprintf(text, CLOCK_DATE_SIZE, "%04u-%02u-%02u", value / 10000 % 10000, value / 100 % 100,
             value % 100);
}

int clock_parse_date(const char *text, int32_t *date)
{
    int32_t found = 0;
    if (parse_date_part(&text, &found) != 0 || *text != '\0') {
        return -1;
    }
    *date = found;
    return 0;
}
