/* How long a line that moves takes to become a prediction: `bench_line ENDPOINT DATE HOME AWAY PLAYER TEAM TIMES DIR`, against a running
 * broker with features and predictor. Each time the line of one player moves, and the clock runs until a reader has the ensemble's (or,
 * without a model, blend's) new prediction: everything on the way is synced before it goes on. After each of them a chain of as many
 * syncs on the same disk, of one kind in turn: of a page of one file each; of three files as on the way (a file system may write a
 * file's inode too when the file's time has changed: once per file and tick of its clock, so a chain of one file is spared what the way
 * is not); of three files and as many bytes as on the way. Prints one JSON object. tests/bench/line.py starts it all. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "cli/import_send.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/record.h"
#include "tests/programs/times.h"

/* Synced on the way: the odds, the step of features (its data, its meta page), the feature, the step of the predictor, the predictions. */
enum { DONE_EVERY = 256, SYNCS = 7, TIMES_MOST = 5000, PATIENCE_US = 20 * 1000000 };
enum { PAGE_BYTES = 4096, CHAIN_PAGES = 256, SYNC_PAGES_MOST = 16 };
enum { FILES = 3, KINDS = 3 };
/* Of each sync, the file (the journal, the store of features, that of the predictor) and the pages before it, contiguous at best. The
 * pages of the way are as strace -e pwrite64,writev has them. */
static const struct {
    const char *name;
    int file[SYNCS], pages[SYNCS];
} KIND[KINDS] = {
    {"chain", {0}, {1, 1, 1, 1, 1, 1, 1}},
    {"chain_files", {0, 1, 1, 0, 2, 2, 0}, {1, 1, 1, 1, 1, 1, 1}},
    {"chain_bytes", {0, 1, 1, 0, 2, 2, 0}, {1, 15, 1, 3, 8, 1, 2}},
};

static struct link *reader;
static double awaited;   /* line */
static int64_t heard_us; /* monotonic; 0: not yet */

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "bench_line: %s\n", why);
    exit(70);
}

static void hear_batch(void *context, const struct link_batch *batch)
{
    static struct record record; /* large */
    struct msg_prediction_points row;
    struct message_error error;
    struct batch_reader in;
    const char *rule;
    (void)context;
    if (batch_open(&in, batch->body.data, batch->body.size, batch->count, &rule) != 0) {
        give_up(rule);
    }
    while (batch_next(&in, &record, &rule) == 1) {
        if (message_decode(&msg_prediction_points_desc, record.payload.data, record.payload.size,
                           &row, &error) == 0 &&
            row.line == awaited) {
            heard_us = clock_mono_us();
        }
    }
    link_taken(reader, batch->count, batch->body.size);
    static unsigned batches;
    if (++batches % DONE_EVERY ==
        0) { /* each is a commit of the broker's: of the reader, not of the line */
        (void)link_done(reader, batch->base + batch->count);
    }
}

static void turn_reader(int64_t most_us)
{
    struct pollfd fd = {.fd = link_fd(reader), .events = POLLIN};
    int64_t wait_us = link_timeout_us(reader) < most_us ? link_timeout_us(reader) : most_us;
    poll(&fd, 1, (int)((wait_us + 999) / 1000));
    link_turn(reader);
}

static void open_reader(const char *endpoint)
{
    static const char *const STREAMS[] = {"prediction.points", NULL};
    char pid[20];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const struct link_options options = {endpoint, "bench-line",          "here", pid, "1",
                                         "",       {.batch = hear_batch}, NULL};
    const struct link_join join = {.name = "bench-line",
                                   .kind = LINK_CURSOR,
                                   .streams = STREAMS,
                                   .start = "head",
                                   .records = 10000,
                                   .bytes = 8 << 20};
    reader = link_open(&options);
    if (!reader || link_join(reader, &join) != 0) {
        give_up("no reader");
    }
    int64_t until = clock_mono_us() + 500000; /* joined before anything is said */
    while (clock_mono_us() < until) {
        turn_reader(20000);
    }
}

struct ask {
    struct import_send *send;
    const char *home, *away, *game_id, *player_name;
    int64_t player_id;
    int32_t date;
};

static void add(struct ask *ask, const struct message_desc *desc, const void *row)
{
    if (import_send_add(ask->send, desc, row) != 0) {
        give_up(import_send_why(ask->send));
    }
}

static void put_game(struct ask *ask)
{
    struct msg_row_game row;
    message_clear(&msg_row_game_desc, &row);
    strcpy(row.game_id, ask->game_id);
    row.game_date = ask->date;
    strcpy(row.home, ask->home);
    strcpy(row.away, ask->away);
    row.tip_at = clock_real_us() + INT64_C(3) * 3600 * 1000000;
    strcpy(row.status, "scheduled");
    row.period = row.box_players = 0;
    strcpy(row.feed, "bench");
    add(ask, &msg_row_game_desc, &row);
}

