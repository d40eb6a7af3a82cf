/* The loop: bring connections up, then send in time while everything is read. */
#define _GNU_SOURCE
#include "load.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <openssl/ssl.h>

enum { READ = 256 * 1024, EVENTS = 1024 };
#define LATE 0.005      /* seconds after which a message counts as sent late */
#define RETRY 0.5       /* seconds after which those are looked for whose connection failed */
#define LOOK_AFTER 0.005 /* seconds between looks at whose ack or receipt is due */
#define MAX_UNACKED 100  /* as in src/talk/protocol/limits.py */

static char buffer[CARRY + READ];

Load *load_new(int32_t most) {
    Load *load = calloc(1, sizeof *load);
    load->all = calloc((size_t)most, sizeof *load->all);
    load->most = most;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK, 1UL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    load->context = context;
    return load;
}

void load_look_for(Load *load, const Needle *needles, int32_t count, const char *pong, int32_t pong_length) {
    load->needles = needles;
    load->needle_count = count;
    load->pong = pong;
    load->pong_length = pong_length;
}

int32_t load_add(Load *load, int32_t port, int32_t use_tls, const Step *steps, int32_t count) {
    if (load->count == load->most) return -1;
    Connection *c = &load->all[load->count];
    *c = (Connection){.fd = -1, .port = port, .use_tls = use_tls, .login = steps, .login_steps = count};
    return load->count++;
}

void load_mailbox(Load *load, int32_t index, const Frame *ack, const Frame *receipt) {
    load->all[index].ack = ack;
    load->all[index].receipt = receipt;
}

void load_again(Load *load, int32_t index, int32_t port, const Step *steps, int32_t count) {
    Connection *c = &load->all[index];
    wire_close(load, c);
    c->port = port;
    c->login = steps;
    c->login_steps = count;
    c->began = 0;
}

void load_close_all(Load *load) {
    for (int i = 0; i < load->count; i++) wire_close(load, &load->all[i]);
    load->count = 0;
    load->logging_in = 0;
}

void load_free(Load *load) {
    load_close_all(load);
    close(load->epoll);
    SSL_CTX_free(load->context);
    free(load->all);
    free(load);
}

static void read_all(Load *load, Connection *c) {
    for (;;) {
        memcpy(buffer, c->carry, (size_t)c->carry_length);
        int got = wire_read(c, buffer + c->carry_length, READ);
        if (got < 0) wire_close(load, c);
        if (got <= 0) return;
        load->result.bytes += got;
        load->result.reads++;
        if (c->state == READY) scan(load, c, buffer, c->carry_length + got);
        else login_read(load, c, buffer, got);
        if (c->tls == NULL || c->state == CLOSED) return;  /* epoll comes back to a plain socket that has more */
    }
}

static void take_event(Load *load, Connection *c, uint32_t events) {
    if (c->state == CONNECTING || c->state == HANDSHAKE) {
        int done = wire_handshake(load, c);
        if (done < 0) wire_close(load, c);
        if (done <= 0) return;
        c->state = LOGGING_IN;
        c->seen = malloc(SEEN);
        login_step(load, c);
    }
    if (c->state != CLOSED && events & EPOLLOUT && c->waits_to_write) wire_drain(load, c);
    if (c->state != CLOSED && events & ~(uint32_t)EPOLLOUT) read_all(load, c);
}

void take_events(Load *load, double wait) {
    static struct epoll_event events[EVENTS];
    struct timespec t = {.tv_sec = (time_t)wait, .tv_nsec = (long)(fmod(wait, 1.0) * 1e9)};
    int count = epoll_pwait2(load->epoll, events, EVENTS, wait > 0 ? &t : &(struct timespec){0}, NULL);
    for (int i = 0; i < count; i++) take_event(load, &load->all[events[i].data.u32], events[i].events);
}

/* Connect and log in everybody who is not there, at most `at_once` at the same time; who fails tries again, as clients
 * do, and the time counts from the first try. */
void load_bring(Load *load, int32_t at_once, double within, Brought *brought) {
    double began = now_seconds(), cpu = own_cpu();
    int next = 0, there = 0;
    double again_at = 0;
    memset(load->login_histogram, 0, sizeof load->login_histogram);
    while (there < load->count) {
        while (next < load->count && load->logging_in < at_once) {
            Connection *c = &load->all[next++];
            if (c->state != CLOSED) continue;
            if (c->began == 0) c->began = now_seconds();
            c->steps = c->login;
            c->steps_left = c->login_steps;
            c->state = CONNECTING;
            load->logging_in++;
            if (wire_connect(load, c) < 0) wire_close(load, c);
        }
        take_events(load, 0.01);
        if (next == load->count && (load->logging_in == 0 || now_seconds() > again_at)) {
            there = 0;
            for (int i = 0; i < load->count; i++) there += load->all[i].state == READY;
            next = 0;
            again_at = now_seconds() + RETRY;
        }
        if (now_seconds() - began > within) break;
    }
    *brought = (Brought){.seconds = now_seconds() - began, .cpu = own_cpu() - cpu};
    for (int i = 0; i < load->count; i++) brought->ready += load->all[i].state == READY;
    brought->failed = load->count - brought->ready;
    brought->p50 = percentile(load->login_histogram, 0.5);
    brought->p99 = percentile(load->login_histogram, 0.99);
    brought->most = percentile(load->login_histogram, 1.0);
}

