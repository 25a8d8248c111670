/* An S3 server that throws bodies away, for benchmarks of clients: TLS, loopback, takes any signature.
 *
 *   sink CERT KEY COUNTERS TABLES
 *
 * It chooses a port and writes it into COUNTERS, a mapped file of 64-bit numbers (see `enum`), where it counts on.
 * What is small is kept and checked, so that a client that probes the server finds a whole S3: parts up to KEPT_PART,
 * objects up to KEPT_OBJECT, checksums, conditions, lists. Of larger bodies only length and claimed checksum are known.
 * Copies of ranges are answered at once, as a real store nearly does. Their CRC-64/NVME comes from what is kept, from
 * the parts that the range is made of, or from TABLES/<key, with @ for each "/": the CRCs of the first 0, 64 Ki, 128 Ki
 * ... bytes of the object, made by whoever knows its content (8 bytes each, of this machine's order).
 * What TABLES/<key, likewise>.bytes holds when an object of that size is made is what is read of it from then on.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GRANULE (64L << 10)
#define KEPT_PART (64L << 10)
#define KEPT_OBJECT (16L << 20)
#define MOST_PARTS 10000
#define HEAD_MOST 65536
#define KEY_MOST 1200

enum { PORT, BODY, REQUESTS, BODIES, COPIES, COPIED, GIVEN };
static volatile uint64_t *counters;
static const char *tables;
static SSL_CTX *context;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all objects and uploads */

static void count(int which, uint64_t amount) { __atomic_add_fetch(&counters[which], amount, __ATOMIC_RELAXED); }

#include "crc64.h"
#include "stored.h"
#include "line.h"

/* ---- requests; `lock` is held, the body is here ---- */

