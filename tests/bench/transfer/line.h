/* One connection: requests as they come in, answers as they go out. A part of sink.c. */

typedef struct {
  int socket, r, w, is_head;
  SSL *ssl;
  char held[HEAD_MOST + 1], head[HEAD_MOST + 1], path[KEY_MOST], query[2048], method[16], *body;
  long body_length; /* as the client means it */
  int is_kept;      /* whether body has all of it */
  const char *rest; /* of the answer, to be given without the lock */
  long given;       /* bytes of an object in the answer */
} line;

static int get_some(line *on, char *into, int most) { return SSL_read(on->ssl, into, most); }
static int put_all(line *on, const char *from, long length) {
  while (length > 0) {
    int done = SSL_write(on->ssl, from, length > 1 << 20 ? 1 << 20 : (int)length);
    if (done <= 0) return -1;
    from += done, length -= done;
  }
  return 0;
}
static int fill(line *on) {
  memmove(on->held, on->held + on->r, on->w - on->r);
  on->w -= on->r, on->r = 0;
  if (on->w >= HEAD_MOST) return -1;
  int got = get_some(on, on->held + on->w, HEAD_MOST - on->w);
  if (got <= 0) return -1;
  on->w += got;
  return got;
}
static int take(line *on, char *into, long length) { /* into NULL: throw it away; counts what comes, whole or not */
  static __thread char *trash;
  if (!trash) trash = malloc(1 << 20);
  while (length > 0) {
    long got = on->w - on->r;
    if (got > length) got = length;
    if (got) {
      if (into) memcpy(into, on->held + on->r, got);
      on->r += got;
    } else if ((got = get_some(on, into ? into : trash, length > 1 << 20 ? 1 << 20 : (int)length)) <= 0) return -1;
    count(BODY, got);
    length -= got;
    if (into) into += got;
  }
  return 0;
}
static char *line_end(line *on) {
  char *end;
  while (!(end = memmem(on->held + on->r, on->w - on->r, "\r\n", 2)))
    if (fill(on) < 0) return NULL;
  return end;
}
static int take_chunks(line *on) { /* Transfer-Encoding: chunked; nothing of it is kept */
  for (;;) {
    char *end = line_end(on);
    if (!end) return -1;
    long length = strtol(on->held + on->r, NULL, 16);
    on->r = end + 2 - on->held;
    if (length && take(on, NULL, length + 2) < 0) return -1;
    while (!length) {
      if (!(end = line_end(on))) return -1;
      int is_empty = end == on->held + on->r;
      on->r = end + 2 - on->held;
      if (is_empty) return 0;
    }
  }
}
static const char *field(line *on, const char *name) {
  size_t length = strlen(name);
  for (char *at = on->head; (at = strstr(at, "\r\n"));) {
    at += 2;
    if (strncasecmp(at, name, length) || at[length] != ':') continue;
    for (at += length + 1; *at == ' ';) at++;
    return at;
  }
  return NULL;
}
static void decoded(const char *from, long length, char *into, size_t room) {
  size_t n = 0;
  for (long at = 0; at < length && n + 1 < room; at++) {
    unsigned code;
    if (from[at] == '%' && at + 2 < length && sscanf(from + at + 1, "%2x", &code) == 1) into[n++] = (char)code, at += 2;
    else into[n++] = from[at];
  }
  into[n] = 0;
}
static int asked(line *on, const char *name, char *value, size_t room) { /* of the query; value may be NULL */
  size_t length = strlen(name);
  for (const char *at = on->query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
    if (strncmp(at, name, length) || (at[length] && at[length] != '=' && at[length] != '&')) continue;
    if (value) {
      const char *from = at[length] == '=' ? at + length + 1 : at + length;
      decoded(from, strcspn(from, "&"), value, room);
    }
    return 1;
  }
  return 0;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static char *in_base64(uint64_t value, char *text) {
  unsigned char bytes[9] = {0};
  for (int n = 0; n < 8; n++) bytes[n] = value >> (56 - 8 * n);
  for (int n = 0; n < 3; n++) {
    unsigned three = bytes[3 * n] << 16 | bytes[3 * n + 1] << 8 | bytes[3 * n + 2];
    for (int k = 0; k < 4; k++) text[4 * n + k] = letters[three >> (18 - 6 * k) & 63];
  }
  text[11] = '=', text[12] = 0;
  return text;
}
static int claimed(line *on, uint64_t *value) {
  const char *text = field(on, "x-amz-checksum-crc64nvme"), *at;
  if (!text) return 0;
  *value = 0;
  for (int n = 0; n < 11; n++) {
    if (!(at = memchr(letters, text[n], 64))) return 0;
    *value = n < 10 ? *value << 6 | (at - letters) : *value << 4 | (at - letters) >> 2;
  }
  return 1;
}

static void moment(char *text, size_t room, const char *form) {
  time_t now = time(NULL);
  struct tm parts;
  strftime(text, room, form, gmtime_r(&now, &parts));
}
#define ISO "%Y-%m-%dT%H:%M:%S.000Z"
#define HTTP_DATE "%a, %d %b %Y %H:%M:%S GMT"
#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define SPACE " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static int answer(line *on, const char *status, const char *fields, const char *body) {
  char head[4096], date[64];
  long length = strlen(body);
  moment(date, sizeof date, HTTP_DATE);
  int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nServer: sink\r\nDate: %s\r\nx-amz-request-id: 1\r\n%s%sContent-Length: %ld\r\n\r\n",
                   status, date, fields, length ? "Content-Type: application/xml\r\n" : "", length);
  if (n + length < (long)sizeof head && !on->is_head) {
    memcpy(head + n, body, length); /* in one record */
    return put_all(on, head, n + length);
  }
  return put_all(on, head, n) || (on->is_head ? 0 : put_all(on, body, length));
}
static int refuse(line *on, const char *status, const char *code, const char *why) {
  char body[1024];
  snprintf(body, sizeof body, XML "<Error><Code>%s</Code><Message>%s</Message></Error>", code, why);
  return answer(on, status, "", body);
}
static void checksum_field(char *fields, size_t room, int knows, uint64_t value) {
  char text[16];
  if (knows)
    snprintf(fields + strlen(fields), room - strlen(fields),
             "x-amz-checksum-crc64nvme: %s\r\nx-amz-checksum-type: FULL_OBJECT\r\n", in_base64(value, text));
}
