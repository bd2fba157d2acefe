/*
 * Keep-alive connections that ask for /file again and again, and throw away the BYTES they get: the
 * kernel is told to drop them (MSG_TRUNC), so that this costs far less than to send them. The rate is
 * in MiB a second, the latency that of one file.
 *
 * What has arrived is looked for by the clock. A client that slept until something comes would have
 * to be woken at each segment, since it is faster than any server; on one machine that is half of the
 * sender's CPU time, and over a network none of it.
 */
#include "load.h"

enum { MIB = 1024 * 1024, LOOK_EVERY_NS = 100 * 1000 };

static const char REQUEST[] = "GET /file HTTP/1.1\r\nHost: bench\r\n\r\n";

struct download {
  int fd;
  size_t left; /* of the body; 0 before the head has come */
  double asked_at;
};

static void ask(struct download *one) {
  one->asked_at = now();
  send_all(one->fd, REQUEST, sizeof REQUEST - 1);
}

/* As recv(2), but -1 stands for "nothing yet" alone. */
static ssize_t take(int fd, void *buffer, size_t size, int flags) {
  ssize_t n = recv(fd, buffer, size, flags | MSG_DONTWAIT);
  if (n == 0) errno = ECONNRESET, fail("the server closed a connection");
  if (n < 0 && errno != EAGAIN) fail("recv");
  return n;
}

/* Read the head, if all of it is there, and nothing behind it. */
static void take_head(struct download *one, size_t size) {
  char head[4096];
  ssize_t n = take(one->fd, head, sizeof head - 1, MSG_PEEK);
  if (n < 0) return;
  head[n] = '\0';
  char *end = strstr(head, "\r\n\r\n");
  if (end == NULL) return;
  receive_all(one->fd, head, (size_t)(end + 4 - head));
  char *length = strcasestr(head, "\r\ncontent-length:");
  if (strncmp(head, "HTTP/1.1 200", 12) != 0 || length == NULL) errno = EPROTO, fail(head);
  one->left = (size_t)atol(strchr(length, ':') + 1);
  if (one->left != size) errno = EPROTO, fail("a file of another length");
}

static void drop_body(struct download *one, struct run *run) {
  ssize_t n = take(one->fd, NULL, one->left, MSG_TRUNC);
  if (n < 0) return;
  one->left -= (size_t)n;
  run->work += (double)n / MIB;
  if (one->left > 0) return;
  record(now() - one->asked_at);
  ask(one);
}

int main(int argc, char **argv) {
  if (argc != 6) return misused("downloads PORT CONNECTIONS BYTES");
  int port = atoi(argv[1]), count = atoi(argv[2]);
  size_t size = (size_t)atol(argv[3]);
  struct download *all = allocate((size_t)count, sizeof *all);
  for (int i = 0; i < count; i++) all[i].fd = dial(port);

  struct timespec pause = {.tv_nsec = LOOK_EVERY_NS};
  struct run run = begin(argv[4], argv[5]);
  for (int i = 0; i < count; i++) ask(&all[i]);
  while (goes_on(&run)) {
    for (int i = 0; i < count; i++) {
      if (all[i].left == 0) take_head(&all[i], size);
      if (all[i].left > 0) drop_body(&all[i], &run);
    }
    nanosleep(&pause, NULL);
  }
  return report(&run);
}
