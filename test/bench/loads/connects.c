/*
 * Connections that are opened, get one message of BYTES back, and are closed, so many at a time. With
 * 0 bytes the client says at once that it has nothing to say (FIN), and waits for the server's FIN, so
 * that no more of them are under way than it was told. The latency is from connect(2) to the close.
 *
 * Each comes from another address of 127.0.0.0/8: whoever closes first keeps the pair of addresses and
 * ports for a minute (TIME_WAIT), and one address has but 28,000 ports.
 */
#include "load.h"
#include <netinet/in.h>

enum { FIRST_SOURCE = 0x7f010001, SOURCES = 60000 };

static int dial_from(in_addr_t source, int port) {
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)}, to = loopback(port);
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) fail("bind");
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 6) return misused("connects PORT CONNECTIONS BYTES");
  int port = atoi(argv[1]), count = atoi(argv[2]);
  size_t size = (size_t)atol(argv[3]);
  int *fds = allocate((size_t)count, sizeof *fds);
  double *opened_at = allocate((size_t)count, sizeof *opened_at);
  char *buffer = allocate(size + 1, 1);
  unsigned opened = 0;

  struct run run = begin(argv[4], argv[5]);
  for (int i = 0; i < count; i++) fds[i] = -1;
  while (goes_on(&run)) {
    for (int i = 0; i < count; i++) {
      if (fds[i] >= 0) {
        if (size > 0) receive_all(fds[i], buffer, size);
        else if (recv(fds[i], buffer, 1, 0) != 0) fail("the server's FIN");
        close(fds[i]);
        record(now() - opened_at[i]);
        run.work += 1;
      }
      opened_at[i] = now();
      fds[i] = dial_from(FIRST_SOURCE + opened++ % SOURCES, port);
      if (size > 0) send_all(fds[i], buffer, size);
      else shutdown(fds[i], SHUT_WR);
    }
  }
  return report(&run);
}
