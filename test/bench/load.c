/*
 * The load: N connections that each have one message under way, served in turn with plain blocking
 * calls. It has no epoll set of its own, so that it costs less than any server it measures.
 *
 * usage: load PORT CONNECTIONS BYTES WARM_UP_MS MEASURE_MS
 * Prints "measuring" when warm, then one line of JSON.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 1000000, SAMPLE_EVERY = 8, FEW = 8 };

static unsigned latency_us[BUCKETS];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int dial(int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons((unsigned short)port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void send_all(int fd, const char *buffer, size_t size) {
  for (size_t sent = 0; sent < size;) {
    ssize_t n = send(fd, buffer + sent, size - sent, MSG_NOSIGNAL);
    if (n < 0) fail("send");
    sent += (size_t)n;
  }
}

static void receive_all(int fd, char *buffer, size_t size) {
  for (size_t received = 0; received < size;) {
    ssize_t n = recv(fd, buffer + received, size - received, 0);
    if (n < 0) fail("recv");
    if (n == 0) fail("the server closed a connection");
    received += (size_t)n;
  }
}

static void record(double seconds) {
  long us = (long)(seconds * 1e6);
  latency_us[us < BUCKETS ? us : BUCKETS - 1] += 1;
}

static int percentile(double share) {
  unsigned long all = 0, seen = 0;
  for (int us = 0; us < BUCKETS; us++) all += latency_us[us];
  for (int us = 0; us < BUCKETS; us++) {
    seen += latency_us[us];
    if (seen > 0 && (double)seen >= share * (double)all) return us;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 6) return fprintf(stderr, "usage: load PORT CONNECTIONS BYTES WARM_UP_MS MEASURE_MS\n"), 2;
  int port = atoi(argv[1]), count = atoi(argv[2]);
  size_t size = (size_t)atol(argv[3]);
  double warm_up = atof(argv[4]) / 1e3, measure = atof(argv[5]) / 1e3;
  int *fds = calloc((size_t)count, sizeof *fds);
  double *sent_at = calloc((size_t)count, sizeof *sent_at);
  char *buffer = malloc(size);
  if (fds == NULL || sent_at == NULL || buffer == NULL) fail("malloc");
  memset(buffer, 'x', size);
  for (int i = 0; i < count; i++) fds[i] = dial(port);
  double time = now(), start = time + warm_up, end = start + measure, cpu = 0;
  for (int i = 0; i < count; i++) sent_at[i] = time, send_all(fds[i], buffer, size);

  long messages = 0;
  int is_warm = 0;
  for (;;) {
    time = now();
    if (!is_warm && time >= start) {
      memset(latency_us, 0, sizeof latency_us);
      messages = 0;
      is_warm = 1;
      printf("measuring\n");
      fflush(stdout);
      cpu = cpu_seconds();
      start = now();
    }
    if (is_warm && time >= end) break;
    for (int i = 0; i < count; i++) {
      receive_all(fds[i], buffer, size);
      messages += 1;
      if (count <= FEW || messages % SAMPLE_EVERY == 0) record((time = now()) - sent_at[i]);
      sent_at[i] = time;
      send_all(fds[i], buffer, size);
    }
  }
  time = now();
  printf("{\"rate\":%.0f,\"p50Us\":%d,\"p99Us\":%d,\"clientLoad\":%.3f}\n",
         (double)messages / (time - start), percentile(0.5), percentile(0.99),
         (cpu_seconds() - cpu) / (time - start));
  return 0;
}
