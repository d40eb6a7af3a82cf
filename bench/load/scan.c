/* Finding needles in what a connection reads, also those that two reads have cut; and histograms of times. */
#define _GNU_SOURCE
#include "load.h"
#include <string.h>

enum { DIGITS = 16 };

void count_time(int64_t *histogram, double seconds) {
    uint64_t ns = seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
    int bucket = (int)ns;
    if (ns >= 32) {
        int power = 63 - __builtin_clzll(ns);
        bucket = (power - 4) * 32 + (int)((ns >> (power - 5)) & 31);
    }
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

/* The time in seconds that this part of all stayed within, to 3 in 100. */
double percentile(const int64_t *histogram, double part) {
    int64_t all = 0, so_far = 0;
    for (int i = 0; i < BUCKETS; i++) all += histogram[i];
    if (all == 0) return 0;
    for (int i = 0; i < BUCKETS; i++) {
        so_far += histogram[i];
        if (so_far < part * (double)all) continue;
        if (i < 32) return i / 1e9;
        int power = i / 32 + 4;
        return (double)((1ULL << power) + ((uint64_t)(i % 32 + 1) << (power - 5))) / 1e9;
    }
    return 0;
}

static uint64_t hexadecimal(const char *text) {
    uint64_t value = 0;
    for (int i = 0; i < DIGITS; i++) value = value << 4 | (uint64_t)((text[i] & 15) + (text[i] > '9' ? 9 : 0));
    return value;
}

/* Where what follows a needle ends; NULL when it has not come whole. */
static const char *end_of(const Needle *needle, const char *after, const char *end, int64_t *number) {
    *number = 0;
    if (needle->kind == PING) return after;
    if (needle->kind == STAMP || needle->kind == STORED) {
        if (after + DIGITS > end) return NULL;
        *number = (int64_t)hexadecimal(after);
        return after + DIGITS;
    }
    for (; after < end && *after >= '0' && *after <= '9'; after++) *number = *number * 10 + (*after - '0');
    return after < end ? after : NULL;
}

static void found(Load *load, Connection *c, int kind, int64_t number, double now) {
    Result *result = &load->result;
    switch (kind) {
    case STAMP:
        result->delivered++;
        count_time(load->delivered_histogram, now - (double)number / 1e9);
        c->unreceipted++;
        if (c->unreceipted == 1) c->receipt_at = now + 1.0;
        break;
    case STORED:
        result->stored++;
        c->unanswered--;
        count_time(load->stored_histogram, now - (double)number / 1e9);
        break;
    case RECEIPT:
        result->receipts += number;
        break;
    case MAIL:
        result->mails++;
        c->mail = number;
        if (c->unacked++ == 0) c->ack_at = now + 1.0;
        break;
    case PING:
        wire_write(load, c, load->pong, (size_t)load->pong_length);
        break;
    }
}

/* `data` has `c->carry_length` bytes of the read before in front; `length` counts them. */
void scan(Load *load, Connection *c, char *data, int length) {
    const char *end = data + length, *counted = data + c->carry_length;
    double now = now_seconds();
    for (int i = 0; i < load->needle_count; i++) {
        const Needle *needle = &load->needles[i];
        const char *from = data;
        while ((from = memmem(from, (size_t)(end - from), needle->text, (size_t)needle->length)) != NULL) {
            int64_t number;
            const char *over = end_of(needle, from + needle->length, end, &number);
            if (over == NULL) break;
            if (over + (needle->kind >= RECEIPT && needle->kind != PING) > counted) found(load, c, needle->kind, number, now);
            from = over;
        }
    }
    c->carry_length = length < CARRY ? length : CARRY;
    memcpy(c->carry, end - c->carry_length, (size_t)c->carry_length);
}