/* Read what comes for so long, and answer pings. */
void load_settle(Load *load, double seconds) {
    for (double until = now_seconds() + seconds, left; (left = until - now_seconds()) > 0;) take_events(load, left);
}

static void write_frame(Load *load, Connection *c, const Frame *frame, double stamp, int64_t number) {
    static char text[64 * 1024], digits[32];
    memcpy(text, frame->text, (size_t)frame->length);
    if (frame->id_at >= 0) {
        snprintf(digits, sizeof digits, "%016llx%08llx", (unsigned long long)(stamp * 1e9), (unsigned long long)load->counter++);
        memcpy(text + frame->id_at, digits, 24);
    }
    if (frame->stamp_at >= 0) {
        snprintf(digits, sizeof digits, "%016llx", (unsigned long long)(stamp * 1e9));
        memcpy(text + frame->stamp_at, digits, 16);
    }
    if (frame->number_at >= 0) {  /* written over spaces or zeros, which stay behind or in front of it */
        bool zeros = frame->text[frame->number_at] == '0';
        int length = snprintf(digits, sizeof digits, zeros ? "%08lld" : "%lld", (long long)number);
        memcpy(text + frame->number_at, digits, (size_t)length);
    }
    wire_write(load, c, text, (size_t)frame->length);
}

/* Send the acks and receipts that are due, as a client does: one for all of a second. */
static void look_after_mail(Load *load, double now) {
    for (int i = 0; i < load->count; i++) {
        Connection *c = &load->all[i];
        if (c->ack && c->unacked && (now >= c->ack_at || c->unacked >= MAX_UNACKED)) {
            c->unacked = 0;
            write_frame(load, c, c->ack, now, c->mail);
        }
        if (!c->receipt || !c->unreceipted || now < c->receipt_at) continue;
        write_frame(load, c, c->receipt, now, c->unreceipted);
        c->unreceipted = 0;
    }
}

/* The next one in turn who may send now; NULL when everybody has to wait for answers. */
static const Sender *next_sender(Load *load, const Plan *plan) {
    for (int tries = 0; tries < plan->sender_count; tries++) {
        const Sender *sender = &plan->senders[load->turn++ % plan->sender_count];
        const Connection *c = &load->all[sender->connection];
        if (c->state == READY && (plan->unanswered == 0 || c->unanswered < plan->unanswered)) return sender;
    }
    return NULL;
}

static int64_t completed(const Plan *plan, const Result *result) {
    return plan->complete == STORED ? result->stored : plan->complete == RECEIPT ? result->receipts : result->delivered;
}

/* Send by the plan, and go on reading until everything has come or `drain` seconds have passed. */
void load_run(Load *load, const Plan *plan, Result *out) {
    Result *result = &load->result;
    memset(result, 0, sizeof *result);
    memset(load->delivered_histogram, 0, sizeof load->delivered_histogram);
    memset(load->stored_histogram, 0, sizeof load->stored_histogram);
    double began = now_seconds(), cpu = own_cpu(), end = began + plan->seconds, mail_at = began;
    for (int i = 0; i < load->count; i++) load->all[i].unanswered = 0;
    for (double now = began; ; now = now_seconds()) {
        double due = now;
        while (now < end) {
            int64_t complete = completed(plan, result);
            if (plan->rate > 0) due = began + (double)result->sent / plan->rate;
            if (plan->rate > 0 ? due > now || due >= end : result->sent * plan->copies - complete >= plan->window * plan->copies) break;
            const Sender *sender = next_sender(load, plan);
            if (sender == NULL) break;
            double lateness = plan->rate > 0 ? now - due : 0;
            result->late += lateness > LATE;
            if (lateness > result->late_most) result->late_most = lateness;
            result->sent++;
            load->all[sender->connection].unanswered++;
            int64_t number = plan->numbers ? 1 + (int64_t)((((uint64_t)random() << 31) | (uint64_t)random()) % (uint64_t)plan->numbers) : 0;
            write_frame(load, &load->all[sender->connection], &sender->frame, due, number);
            result->sending = now - began;
            now = now_seconds();
        }
        if (now >= mail_at) { look_after_mail(load, now); mail_at = now + LOOK_AFTER; }
        result->expected = result->sent * plan->copies;
        if (now >= end && (completed(plan, result) >= result->expected || now > end + plan->drain)) break;
        double wait = now < end && plan->rate > 0 && due > now ? due - now : 0.0005;
        take_events(load, wait < 0 ? 0 : wait > 0.002 ? 0.002 : wait);
    }
    result->seconds = now_seconds() - began;
    result->cpu = own_cpu() - cpu;
    result->delivered_p50 = percentile(load->delivered_histogram, 0.5);
    result->delivered_p99 = percentile(load->delivered_histogram, 0.99);
    result->delivered_most = percentile(load->delivered_histogram, 1.0);
    result->stored_p50 = percentile(load->stored_histogram, 0.5);
    result->stored_p99 = percentile(load->stored_histogram, 0.99);
    result->stored_most = percentile(load->stored_histogram, 1.0);
    for (int i = 0; i < load->count; i++) result->dead += load->all[i].state == CLOSED;
    *out = *result;
}
