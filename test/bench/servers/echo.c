/* What we compare with: a plain epoll echo server. Prints its port. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

/* A client, with what the kernel did not take of its last message: then it is not read from. */
struct client {
  int fd;
  char *rest;
  size_t length, sent;
};

static char buffer[65536];

static void watch(int epfd, int op, struct client *client, unsigned mask) {
  struct epoll_event event = {.events = mask, .data.ptr = client};
  if (epoll_ctl(epfd, op, client->fd, &event) < 0) perror("epoll_ctl");
}

static struct client *client_of(int fd) {
  struct client *client = calloc(1, sizeof *client);
  if (client == NULL) abort();
  client->fd = fd;
  return client;
}

static void accept_all(int epfd, int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    watch(epfd, EPOLL_CTL_ADD, client_of(fd), EPOLLIN | EPOLLRDHUP);
  }
}

static void hang_up(struct client *client) {
  close(client->fd);
  free(client->rest);
  free(client);
}

/* Keep what was not sent, and wait for room. */
static void keep(int epfd, struct client *client, const char *bytes, size_t length) {
  client->rest = malloc(length);
  if (client->rest == NULL) abort();
  memcpy(client->rest, bytes, length);
  client->length = length;
  client->sent = 0;
  watch(epfd, EPOLL_CTL_MOD, client, EPOLLOUT);
}

static void echo(int epfd, struct client *client) {
  ssize_t n = recv(client->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return hang_up(client);
  ssize_t sent = send(client->fd, buffer, (size_t)n, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return hang_up(client);
  if (sent < n) keep(epfd, client, buffer + (sent < 0 ? 0 : sent), (size_t)(n - (sent < 0 ? 0 : sent)));
}

static void send_rest(int epfd, struct client *client) {
  size_t left = client->length - client->sent;
  ssize_t n = send(client->fd, client->rest + client->sent, left, MSG_NOSIGNAL);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) return hang_up(client);
  client->sent += (size_t)n;
  if (client->sent < client->length) return;
  free(client->rest);
  client->rest = NULL;
  watch(epfd, EPOLL_CTL_MOD, client, EPOLLIN | EPOLLRDHUP);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int epfd = epoll_create1(EPOLL_CLOEXEC);
  // Accepted sockets inherit it.
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0) {
    perror("listen");
    return 1;
  }
  getsockname(listener, (struct sockaddr *)&address, &length);
  struct client *self = client_of(listener);
  watch(epfd, EPOLL_CTL_ADD, self, EPOLLIN);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epfd, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct client *client = events[i].data.ptr;
      if (client == self) accept_all(epfd, listener);
      else if (client->rest != NULL) send_rest(epfd, client);
      else echo(epfd, client);
    }
  }
}