static void put_line(struct ask *ask, double line)
{
    struct msg_row_odds odds;
    struct msg_row_odds_snapshot snapshot;
    message_clear(&msg_row_odds_desc, &odds);
    strcpy(odds.game_id, ask->game_id);
    odds.game_date = ask->date;
    strcpy(odds.event_id, "bench");
    odds.player_id = ask->player_id;
    odds.player_known = true;
    strcpy(odds.player_name, ask->player_name);
    strcpy(odds.market, "player_points");
    strcpy(odds.book, "draftkings");
    odds.line = line;
    odds.over_price = odds.under_price = -110;
    odds.main = odds.offered = true;
    odds.snapshot_at = clock_real_us();
    odds.commence_at = clock_real_us() + INT64_C(3) * 3600 * 1000000;
    add(ask, &msg_row_odds_desc, &odds);
    odds.line = awaited; /* the one before is taken down */
    odds.main = odds.offered = false;
    if (odds.line > 0) {
        add(ask, &msg_row_odds_desc, &odds);
    }
    message_clear(&msg_row_odds_snapshot_desc, &snapshot);
    strcpy(snapshot.game_id, ask->game_id);
    snapshot.game_date = ask->date;
    strcpy(snapshot.event_id, "bench");
    snapshot.snapshot_at = odds.snapshot_at;
    snapshot.commence_at = odds.commence_at;
    snapshot.rows = snapshot.changed = 1;
    add(ask, &msg_row_odds_snapshot_desc, &snapshot);
}

static int64_t one_change(struct ask *ask, double line)
{
    int64_t begun = clock_mono_us();
    put_line(ask, line);
    awaited = line;
    heard_us = 0;
    if (import_send_flush(ask->send) != 0) {
        give_up(import_send_why(ask->send));
    }
    while (!heard_us && clock_mono_us() - begun < PATIENCE_US) {
        turn_reader(20000);
    }
    if (!heard_us) {
        give_up("no prediction came");
    }
    return heard_us - begun;
}

struct chain_file {
    int fd, at;
    char path[512];
};

static void chain_open(struct chain_file *file, const char *dir, int number)
{
    static const char blank[CHAIN_PAGES * PAGE_BYTES];
    snprintf(file->path, sizeof file->path, "%s/bench_line.chain.%d", dir, number);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file->fd < 0 || write(file->fd, blank, sizeof blank) != sizeof blank || fsync(file->fd)) {
        give_up(file->path);
    }
}

/* For each sync, of which file and how many pages. */
static int64_t one_chain(struct chain_file *files, const int *of, const int *pages)
{
    static char bytes[SYNC_PAGES_MOST * PAGE_BYTES];
    int64_t begun = clock_mono_us();
    for (int i = 0; i < SYNCS; i++) {
        struct chain_file *file = &files[of[i]];
        size_t size = (size_t)pages[i] * PAGE_BYTES;
        bytes[0]++;
        file->at = file->at + pages[i] > CHAIN_PAGES ? 0 : file->at;
        if (pwrite(file->fd, bytes, size, (off_t)file->at * PAGE_BYTES) != (ssize_t)size ||
            fdatasync(file->fd)) {
            give_up(file->path);
        }
        file->at += pages[i];
    }
    return clock_mono_us() - begun;
}

int main(int argc, char **argv)
{
    static int64_t changes[TIMES_MOST], chains[KINDS][TIMES_MOST];
    static struct chain_file files[FILES];
    int times = argc == 9 ? atoi(argv[7]) : 0;
    if (times < KINDS || times > TIMES_MOST) {
        fprintf(stderr, "usage: bench_line ENDPOINT DATE HOME AWAY PLAYER NAME TIMES DIR\n");
        return 64;
    }
    messages_register();
    const struct import_send_options options = {.writer = "processor",
                                                .payload_bytes = 8192,
                                                .endpoint = argv[1],
                                                .host = "here",
                                                .env = "00112233445566778899aabbccddeeff",
                                                .config_hash = "0"};
    struct ask ask = {.home = argv[3],
                      .away = argv[4],
                      .game_id = "0022699901",
                      .player_id = strtoll(argv[5], NULL, 10),
                      .player_name = argv[6]};
    if (clock_parse_date(argv[2], &ask.date) != 0) {
        return 64;
    }
    for (int i = 0; i < FILES; i++) {
        chain_open(&files[i], argv[8], i);
    }
    open_reader(argv[1]);
    ask.send = import_send_open(&options);
    if (!ask.send || import_send_start(ask.send, PATIENCE_US) != 0) {
        give_up("no lease as the processor");
    }
    put_game(&ask);
    (void)one_change(&ask, 20.5); /* everything is warm */
    for (int i = 0; i < times; i++) {
        changes[i] = one_change(&ask, 15.5 + i % 17);
        chains[i % KINDS][i / KINDS] =
            one_chain(files, KIND[i % KINDS].file, KIND[i % KINDS].pages);
    }
    printf("{\"times\": %d, \"syncs\": %d, ", times, SYNCS);
    times_tell("change", changes, times, ", ");
    for (int kind = 0; kind < KINDS; kind++) {
        times_tell(KIND[kind].name, chains[kind], times / KINDS, kind + 1 < KINDS ? ", " : "}\n");
    }
    import_send_close(&ask.send);
    link_close(&reader);
    for (int i = 0; i < FILES; i++) {
        (void)unlink(files[i].path);
    }
    return 0;
}
