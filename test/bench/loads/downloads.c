/*
 * Keep-alive connections that ask for /file again and again, and throw away the BYTES they get: the
 * kernel is told to drop them (MSG_TRUNC), so that this costs far less than to send them. The rate is
 * in MiB a second, the latency that of one file.
 */
#include "load.h"

enum { MIB = 1024 * 1024 };

static const char REQUEST[] = "GET /file HTTP/1.1\r\nHost: bench\r\n\r\n";

/* Read the head and nothing behind it; returns the length of the body. */
static size_t receive_head(int fd) {
  char head[4096];
  for (;;) {
    ssize_t n = recv(fd, head, sizeof head - 1, MSG_PEEK);
    if (n <= 0) fail("head");
    head[n] = '\0';
    char *end = strstr(head, "\r\n\r\n");
    if (end == NULL) continue;
    receive_all(fd, head, (size_t)(end + 4 - head));
    char *length = strcasestr(head, "\r\ncontent-length:");
    if (strncmp(head, "HTTP/1.1 200", 12) != 0 || length == NULL) {
      errno = EPROTO;
      fail(head);
    }
    return (size_t)atol(strchr(length, ':') + 1);
  }
}

static void drop(int fd, size_t bytes, struct run *run) {
  while (bytes > 0) {
    ssize_t n = recv(fd, NULL, bytes, MSG_TRUNC);
    if (n < 0) fail("recv");
    if (n == 0) errno = ECONNRESET, fail("the server closed a connection");
    bytes -= (size_t)n;
    run->work += (double)n / MIB;
  }
}

int main(int argc, char **argv) {
  if (argc != 6) return misused("downloads PORT CONNECTIONS BYTES");
  int port = atoi(argv[1]), count = atoi(argv[2]);
  size_t size = (size_t)atol(argv[3]);
  int *fds = allocate((size_t)count, sizeof *fds);
  double *asked_at = allocate((size_t)count, sizeof *asked_at);
  for (int i = 0; i < count; i++) fds[i] = dial(port);

  struct run run = begin(argv[4], argv[5]);
  for (int i = 0; i < count; i++) asked_at[i] = now(), send_all(fds[i], REQUEST, sizeof REQUEST - 1);
  while (goes_on(&run)) {
    for (int i = 0; i < count; i++) {
      size_t length = receive_head(fds[i]);
      if (length != size) errno = EPROTO, fail("a file of another length");
      drop(fds[i], length, &run);
      record(now() - asked_at[i]);
      asked_at[i] = now();
      send_all(fds[i], REQUEST, sizeof REQUEST - 1);
    }
  }
  return report(&run);
}