static int measure(line *on, piece *made) { /* 0: it is not what its checksum says */
  uint64_t says = 0;
  memset(made, 0, sizeof *made);
  made->length = on->body_length, made->knows_crc = claimed(on, &says), made->crc = says;
  new_etag(made->etag);
  if (!on->is_kept) return 1;
  made->kept = (unsigned char *)on->body, on->body = NULL;
  if (made->length > 4 * GRANULE) {
    made->prefixes = calloc(made->length / GRANULE + 2, 8);
    for (long at = 0, n = 0; at < made->length; at += GRANULE, n++)
      made->prefixes[n + 1] = crc_of(made->prefixes[n], made->kept + at,
                                     made->length - at < GRANULE ? made->length - at : GRANULE);
    made->crc = made->prefixes[(made->length + GRANULE - 1) / GRANULE];
  } else made->crc = crc_of(0, made->kept, made->length);
  int is_right = !made->knows_crc || made->crc == says;
  made->knows_crc = 1;
  return is_right;
}
static int copy_source(line *on, piece *made, const char **code) { /* 0, with the code of the refusal, or 1 */
  const char *text = field(on, "x-amz-copy-source"), *range = field(on, "x-amz-copy-source-range");
  const char *match = field(on, "x-amz-copy-source-if-match");
  char key[KEY_MOST] = "/";
  decoded(*text == '/' ? text + 1 : text, strcspn(text, "\r?") - (*text == '/'), key + 1, sizeof key - 1);
  object *source = find(key);
  memset(made, 0, sizeof *made);
  new_etag(made->etag);
  if (!source) return *code = "404 NoSuchKey", 0;
  if (match && strncmp(match + (*match == '"'), source->etag, strlen(source->etag)))
    return *code = "412 PreconditionFailed", 0;
  long first = 0, last = source->size - 1;
  if (range && (sscanf(range, "bytes=%ld-%ld", &first, &last) != 2 || first > last || last >= source->size))
    return *code = "416 InvalidRange", 0;
  made->source = source, made->from = first, made->length = last - first + 1;
  made->knows_crc = range_crc(source, first, made->length, &made->crc);
  if (!made->knows_crc) return *code = "501 NobodyKnowsItsChecksum", 0;
  count(COPIES, 1), count(COPIED, made->length);
  return 1;
}
static int refuse_copy(line *on, const char *code) {
  char status[64];
  snprintf(status, sizeof status, "%.3s Refused", code);
  return refuse(on, status, code + 4, "The range was not copied.");
}
static int put_part(line *on, const char *id) {
  upload *into = find_upload(on->path, id);
  char text[16] = "", fields[512] = "", body[1024], now[64], sum[16];
  asked(on, "partNumber", text, sizeof text);
  int number = atoi(text), is_copy = field(on, "x-amz-copy-source") != NULL;
  const char *code = "";
  if (!into) return refuse(on, "404 Not Found", "NoSuchUpload", "There is no such upload.");
  if (number < 1 || number > MOST_PARTS) return refuse(on, "400 Bad Request", "InvalidArgument", "Part number.");
  piece *made = malloc(sizeof *made);
  if (is_copy ? !copy_source(on, made, &code) : !measure(on, made)) {
    free(made);
    return is_copy ? refuse_copy(on, code) : refuse(on, "400 Bad Request", "BadDigest", "Another checksum.");
  }
  into->parts[number] = made;
  if (!is_copy) {
    count(BODIES, 1);
    snprintf(fields, sizeof fields, "ETag: \"%s\"\r\n", made->etag);
    if (made->knows_crc)
      snprintf(fields + strlen(fields), 100, "x-amz-checksum-crc64nvme: %s\r\n", in_base64(made->crc, sum));
    return answer(on, "200 OK", fields, "");
  }
  moment(now, sizeof now, ISO);
  snprintf(body, sizeof body, XML "<CopyPartResult" SPACE "><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><ChecksumCRC64NVME>%s</ChecksumCRC64NVME></CopyPartResult>",
           now, made->etag, in_base64(made->crc, sum));
  return answer(on, "200 OK", "", body);
}
static int put_object(line *on) {
  piece *made = malloc(sizeof *made);
  char fields[512], body[1024], now[64];
  const char *code = "", *condition = field(on, "if-none-match");
  int is_copy = field(on, "x-amz-copy-source") != NULL;
  if (condition && *condition == '*' && find(on->path))
    return free(made), refuse(on, "412 Precondition Failed", "PreconditionFailed", "There is such an object.");
  if (is_copy ? !copy_source(on, made, &code) : !measure(on, made)) {
    free(made);
    return is_copy ? refuse_copy(on, code) : refuse(on, "400 Bad Request", "BadDigest", "Another checksum.");
  }
  object *kept = keep(on->path, made, 1);
  if (!is_copy) {
    count(BODIES, 1);
    snprintf(fields, sizeof fields, "ETag: \"%s\"\r\n", kept->etag);
    checksum_field(fields, sizeof fields, kept->knows_crc, kept->crc);
    return answer(on, "200 OK", fields, "");
  }
  moment(now, sizeof now, ISO);
  snprintf(body, sizeof body, XML "<CopyObjectResult" SPACE "><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag></CopyObjectResult>", now, kept->etag);
  return answer(on, "200 OK", "", body);
}
static void names(line *on, char *bucket, char *key) { /* of "/bucket/key" */
  snprintf(bucket, 256, "%.*s", (int)strcspn(on->path + 1, "/"), on->path + 1);
  const char *rest = strchr(on->path + 1, '/');
  snprintf(key, KEY_MOST, "%s", rest ? rest + 1 : "");
}
static int begin_upload(line *on) {
  upload *made = calloc(1, sizeof *made);
  char body[4096], bucket[256], key[KEY_MOST];
  snprintf(made->key, sizeof made->key, "%s", on->path);
  snprintf(made->id, sizeof made->id, "upload-%lu", (unsigned long)++serial);
  made->parts = calloc(MOST_PARTS + 1, sizeof *made->parts);
  made->next = uploads, uploads = made;
  names(on, bucket, key);
  snprintf(body, sizeof body, XML "<InitiateMultipartUploadResult" SPACE "><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", bucket, key, made->id);
  return answer(on, "200 OK", "", body);
}
static void drop_upload(upload *gone) {
  for (upload **at = &uploads; *at; at = &(*at)->next)
    if (*at == gone) {
      *at = gone->next;
      free(gone->parts), free(gone);
      return;
    }
}
static int complete(line *on, const char *id) {
  upload *of = find_upload(on->path, id);
  const char *condition = field(on, "if-none-match");
  char body[4096], sums[128] = "", bucket[256], key[KEY_MOST], text[16];
  uint64_t says, is = 0;
  int count = 0, knows = 1;
  if (!of) return refuse(on, "404 Not Found", "NoSuchUpload", "There is no such upload.");
  if (condition && *condition == '*' && find(on->path))
    return refuse(on, "412 Precondition Failed", "PreconditionFailed", "There is such an object.");
  piece *pieces = calloc(MOST_PARTS, sizeof *pieces);
  for (char *at = on->body; at && (at = strstr(at, "<PartNumber>")) && count < MOST_PARTS; count++) {
    int number = atoi(at += 12);
    if (number < 1 || number > MOST_PARTS || !of->parts[number])
      return free(pieces), refuse(on, "400 Bad Request", "InvalidPart", "There is no such part.");
    pieces[count] = *of->parts[number];
    is = joined(is, pieces[count].crc, pieces[count].length), knows &= pieces[count].knows_crc;
  }
  if (knows && claimed(on, &says) && says != is)
    return free(pieces), refuse(on, "400 Bad Request", "BadDigest", "The object has another checksum.");
  object *kept = keep(on->path, pieces, count);
  drop_upload(of);
  names(on, bucket, key);
  if (knows) snprintf(sums, sizeof sums, "<ChecksumCRC64NVME>%s</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>", in_base64(is, text));
  snprintf(body, sizeof body, XML "<CompleteMultipartUploadResult" SPACE "><Location>x</Location><Bucket>%s</Bucket><Key>%s</Key><ETag>&quot;%s&quot;</ETag>%s</CompleteMultipartUploadResult>", bucket, key, kept->etag, sums);
  return answer(on, "200 OK", "", body);
}
static int list_parts(line *on, const char *id) {
  upload *of = find_upload(on->path, id);
  char text[16] = "0", now[64];
  int at, after, shown = 0, result;
  if (!of) return refuse(on, "404 Not Found", "NoSuchUpload", "There is no such upload.");
  asked(on, "part-number-marker", text, sizeof text);
  moment(now, sizeof now, ISO);
  char *body = malloc(1 << 20), *end = body;
  end += sprintf(end, XML "<ListPartsResult" SPACE ">");
  for (at = after = atoi(text); at < MOST_PARTS && shown < 1000; at++)
    if (of->parts[at + 1]) {
      piece *each = of->parts[after = at + 1];
      end += sprintf(end, "<Part><PartNumber>%d</PartNumber><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><Size>%ld</Size></Part>", at + 1, now, each->etag, each->length), shown++;
    }
  sprintf(end, "<IsTruncated>%s</IsTruncated><NextPartNumberMarker>%d</NextPartNumberMarker></ListPartsResult>", shown == 1000 ? "true" : "false", after);
  result = answer(on, "200 OK", "", body);
  return free(body), result;
}
static int list(line *on, int of_uploads) { /* all at once: benchmarks keep little here */
  char prefix[KEY_MOST] = "", full[2 * KEY_MOST], now[64], *body = NULL;
  size_t length = 0, bucket = strlen(on->path) + (on->path[strlen(on->path) - 1] != '/');
  asked(on, "prefix", prefix, sizeof prefix);
  snprintf(full, sizeof full, "%s%s%s", on->path, bucket > strlen(on->path) ? "/" : "", prefix);
  moment(now, sizeof now, ISO);
  FILE *text = open_memstream(&body, &length);
  fprintf(text, XML "<%s" SPACE "><Name>b</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>", of_uploads ? "ListMultipartUploadsResult" : "ListBucketResult");
  for (upload *each = of_uploads ? uploads : NULL; each; each = each->next)
    if (!strncmp(each->key, full, strlen(full)))
      fprintf(text, "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>", each->key + bucket, each->id, now);
  for (int n = 0; n < (of_uploads ? 0 : 4096); n++)
    for (object *each = objects[n]; each; each = each->next)
      if (!each->is_gone && !strncmp(each->key, full, strlen(full)))
        fprintf(text, "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><Size>%ld</Size><StorageClass>STANDARD</StorageClass></Contents>", each->key + bucket, now, each->etag, each->size);
  fprintf(text, "</%s>", of_uploads ? "ListMultipartUploadsResult" : "ListBucketResult");
  fclose(text);
  int result = answer(on, "200 OK", "", body);
  return free(body), result;
}
static int get_object(line *on) {
  object *of = find(on->path);
  const char *range = field(on, "range");
  const char *match = field(on, "if-match");
  char fields[1024], date[64];
  if (!of) return refuse(on, "404 Not Found", "NoSuchKey", "There is no such object.");
  if (match && strncmp(match + (*match == '"'), of->etag, strlen(of->etag)))
    return refuse(on, "412 Precondition Failed", "PreconditionFailed", "It is another object.");
  long first = 0, last = of->size - 1;
  if (range && sscanf(range, "bytes=%ld-%ld", &first, &last) >= 1 && first >= of->size)
    return refuse(on, "416 Range Not Satisfiable", "InvalidRange", "It begins behind the end.");
  if (last >= of->size) last = of->size - 1;
  moment(date, sizeof date, HTTP_DATE);
  int n = snprintf(fields, sizeof fields, "HTTP/1.1 %s\r\nDate: %s\r\nLast-Modified: %s\r\nETag: \"%s\"\r\nAccept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\nContent-Length: %ld\r\n",
                   range ? "206 Partial Content" : "200 OK", date, date, of->etag, last - first + 1);
  if (range) snprintf(fields + n, sizeof fields - n, "Content-Range: bytes %ld-%ld/%ld\r\n", first, last, of->size);
  if (!range) checksum_field(fields, sizeof fields, of->knows_crc, of->crc);
  strcat(fields, "\r\n");
  if (on->is_head) return put_all(on, fields, strlen(fields));
  on->given = last - first + 1;
  if (of->content) return on->rest = of->content + first, put_all(on, fields, strlen(fields));
  char *body = malloc(last - first + 2);
  int result = body && read_range(of, first, last - first + 1, body)
                   ? put_all(on, fields, strlen(fields)) || put_all(on, body, last - first + 1)
                   : refuse(on, "501 Not Implemented", "NotImplemented", "It was thrown away.");
  return free(body), result;
}
static int of_bucket(line *on) {
  if (!strcmp(on->method, "DELETE")) return answer(on, "204 No Content", "", "");
  if (!strcmp(on->method, "PUT") || on->is_head) return answer(on, "200 OK", "", "");
  if (asked(on, "location", NULL, 0)) return answer(on, "200 OK", "", XML "<LocationConstraint" SPACE "></LocationConstraint>");
  if (asked(on, "versioning", NULL, 0)) return answer(on, "200 OK", "", XML "<VersioningConfiguration" SPACE "/>");
  if (asked(on, "object-lock", NULL, 0)) return refuse(on, "404 Not Found", "ObjectLockConfigurationNotFoundError", "None.");
  if (!strcmp(on->method, "POST")) return answer(on, "200 OK", "", XML "<DeleteResult" SPACE "/>");
  return list(on, asked(on, "uploads", NULL, 0));
}
static int handle(line *on) {
  char id[64] = "";
  const char *slash = strchr(on->path + 1, '/');
  if (!slash || !slash[1]) return of_bucket(on);
  int has_id = asked(on, "uploadId", id, sizeof id);
  if (!strcmp(on->method, "PUT")) return has_id ? put_part(on, id) : put_object(on);
  if (!strcmp(on->method, "POST")) return has_id ? complete(on, id) : begin_upload(on);
  if (!strcmp(on->method, "DELETE")) {
    upload *gone = has_id ? find_upload(on->path, id) : NULL;
    object *removed = has_id ? NULL : find(on->path);
    if (has_id && !gone) return refuse(on, "404 Not Found", "NoSuchUpload", "There is no such upload.");
    if (gone) drop_upload(gone);
    if (removed) removed->is_gone = 1;
    return answer(on, "204 No Content", "", "");
  }
  return has_id ? list_parts(on, id) : get_object(on);
}

