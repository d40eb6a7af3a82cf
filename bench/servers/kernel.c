/* What the operating system itself takes: one send() for each member and message, and nothing else.
 *
 * A line that begins with @ and a number goes to that connection, every other to all that have said JOIN. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, LINE = 1024, EVENTS = 512 };

static int members[MOST], member_count, named[MOST];
static struct { int length; char text[LINE]; } *half[MOST]; /* of a line, by socket */

static void take_line(int from, char *line, size_t length) {
    if (memcmp(line, "JOIN ", 5) == 0) {
        members[member_count++] = from;
        named[atoi(line + 5) % MOST] = from;
        send(from, "OK\n", 3, MSG_NOSIGNAL);
    } else if (memcmp(line, "NAME ", 5) == 0) {
        named[atoi(line + 5) % MOST] = from;
        send(from, "OK\n", 3, MSG_NOSIGNAL);
    } else if (line[0] == '@') {
        send(named[atoi(line + 1) % MOST], line, length, MSG_NOSIGNAL);
    } else {
        for (int i = 0; i < member_count; i++) send(members[i], line, length, MSG_NOSIGNAL);
    }
}

static void take_bytes(int from) {
    if (half[from] == NULL) half[from] = calloc(1, sizeof *half[from]);
    char *text = half[from]->text;
    ssize_t got = recv(from, text + half[from]->length, (size_t)(LINE - half[from]->length), 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        for (int i = 0; i < member_count; i++)
            if (members[i] == from) members[i--] = members[--member_count];
        free(half[from]);
        half[from] = NULL;
        close(from);
        return;
    }
    char *end = text + half[from]->length + got, *begin = text, *stop;
    while ((stop = memchr(begin, '\n', (size_t)(end - begin))) != NULL) {
        take_line(from, begin, (size_t)(stop + 1 - begin));
        begin = stop + 1;
    }
    half[from]->length = (int)(end - begin);
    memmove(text, begin, (size_t)(end - begin));
    if (end == begin) {
        free(half[from]);
        half[from] = NULL;
    }
}

int main(int count, char **words) {
    if (count != 2) return 2;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, epoll = epoll_create1(0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) < 0 || listen(listening, 4096) < 0) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listening) {
                take_bytes(events[i].data.fd);
                continue;
            }
            int accepted;
            while ((accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (accepted >= MOST) return 1;
                setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct epoll_event theirs = {.events = EPOLLIN, .data.fd = accepted};
                epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &theirs);
            }
        }
    }
}
