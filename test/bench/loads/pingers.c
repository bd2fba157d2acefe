/*
 * Pingers, which send a message when the last one has come back, and flooders (0 or 1), which send
 * what the kernel takes and read what comes, without end. The rate and the latency are the pingers'.
 *
 * One thread does it all, so that no scheduler decides what the pingers see: the flooder is served in
 * slices between them. It is always far ahead of the server, and never further than its window, so
 * that a server without a limit for what it queues is not measured by the memory it takes.
 */
#include "load.h"
#include <stdbool.h>

enum { SLICE = 64 * 1024, WINDOW = 2 * 1024 * 1024, PINGS_PER_SLICE = 4 };

static char slice[SLICE];

static bool is_retry(void) { return errno == EAGAIN || errno == EWOULDBLOCK; }

static void flood(int fd, long *ahead) {
  while (*ahead < WINDOW) {
    ssize_t n = send(fd, slice, sizeof slice, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && !is_retry()) fail("flood");
    if (n <= 0) break;
    *ahead += n;
  }
  for (;;) {
    // MSG_TRUNC: what comes back is thrown away by the kernel.
    ssize_t n = recv(fd, NULL, WINDOW, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0 && !is_retry()) fail("flooded");
    if (n == 0) errno = ECONNRESET, fail("the server closed the flooder");
    if (n < 0) break;
    *ahead -= n;
  }
}

int main(int argc, char **argv) {
  if (argc != 7) return misused("pingers PORT PINGERS BYTES FLOODERS");
  int port = atoi(argv[1]), count = atoi(argv[2]);
  size_t size = (size_t)atol(argv[3]);
  int flooder = atoi(argv[4]) > 0 ? dial(port) : -1;
  long ahead = 0;
  int *fds = allocate((size_t)count, sizeof *fds);
  double *sent_at = allocate((size_t)count, sizeof *sent_at);
  char *buffer = allocate(size, 1);
  for (int i = 0; i < count; i++) fds[i] = dial(port);

  struct run run = begin(argv[5], argv[6]);
  for (int i = 0; i < count; i++) sent_at[i] = now(), send_all(fds[i], buffer, size);
  while (goes_on(&run)) {
    for (int i = 0; i < count; i++) {
      if (flooder >= 0 && i % PINGS_PER_SLICE == 0) flood(flooder, &ahead);
      receive_all(fds[i], buffer, size);
      record(now() - sent_at[i]);
      run.work += 1;
      sent_at[i] = now();
      send_all(fds[i], buffer, size);
    }
  }
  return report(&run);
}
