/*
 * One connection, which sends a message every so many microseconds, and waits for each to come back. For
 * latencies where the machine is not the limit.
 */
#include "load.h"

int main(int argc, char **argv) {
  if (argc != 6) return misused("paced PORT GAP_US BYTES");
  int fd = dial(atoi(argv[1]));
  long gap_ns = atol(argv[2]) * 1000;
  size_t size = (size_t)atol(argv[3]);
  char *buffer = allocate(size, 1);

  struct run run = begin(argv[4], argv[5]);
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  while (goes_on(&run)) {
    double sent_at = now();
    send_all(fd, buffer, size);
    receive_all(fd, buffer, size);
    record(now() - sent_at);
    run.work += 1;
    next.tv_nsec += gap_ns;
    next.tv_sec += next.tv_nsec / 1000000000;
    next.tv_nsec %= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  return report(&run);
}
