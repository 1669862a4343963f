/* libFuzzer: any bytes, in pieces of any size, as what a peer says on a connection: nothing of it may be believed beyond what it holds. What we say
 * ourselves is sent in pieces of any size beside it. Build and run: see tests/fuzz/run.py. */
#include <assert.h>

#include "broker/zmtp.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAME_MOST = 100000, QUEUED_MOST = 64, PIECES = 5 };

#define GREETING                                                                                   \
    "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                           \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define READY "\4\51\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0\0"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint8_t said[] =
        "\3" GREETING READY
        "\1\4PUBL\0\3abc\4\17\4PING\0\12context\0\6HELO\x82\xa1\2\0\0\0\0\0\0\1\0";
    (void)argc;
    (void)argv;
    input_seed("router", said, sizeof said - 1);
    return 0;
}

/* Each frame is there to its last byte. */
static void frame_look(zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);
    volatile uint8_t sum = 0;
    assert(size <= FRAME_MOST);
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)zmq_msg_data(frame))[i]);
    zmq_msg_close(frame);
}

static void say(struct zmtp *zmtp, size_t size)
{
    zmq_msg_t frames[2];
    if (!zmtp_ready(zmtp) || zmtp_queued(zmtp) > QUEUED_MOST)
        return;
    for (int i = 0; i < 2; i++) {
        zmq_msg_init_size(&frames[i], size * (size_t)i);
        memset(zmq_msg_data(&frames[i]), i, zmq_msg_size(&frames[i]));
    }
    if (!zmtp_put(zmtp, frames, 2))
        abort();
}

static void send_some(struct zmtp *zmtp, size_t most)
{
    struct iovec pieces[PIECES];
    int count = zmtp_pieces(zmtp, pieces, PIECES);
    size_t there = 0;
    assert(count <= PIECES && (count > 0 || zmtp_queued(zmtp) == 0));
    for (int i = 0; i < count; i++)
        there += pieces[i].iov_len;
    zmtp_sent(zmtp, there < most ? there : most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input_bytes in = {data, data + size};
    uint32_t how = input_u8(&in);
    struct zmtp *zmtp = zmtp_new(how & 1 ? ZMTP_ROUTER : ZMTP_DEALER, FRAME_MOST);
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count, step = 1 + (how >> 1) * 3;
    int got = 0;
    assert(zmtp);
    while (got >= 0) {
        while ((got = zmtp_next(zmtp, frames, &count)) == 1) {
            assert(count >= 1 && count <= ZMTP_FRAMES_MAX && zmtp_ready(zmtp));
            for (uint32_t i = 0; i < count; i++)
                frame_look(&frames[i]);
        }
        assert((got < 0) == (zmtp_failed(zmtp) != ZMTP_SOUND));
        say(zmtp, step);
        send_some(zmtp, step * 2);
        if (in.at == in.end)
            break;
        uint8_t *room;
        const uint8_t *bytes;
        size_t room_size;
        zmtp_room(zmtp, &room, &room_size);
        assert(got < 0 || room_size > 0);
        size_t part = input_take(&in, step < room_size ? step : room_size, &bytes);
        memcpy(room, bytes, part);
        zmtp_filled(zmtp, part);
    }
    assert(zmtp_next(zmtp, frames, &count) == got);
    zmtp_free(&zmtp);
    return 0;
}
