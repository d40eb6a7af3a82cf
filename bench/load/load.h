/* The load generator: connections that log in by scripts, read everything, and write prepared frames in time.
 *
 * One thread, one epoll. Python (bench/generator.py) says what to send and what to look for; nothing here knows a
 * protocol, except how a TAlk device proves itself (Ed25519 over a nonce that came with the answer before). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARRY 96       /* longest needle with what follows it, in bytes */
#define SEEN 4096      /* what is kept of an answer during the login, in bytes */
#define BUCKETS 2048   /* of a histogram: 32 for each power of two, in nanoseconds */

/* What it means to find a needle: 16 hexadecimal digits follow STAMP and STORED, a count RECEIPT, a number MAIL. */
enum { STAMP, STORED, RECEIPT, MAIL, PING };

typedef struct { const char *text; int32_t length, kind; } Needle;
typedef struct { const char *before, *after; int32_t before_length, after_length; uint8_t seed[32]; } Proof;
typedef struct { const char *send, *expect; int32_t send_length, expect_length; const Proof *proof; int32_t proof_at; } Step;
typedef struct { const char *text; int32_t length, id_at, stamp_at, number_at; } Frame;  /* -1: no such place */
typedef struct { int32_t connection; Frame frame; } Sender;

/* `rate` in messages a second; 0: as many as `window` allows to be under way. `numbers` are for history: up to which. */
typedef struct {
    const Sender *senders; int32_t sender_count;
    double rate, seconds, drain;
    int32_t window, unanswered;           /* messages under way: of all, and of one connection (0: no limit) */
    int32_t complete;                     /* which kind of needle ends a message that is under way */
    int64_t copies;                       /* how many of them end it */
    int64_t numbers;
} Plan;

typedef struct {
    int64_t sent, late, delivered, stored, receipts, mails, bytes, reads, expected;
    double seconds, sending, cpu, late_most;
    double delivered_p50, delivered_p99, delivered_most, stored_p50, stored_p99, stored_most;
    int32_t dead;
} Result;

typedef struct { int32_t ready, failed; double seconds, p50, p99, most, cpu; } Brought;

enum { CLOSED, CONNECTING, HANDSHAKE, LOGGING_IN, READY };

typedef struct {
    int fd, state, steps_left, seen_length, carry_length, unreceipted, unacked, unanswered;
    void *tls;
    const Step *steps, *login;             /* what is left of the login; all of it */
    int login_steps;
    char *seen, *out;
    size_t out_length, out_size;
    const Frame *ack, *receipt;
    int64_t mail;
    bool waits_to_write;
    char carry[CARRY];
    double began, receipt_at, ack_at;
    int32_t port, use_tls;
} Connection;

typedef struct {
    Connection *all;
    int32_t count, most, epoll, logging_in;
    const Needle *needles; int32_t needle_count;
    const char *pong; int32_t pong_length;
    void *context;
    Result result;
    int64_t delivered_histogram[BUCKETS], stored_histogram[BUCKETS], login_histogram[BUCKETS];
    uint64_t counter, turn;
} Load;

/* wire.c */
double now_seconds(void);
double own_cpu(void);
int wire_connect(Load *load, Connection *c);
int wire_handshake(Load *load, Connection *c);
int wire_read(Connection *c, char *into, int size);
void wire_write(Load *load, Connection *c, const char *data, size_t length);
void wire_drain(Load *load, Connection *c);
void wire_close(Load *load, Connection *c);

/* login.c */
void login_read(Load *load, Connection *c, const char *data, int length);
void login_step(Load *load, Connection *c);

/* scan.c */
void scan(Load *load, Connection *c, char *data, int length);
void count_time(int64_t *histogram, double seconds);
double percentile(const int64_t *histogram, double part);

/* run.c */
void take_events(Load *load, double wait);
