/*
 * N keep-alive connections that each have DEPTH small requests under way, served in turn with plain
 * blocking calls: a GET, or a POST with BODY bytes if that is more than 0. All answers have the length
 * of the first one: that of its head and its Content-Length.
 */
#include "load.h"

enum { SAMPLE_EVERY = 8, MOST = 16 * 1024, MOST_DEPTH = 64, MOST_BODY = 1024 };

static char request[MOST_DEPTH * (MOST_BODY + 256)];
static size_t one_length;

/* Write DEPTH requests, one behind the other. */
static void compose(int depth, int body) {
  char head[256], *end = request;
  int length = body > 0 ? snprintf(head, sizeof head,
                                   "POST /hello?name=bench HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
                                   "User-Agent: bench\r\nContent-Length: %d\r\n\r\n",
                                   body)
                        : snprintf(head, sizeof head,
                                   "GET /hello?name=bench HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
                                   "User-Agent: bench\r\n\r\n");
  one_length = (size_t)(length + body);
  for (int i = 0; i < depth; i++) {
    memcpy(end, head, (size_t)length);
    memset(end + length, 'x', (size_t)body);
    end += one_length;
  }
}

/* Ask once, and return the bytes of the answer. */
static size_t measure_answer(int fd, char *buffer) {
  size_t received = 0;
  send_all(fd, request, one_length);
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
  if (argc != 7) return misused("requests PORT CONNECTIONS DEPTH BODY");
  int port = atoi(argv[1]), count = atoi(argv[2]), depth = atoi(argv[3]), body = atoi(argv[4]);
  if (depth < 1 || depth > MOST_DEPTH || body < 0 || body > MOST_BODY) return misused("requests PORT CONNECTIONS DEPTH BODY");
  int *fds = allocate((size_t)count, sizeof *fds);
  double *asked_at = allocate((size_t)count, sizeof *asked_at);
  char *buffer = allocate((size_t)MOST * (size_t)depth, 1);
  compose(depth, body);
  for (int i = 0; i < count; i++) fds[i] = dial(port);
  size_t size = measure_answer(fds[0], buffer), asked = one_length * (size_t)depth;

  struct run run = begin(argv[5], argv[6]);
  double time = now();
  for (int i = 0; i < count; i++) asked_at[i] = time, send_all(fds[i], request, asked);
  while (goes_on(&run)) {
    for (int i = 0; i < count; i++) {
      receive_all(fds[i], buffer, size * (size_t)depth);
      for (int each = 0; each < depth; each++)
        if (strncmp(buffer + size * (size_t)each, "HTTP/1.1 200", 12) != 0) errno = EPROTO, fail("another answer");
      run.work += depth;
      time = now();
      if ((long)run.work % SAMPLE_EVERY == 0) record(time - asked_at[i]);
      asked_at[i] = time;
      send_all(fds[i], request, asked);
    }
  }
  return report(&run);
}
