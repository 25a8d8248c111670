/* Passes connections on to a server on loopback and counts what passes, without looking at it or copying it.
 *
 *   relay PORT COUNTERS
 *
 * It chooses a port and writes it into COUNTERS, a mapped file of 64-bit numbers (see `enum`), where it counts on.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE (1 << 20)
enum { PORT, UP, CONNECTIONS, DOWN };
static volatile uint64_t *counters;
static int server_port;

typedef struct {
  int from, to, which;
} way;

static struct sockaddr_in place_of(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static void *carry(void *given) {
  way *on = given;
  int ends[2];
  if (pipe(ends) == 0) {
    fcntl(ends[1], F_SETPIPE_SZ, PIECE);
    for (ssize_t got; (got = splice(on->from, NULL, ends[1], NULL, PIECE, SPLICE_F_MOVE)) > 0;) {
      __atomic_add_fetch(&counters[on->which], got, __ATOMIC_RELAXED);
      for (ssize_t put; got > 0; got -= put)
        if ((put = splice(ends[0], NULL, on->to, NULL, got, SPLICE_F_MOVE)) <= 0) goto over;
    }
  over:
    close(ends[0]), close(ends[1]);
  }
  shutdown(on->to, SHUT_WR), shutdown(on->from, SHUT_RD);
  free(on);
  return NULL;
}
static void *serve(void *given) {
  struct sockaddr_in place = place_of(server_port);
  int client = (int)(long)given, server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (connect(server, (void *)&place, sizeof place) == 0) {
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    way *up = calloc(1, sizeof *up), *down = calloc(1, sizeof *down);
    pthread_t thread;
    *up = (way){.from = client, .to = server, .which = UP};
    *down = (way){.from = server, .to = client, .which = DOWN};
    __atomic_add_fetch(&counters[CONNECTIONS], 1, __ATOMIC_RELAXED);
    if (pthread_create(&thread, NULL, carry, down) == 0) {
      carry(up);
      pthread_join(thread, NULL);
    }
  }
  close(server), close(client);
  return NULL;
}

int main(int count, char **given) {
  if (count != 3) return fprintf(stderr, "usage: relay PORT COUNTERS\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  server_port = atoi(given[1]);
  int file = open(given[2], O_RDWR), door = socket(AF_INET, SOCK_STREAM, 0);
  counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  struct sockaddr_in place = place_of(0);
  socklen_t length = sizeof place;
  if (counters == MAP_FAILED || bind(door, (void *)&place, sizeof place) || listen(door, 512))
    return perror("relay"), 1;
  getsockname(door, (void *)&place, &length);
  counters[PORT] = ntohs(place.sin_port);
  for (;;) {
    pthread_t thread;
    int client = accept(door, NULL, NULL);
    if (client < 0) continue;
    if (pthread_create(&thread, NULL, serve, (void *)(long)client)) close(client);
    else pthread_detach(thread);
  }
}
