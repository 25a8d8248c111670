/* CRC-64/NVME: of bytes, of two pieces in a row, and of a range between two prefixes. A part of sink.c. */

#define POLYNOMIAL 0x9a6c9329ac4bc9b5ULL
static uint64_t slices[8][256], powers[64]; /* powers[k]: x to the 2^k */

static uint64_t times(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  for (uint64_t bit = 1ULL << 63; bit; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? (b >> 1) ^ POLYNOMIAL : b >> 1;
  }
  return product;
}

static void crc_begin(void) {
  for (int n = 0; n < 256; n++) {
    uint64_t value = n;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ POLYNOMIAL : value >> 1;
    slices[0][n] = value;
  }
  for (int n = 0; n < 256; n++)
    for (int k = 1; k < 8; k++) slices[k][n] = slices[0][slices[k - 1][n] & 255] ^ (slices[k - 1][n] >> 8);
  powers[0] = 1ULL << 62;
  for (int k = 1; k < 64; k++) powers[k] = times(powers[k - 1], powers[k - 1]);
}

static uint64_t crc_of(uint64_t value, const unsigned char *at, long length) {
  value = ~value;
  for (; length >= 8; at += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    value ^= word;
    value = slices[7][value & 255] ^ slices[6][value >> 8 & 255] ^ slices[5][value >> 16 & 255] ^
            slices[4][value >> 24 & 255] ^ slices[3][value >> 32 & 255] ^ slices[2][value >> 40 & 255] ^
            slices[1][value >> 48 & 255] ^ slices[0][value >> 56];
  }
  while (length-- > 0) value = slices[0][(value ^ *at++) & 255] ^ (value >> 8);
  return ~value;
}

static uint64_t shifted(uint64_t value, uint64_t length) { /* its part in the CRC of what has so many bytes more */
  uint64_t power = 1ULL << 63;
  for (int k = 3; length; length >>= 1, k++)
    if (length & 1) power = times(powers[k], power);
  return times(power, value);
}

static uint64_t joined(uint64_t first, uint64_t second, uint64_t length) { return shifted(first, length) ^ second; }
