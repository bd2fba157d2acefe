/*
 * N keep-alive connections that each have one small GET under way, served in turn with plain blocking
 * calls. All answers have the length of the first one: that of its head and its Content-Length.
 */
#include "load.h"

enum { SAMPLE_EVERY = 8, MOST = 16 * 1024 };

static const char REQUEST[] = "GET /hello?name=bench HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n";

/* Ask once, and return the bytes of the answer. */
static size_t measure_answer(int fd, char *buffer) {
  size_t received = 0;
  send_all(fd, REQUEST, sizeof REQUEST - 1);
  for (;;) {
    ssize_t n = recv(fd, buffer + received, MOST - 1 - received, 0);
    if (n <= 0) fail("recv");
    received += (size_t)n;
    buffer[received] = '\0';
    char *end = strstr(buffer, "\r\n\r\n");
    if (end == NULL) continue;
    char *length = strcasestr(buffer, "\r\ncontent-length:");
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0 || length == NULL) errno = EPROTO, fail(buffer);
    size_t whole = (size_t)(end + 4 - buffer) + (size_t)atol(strchr(length, ':') + 1);
    if (whole >= MOST) errno = EPROTO, fail("the answer is too long");
    receive_all(fd, buffer + received, whole - received);
    return whole;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return misused("requests PORT CONNECTIONS");
  int port = atoi(argv[1]), count = atoi(argv[2]);
  int *fds = allocate((size_t)count, sizeof *fds);
  double *asked_at = allocate((size_t)count, sizeof *asked_at);
  char *buffer = allocate(MOST, 1);
  for (int i = 0; i < count; i++) fds[i] = dial(port);
  size_t size = measure_answer(fds[0], buffer);

  struct run run = begin(argv[3], argv[4]);
  double time = now();
  for (int i = 0; i < count; i++) asked_at[i] = time, send_all(fds[i], REQUEST, sizeof REQUEST - 1);
  while (goes_on(&run)) {
    for (int i = 0; i < count; i++) {
      receive_all(fds[i], buffer, size);
      if (strncmp(buffer, "HTTP/1.1 200", 12) != 0) errno = EPROTO, fail("another answer");
      run.work += 1;
      time = now();
      if ((long)run.work % SAMPLE_EVERY == 0) record(time - asked_at[i]);
      asked_at[i] = time;
      send_all(fds[i], REQUEST, sizeof REQUEST - 1);
    }
  }
  return report(&run);
}
