/*
 * N connections that each have one message under way, served in turn with plain blocking calls.
 *
 * Nothing here can deadlock: a message is sent when the one before it has come back whole, so a
 * blocked send waits only for the server to read a connection of which it has nothing left to write.
 */
#include "load.h"

enum { SAMPLE_EVERY = 8, FEW = 8 };

int main(int argc, char **argv) {
  if (argc != 6) return misused("messages PORT CONNECTIONS BYTES");
  int port = atoi(argv[1]), count = atoi(argv[2]);
  size_t size = (size_t)atol(argv[3]);
  int *fds = allocate((size_t)count, sizeof *fds);
  double *sent_at = allocate((size_t)count, sizeof *sent_at);
  char *buffer = allocate(size, 1);
  for (int i = 0; i < count; i++) fds[i] = dial(port);

  struct run run = begin(argv[4], argv[5]);
  double time = now();
  for (int i = 0; i < count; i++) sent_at[i] = time, send_all(fds[i], buffer, size);
  while (goes_on(&run)) {
    time = now();
    for (int i = 0; i < count; i++) {
      receive_all(fds[i], buffer, size);
      run.work += 1;
      if (count <= FEW || (long)run.work % SAMPLE_EVERY == 0) record((time = now()) - sent_at[i]);
      sent_at[i] = time;
      send_all(fds[i], buffer, size);
    }
  }
  return report(&run);
}
