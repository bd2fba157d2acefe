/*
 * What the loads share: clocks, blocking transfers, a histogram of latencies, and what is said to the
 * benchmark: "measuring" when the server is warm, then one line of JSON.
 *
 * A load has no epoll set of its own, so that it costs less than any server it measures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 1000000 };

static unsigned latency_us[BUCKETS];

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail("calloc");
  return memory;
}

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static inline struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET,
      .sin_port = htons((unsigned short)port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
}

static inline int open_socket(void) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static inline int dial(int port) {
  struct sockaddr_in address = loopback(port);
  int fd = open_socket();
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  return fd;
}

static inline void send_all(int fd, const char *buffer, size_t size) {
  for (size_t sent = 0; sent < size;) {
    ssize_t n = send(fd, buffer + sent, size - sent, MSG_NOSIGNAL);
    if (n < 0) fail("send");
    sent += (size_t)n;
  }
}

static inline void receive_all(int fd, char *buffer, size_t size) {
  for (size_t received = 0; received < size;) {
    ssize_t n = recv(fd, buffer + received, size - received, 0);
    if (n < 0) fail("recv");
    if (n == 0) errno = ECONNRESET, fail("the server closed a connection");
    received += (size_t)n;
  }
}

static inline void record(double seconds) {
  long us = (long)(seconds * 1e6);
  latency_us[us < BUCKETS ? us : BUCKETS - 1] += 1;
}

static inline int percentile(double share) {
  unsigned long all = 0, seen = 0;
  for (int us = 0; us < BUCKETS; us++) all += latency_us[us];
  for (int us = 0; us < BUCKETS; us++) {
    seen += latency_us[us];
    if (seen > 0 && (double)seen >= share * (double)all) return us;
  }
  return 0;
}

/* One run: `warm_up` and `measure` in seconds; `work` is what was done since it is warm. */
struct run {
  double warm_up, measure, began, cpu, work;
  int is_warm;
};

static inline struct run begin(const char *warm_up_ms, const char *measure_ms) {
  return (struct run){.warm_up = atof(warm_up_ms) / 1e3, .measure = atof(measure_ms) / 1e3, .began = now()};
}

/* Whether there is time left. The first call after the warm-up throws away what was noted so far. */
static inline int goes_on(struct run *run) {
  double time = now();
  if (run->is_warm) return time < run->began + run->measure;
  if (time < run->began + run->warm_up) return 1;
  memset(latency_us, 0, sizeof latency_us);
  run->work = 0;
  run->is_warm = 1;
  printf("measuring\n");
  fflush(stdout);
  run->cpu = cpu_seconds();
  run->began = now();
  return 1;
}

static inline int report(const struct run *run) {
  double seconds = now() - run->began;
  printf("{\"rate\":%.3f,\"p50Us\":%d,\"p99Us\":%d,\"clientLoad\":%.3f}\n", run->work / seconds,
         percentile(0.5), percentile(0.99), (cpu_seconds() - run->cpu) / seconds);
  return 0;
}

static inline int misused(const char *parameters) {
  fprintf(stderr, "usage: %s WARM_UP_MS MEASURE_MS\n", parameters);
  return 2;
}
