/* Logging in: each step sends something and waits until its answer is there. */
#define _GNU_SOURCE
#include "load.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char NONCE[] = "\"nonce\":\"";
enum { NONCE_LENGTH = 43, PROOF_LENGTH = 86 };

/* Sign the login bytes with the nonce of the answer that is in `seen`, and put the proof into the frame. */
static void prove(Connection *c, const Proof *proof, char *into) {
    const char *nonce = memmem(c->seen, (size_t)c->seen_length, NONCE, sizeof NONCE - 1);
    if (nonce == NULL) return;
    nonce += sizeof NONCE - 1;
    char bytes[1024], text[96];
    unsigned char signature[64];
    size_t size = sizeof signature;
    int length = proof->before_length + NONCE_LENGTH + proof->after_length;
    if (length > (int)sizeof bytes || nonce + NONCE_LENGTH > c->seen + c->seen_length) return;
    memcpy(bytes, proof->before, (size_t)proof->before_length);
    memcpy(bytes + proof->before_length, nonce, NONCE_LENGTH);
    memcpy(bytes + proof->before_length + NONCE_LENGTH, proof->after, (size_t)proof->after_length);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, proof->seed, 32);
    EVP_MD_CTX *signing = EVP_MD_CTX_new();
    EVP_DigestSignInit(signing, NULL, NULL, NULL, key);
    EVP_DigestSign(signing, signature, &size, (unsigned char *)bytes, (size_t)length);
    EVP_MD_CTX_free(signing);
    EVP_PKEY_free(key);
    EVP_EncodeBlock((unsigned char *)text, signature, 64);
    memcpy(into, text, PROOF_LENGTH);
}

void login_step(Load *load, Connection *c) {
    while (c->steps_left > 0) {
        const Step *step = c->steps;
        if (step->send_length > 0) {
            char *frame = malloc((size_t)step->send_length);
            memcpy(frame, step->send, (size_t)step->send_length);
            if (step->proof) prove(c, step->proof, frame + step->proof_at);
            wire_write(load, c, frame, (size_t)step->send_length);
            free(frame);
        }
        c->seen_length = 0;
        if (step->expect_length > 0) return;
        c->steps++;
        c->steps_left--;
    }
    c->state = READY;
    load->logging_in--;
    count_time(load->login_histogram, now_seconds() - c->began);
    free(c->seen);
    c->seen = NULL;
}

void login_read(Load *load, Connection *c, const char *data, int length) {
    while (length > 0 && c->state == LOGGING_IN) {
        int room = SEEN - c->seen_length;
        if (room == 0) {  /* keep the half in which an answer may have begun */
            memmove(c->seen, c->seen + SEEN / 2, SEEN / 2);
            c->seen_length = SEEN / 2;
            continue;
        }
        int part = length < room ? length : room;
        memcpy(c->seen + c->seen_length, data, (size_t)part);
        c->seen_length += part;
        data += part;
        length -= part;
        const Step *step = c->steps;
        if (memmem(c->seen, (size_t)c->seen_length, step->expect, (size_t)step->expect_length) == NULL) continue;
        c->steps++;
        c->steps_left--;
        login_step(load, c);
    }
}
