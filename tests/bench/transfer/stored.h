/* What the sink holds: objects made of pieces, uploads made of parts. A part of sink.c; the caller holds `lock`. */

typedef struct object object;
typedef struct {
  long length;
  int knows_crc;
  uint64_t crc;
  unsigned char *kept;  /* its bytes, or NULL */
  uint64_t *prefixes;   /* of the kept bytes, GRANULE by GRANULE */
  object *source;       /* of a copy */
  long from;
  char etag[33];
} piece;
struct object {
  char key[KEY_MOST]; /* "/bucket/key" */
  char etag[40];
  long size;
  int count, knows_crc, is_gone;
  uint64_t crc;
  piece *pieces;
  uint64_t *table;
  const char *content;
  object *next;
};
typedef struct upload {
  char key[KEY_MOST], id[24];
  piece **parts;
  struct upload *next;
} upload;
static object *objects[4096];
static upload *uploads;
static uint64_t serial;

static unsigned bucket_of(const char *key) {
  unsigned hash = 5381;
  while (*key) hash = hash * 33 ^ (unsigned char)*key++;
  return hash & 4095;
}
static object *find(const char *key) {
  for (object *each = objects[bucket_of(key)]; each; each = each->next)
    if (!each->is_gone && !strcmp(each->key, key)) return each;
  return NULL;
}
static upload *find_upload(const char *key, const char *id) {
  for (upload *each = uploads; each; each = each->next)
    if (!strcmp(each->id, id) && !strcmp(each->key, key)) return each;
  return NULL;
}
static void new_etag(char *etag) { /* not to be taken for an MD5 */
  uint64_t number = ++serial;
  snprintf(etag, 33, "sink%012lx%016lx", (unsigned long)times(number << 32 | 1, POLYNOMIAL) >> 16, (unsigned long)number);
}

static void *mapped(const char *key, const char *kind, long needed) { /* NULL: there is none of that length */
  char path[KEY_MOST + 1024];
  snprintf(path, sizeof path, "%s/%s%s", tables, key + 1, kind);
  for (char *at = path + strlen(tables) + 1; *at; at++)
    if (*at == '/') *at = '@';
  int file = open(path, O_RDONLY);
  if (file < 0) return NULL;
  struct stat status;
  void *found = !fstat(file, &status) && status.st_size == needed
                    ? mmap(NULL, needed, PROT_READ, MAP_SHARED, file, 0)
                    : MAP_FAILED;
  close(file);
  return found == MAP_FAILED ? NULL : found;
}

static object *keep(const char *key, piece *pieces, int count) { /* in place of what is there */
  object *old = find(key), *made = calloc(1, sizeof *made);
  if (old) old->is_gone = 1; /* copies still point to it */
  snprintf(made->key, sizeof made->key, "%s", key);
  made->pieces = pieces, made->count = count, made->knows_crc = 1;
  for (int at = 0; at < count; at++) {
    made->crc = joined(made->crc, pieces[at].crc, pieces[at].length);
    made->knows_crc &= pieces[at].knows_crc;
    made->size += pieces[at].length;
  }
  new_etag(made->etag);
  if (count != 1 || pieces[0].source) sprintf(made->etag + 32, "-%d", count);
  made->table = mapped(key, "", 8 * ((made->size + GRANULE - 1) / GRANULE + 1));
  made->content = made->size ? mapped(key, ".bytes", made->size) : NULL;
  made->next = objects[bucket_of(key)];
  return objects[bucket_of(key)] = made;
}

static uint64_t between(const uint64_t *prefixes, long size, long from, long length) { /* both ends on granules */
  long end = from + length, last = end == size ? (size + GRANULE - 1) / GRANULE : end / GRANULE;
  return prefixes[last] ^ shifted(prefixes[from / GRANULE], length);
}
static uint64_t kept_crc(const piece *held, long from, long length) {
  long first = (from + GRANULE - 1) / GRANULE * GRANULE, last = (from + length) / GRANULE * GRANULE;
  if (!held->prefixes || first >= last) return crc_of(0, held->kept + from, length);
  uint64_t value = crc_of(0, held->kept + from, first - from);
  value = joined(value, between(held->prefixes, held->length, first, last - first), last - first);
  return joined(value, crc_of(0, held->kept + last, from + length - last), from + length - last);
}
static int range_crc(object *of, long from, long length, uint64_t *value) { /* 0: nobody knows it */
  long end = from + length, at = 0;
  if (of->table && from % GRANULE == 0 && (end % GRANULE == 0 || end == of->size)) {
    *value = between(of->table, of->size, from, length);
    return 1;
  }
  *value = 0;
  for (int n = 0; n < of->count && at < end; at += of->pieces[n++].length) {
    piece *each = &of->pieces[n];
    long first = from > at ? from - at : 0, last = end - at < each->length ? end - at : each->length;
    uint64_t one;
    if (first >= last) continue;
    if (first == 0 && last == each->length && each->knows_crc) one = each->crc;
    else if (each->kept) one = kept_crc(each, first, last - first);
    else if (!each->source || !range_crc(each->source, each->from + first, last - first, &one)) return 0;
    *value = joined(*value, one, last - first);
  }
  return 1;
}
static int read_range(object *of, long from, long length, char *into) { /* 0: it was thrown away */
  long end = from + length, at = 0;
  for (int n = 0; n < of->count && at < end; at += of->pieces[n++].length) {
    piece *each = &of->pieces[n];
    long first = from > at ? from - at : 0, last = end - at < each->length ? end - at : each->length;
    if (first >= last) continue;
    if (each->kept) memcpy(into + at + first - from, each->kept + first, last - first);
    else if (!each->source || !read_range(each->source, each->from + first, last - first, into + at + first - from))
      return 0;
  }
  return 1;
}