static int take_body(line *on) {
  const char *length = field(on, "content-length"), *decoded_length = field(on, "x-amz-decoded-content-length");
  const char *coding = field(on, "transfer-encoding"), *expect = field(on, "expect");
  long wire = length ? atol(length) : 0, most = KEPT_OBJECT;
  if (!strcmp(on->method, "PUT") && asked(on, "partNumber", NULL, 0)) most = KEPT_PART;
  if (expect && put_all(on, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) return -1;
  on->body_length = decoded_length ? atol(decoded_length) : wire;
  on->is_kept = !coding && !decoded_length && wire <= most;
  if (on->is_kept) {
    on->body = malloc(wire + 1);
    on->body[wire] = 0;
    return take(on, on->body, wire);
  }
  return coding && !strncasecmp(coding, "chunked", 7) ? take_chunks(on) : take(on, NULL, wire);
}
static int next_request(line *on) {
  char *end, uri[2048];
  while (!(end = memmem(on->held + on->r, on->w - on->r, "\r\n\r\n", 4)))
    if (fill(on) < 0) return -1;
  int length = end + 2 - (on->held + on->r);
  memcpy(on->head, on->held + on->r, length);
  on->head[length] = 0, on->r += length + 2;
  if (sscanf(on->head, "%15s %2047s", on->method, uri) != 2) return -1;
  char *query = strchr(uri, '?');
  if (query) *query++ = 0;
  snprintf(on->query, sizeof on->query, "%s", query ? query : "");
  decoded(uri, strlen(uri), on->path, sizeof on->path);
  on->is_head = !strcmp(on->method, "HEAD");
  return 0;
}
static void *serve(void *given) {
  line *on = calloc(1, sizeof *on);
  int one = 1;
  on->socket = (int)(long)given;
  setsockopt(on->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  on->ssl = SSL_new(context);
  SSL_set_fd(on->ssl, on->socket);
  int is_open = SSL_accept(on->ssl) > 0;
  while (is_open && !next_request(on) && !take_body(on)) {
    count(REQUESTS, 1);
    const char *wish = field(on, "connection");
    int is_last = wish && !strncasecmp(wish, "close", 5);
    pthread_mutex_lock(&lock);
    on->rest = NULL, on->given = 0;
    is_open = !handle(on);
    pthread_mutex_unlock(&lock);
    if (is_open && on->rest) is_open = !put_all(on, on->rest, on->given);
    count(GIVEN, on->given);
    is_open &= !is_last;
    free(on->body), on->body = NULL;
  }
  if (SSL_is_init_finished(on->ssl)) SSL_shutdown(on->ssl);
  SSL_free(on->ssl), close(on->socket), free(on->body), free(on);
  return NULL;
}

int main(int count, char **given) {
  if (count != 5) return fprintf(stderr, "usage: sink CERT KEY COUNTERS TABLES\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  crc_begin();
  tables = given[4];
  int file = open(given[3], O_RDWR);
  counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE); /* the same for all, whatever they would rather have */
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 256 << 10);
  if (counters == MAP_FAILED || SSL_CTX_use_certificate_chain_file(context, given[1]) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, given[2], SSL_FILETYPE_PEM) != 1)
    return fprintf(stderr, "counters, certificate or key cannot be used\n"), 2;
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof place;
  int door = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(door, (void *)&place, sizeof place) || listen(door, 512)) return perror("bind"), 1;
  getsockname(door, (void *)&place, &length);
  counters[PORT] = ntohs(place.sin_port);
  for (;;) {
    pthread_t thread;
    int socket = accept(door, NULL, NULL);
    if (socket < 0) continue;
    if (pthread_create(&thread, NULL, serve, (void *)(long)socket)) close(socket);
    else pthread_detach(thread);
  }
}
