/* Sockets, plain or TLS: connect, read, write what the socket takes and keep the rest. */
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <openssl/ssl.h>

double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

double own_cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void listen_for(Load *load, Connection *c, uint32_t what, int how) {
    struct epoll_event event = {.events = what, .data.u32 = (uint32_t)(c - load->all)};
    epoll_ctl(load->epoll, how, c->fd, &event);
}

int wire_connect(Load *load, Connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return -1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) return -1;
    listen_for(load, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
    c->waits_to_write = true;
    return 0;
}

int wire_handshake(Load *load, Connection *c) {
    int failed = 0;
    socklen_t size = sizeof failed;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &size);
    if (failed) return -1;
    if (c->use_tls) {
        if (c->tls == NULL) {
            c->tls = SSL_new(load->context);
            SSL_set_fd(c->tls, c->fd);
            c->state = HANDSHAKE;
        }
        int done = SSL_connect(c->tls);
        if (done != 1) {
            int why = SSL_get_error(c->tls, done);
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return -1;
            c->waits_to_write = why == SSL_ERROR_WANT_WRITE;
            listen_for(load, c, c->waits_to_write ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
            return 0;
        }
    }
    c->waits_to_write = false;
    listen_for(load, c, EPOLLIN, EPOLL_CTL_MOD);
    return 1;
}

/* Bytes read; 0 when there are none now, -1 at the end of the connection. */
int wire_read(Connection *c, char *into, int size) {
    if (c->tls) {
        int got = SSL_read(c->tls, into, size);
        if (got > 0) return got;
        return SSL_get_error(c->tls, got) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t got = recv(c->fd, into, (size_t)size, 0);
    if (got > 0) return (int)got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t write_some(Connection *c, const char *data, size_t length) {
    if (c->tls) {
        int done = SSL_write(c->tls, data, (int)length);
        return done > 0 ? done : 0;
    }
    ssize_t done = send(c->fd, data, length, MSG_NOSIGNAL);
    return done > 0 ? done : 0;
}

void wire_write(Load *load, Connection *c, const char *data, size_t length) {
    if (c->state == CLOSED) return;
    if (c->out_length == 0) {
        size_t done = (size_t)write_some(c, data, length);
        data += done;
        length -= done;
    }
    if (length == 0) return;
    if (c->out_length + length > c->out_size) {
        c->out_size = 2 * (c->out_length + length);
        c->out = realloc(c->out, c->out_size);
    }
    memcpy(c->out + c->out_length, data, length);
    c->out_length += length;
    if (!c->waits_to_write) listen_for(load, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    c->waits_to_write = true;
}

void wire_drain(Load *load, Connection *c) {
    size_t done = c->out_length ? (size_t)write_some(c, c->out, c->out_length) : 0;
    memmove(c->out, c->out + done, c->out_length - done);
    c->out_length -= done;
    if (c->out_length == 0 && c->waits_to_write) {
        c->waits_to_write = false;
        listen_for(load, c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

void wire_close(Load *load, Connection *c) {
    if (c->state == CLOSED) return;
    if (c->state != READY) load->logging_in--;
    c->state = CLOSED;
    if (c->tls) SSL_free(c->tls);
    c->tls = NULL;
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    free(c->seen);
    free(c->out);
    c->seen = c->out = NULL;
    c->out_length = c->out_size = 0;
    c->seen_length = c->carry_length = 0;
}
