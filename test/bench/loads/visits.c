/*
 * A connection every so many microseconds, which the server closes at once. For a server that shall be idle
 * when the next one comes.
 */
#include "load.h"

int main(int argc, char **argv) {
  if (argc != 5) return misused("visits PORT GAP_US");
  int port = atoi(argv[1]);
  long gap_ns = atol(argv[2]) * 1000;
  char byte;

  struct run run = begin(argv[3], argv[4]);
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  while (goes_on(&run)) {
    double opened_at = now();
    int fd = dial(port);
    if (recv(fd, &byte, 1, 0) != 0) fail("the server's FIN");
    close(fd);
    record(now() - opened_at);
    run.work += 1;
    next.tv_nsec += gap_ns;
    next.tv_sec += next.tv_nsec / 1000000000;
    next.tv_nsec %= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  return report(&run);
}
