/* What we compare with: a plain epoll echo server. Prints its port. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <unistd.h>

enum { EVENTS = 256 };

static char buffer[65536];

static void watch(int epfd, int fd, unsigned mask) {
  struct epoll_event event = {.events = mask, .data.fd = fd};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0) perror("epoll_ctl");
}

static void accept_all(int epfd, int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(epfd, fd, EPOLLIN | EPOLLRDHUP);
  }
}

static void echo(int fd) {
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) < n) close(fd);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int epfd = epoll_create1(EPOLL_CLOEXEC);
  if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0) {
    perror("listen");
    return 1;
  }
  getsockname(listener, (struct sockaddr *)&address, &length);
  watch(epfd, listener, EPOLLIN);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epfd, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == listener) accept_all(epfd, listener);
      else echo(events[i].data.fd);
    }
  }
}
