/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Memory, files, numbers, base64, hashes.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Says what went wrong, and ends: nothing was verified. */
void
fail(const char *format,...)
{
	va_list		args;

	fflush(stdout);
	fprintf(stderr, "pg_steward_verify: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(2);
}

void *
allocate(size_t size)
{
	return reallocate(NULL, size);
}

void *
reallocate(void *pointer, size_t size)
{
	pointer = realloc(pointer, size > 0 ? size : 1);
	if (pointer == NULL)
		fail("out of memory (%zu bytes)", size);
	return pointer;
}

bool
file_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/*
 * Opens a plain file, and nothing that one would wait for; NULL where there is
 * none of that name.
 */
FILE *
open_file(const char *path, uint64_t *size)
{
	int			fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE	   *file;

	if (fd < 0)
	{
		if (errno != ENOENT && errno != ENOTDIR)
			fail("could not open \"%s\": %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		fail("\"%s\" is no file", path);
	file = fdopen(fd, "rb");
	if (file == NULL)
		fail("could not open \"%s\": %s", path, strerror(errno));
	*size = (uint64_t) st.st_size;
	return file;
}

/*
 * Reads a whole file; false where there is none.  Of one that is larger than the
 * limit, one byte more than that is read.
 */
bool
read_file(const char *path, size_t limit, Bytes *bytes)
{
	uint64_t	size;
	FILE	   *file = open_file(path, &size);

	bytes->data = NULL;
	bytes->len = 0;
	if (file == NULL)
		return false;
	bytes->len = size > limit ? limit + 1 : (size_t) size;
	bytes->data = allocate(bytes->len + 1);
	if (fread(bytes->data, 1, bytes->len, file) != bytes->len)
		fail("could not read \"%s\"", path);
	bytes->data[bytes->len] = 0;
	fclose(file);
	return true;
}

void
release(Bytes *bytes)
{
	free(bytes->data);
	bytes->data = NULL;
	bytes->len = 0;
}

/* A big-endian number of 1 to 8 bytes. */
uint64_t
get_uint(const uint8_t *data, int bytes)
{
	uint64_t	value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | data[i];
	return value;
}

/* A decimal number below 2^63, without sign and leading zeros. */
bool
parse_decimal(const char *text, size_t len, uint64_t *value)
{
	*value = 0;
	if (len == 0 || len > 19 || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		uint64_t	digit = (uint64_t) (text[i] - '0');

		if (text[i] < '0' || text[i] > '9' || *value > (INT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return true;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4, with padding and without a bit set that is not used. */
bool
base64_decode(const char *text, size_t len, uint8_t *out, size_t capacity, size_t *out_len)
{
	size_t		n = 0;

	if (len % 4 != 0)
		return false;
	for (size_t i = 0; i < len; i += 4)
	{
		int			pad = i + 4 == len ? (text[i + 3] == '=') + (text[i + 2] == '=' && text[i + 3] == '=') : 0;
		uint32_t	bits = 0;

		for (int j = 0; j < 4; j++)
		{
			int			value = j >= 4 - pad ? 0 : base64_value(text[i + j]);

			if (value < 0)
				return false;
			bits = bits << 6 | (uint32_t) value;
		}
		if ((pad == 1 && (bits & 0xff) != 0) || (pad == 2 && (bits & 0xffff) != 0))
			return false;
		for (int j = 0; j < 3 - pad; j++)
		{
			if (n == capacity)
				return false;
			out[n++] = (uint8_t) (bits >> (16 - 8 * j));
		}
	}
	*out_len = n;
	return true;
}

/* SHA-256 of n pieces. */
void
sha256(uint8_t *digest, int n,...)
{
	static EVP_MD_CTX *context = NULL;
	va_list		pieces;
	bool		ok;

	if (context == NULL && (context = EVP_MD_CTX_new()) == NULL)
		fail("out of memory");
	ok = EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
	va_start(pieces, n);
	for (int i = 0; ok && i < n; i++)
	{
		const void *data = va_arg(pieces, const void *);
		size_t		len = va_arg(pieces, size_t);

		ok = EVP_DigestUpdate(context, data, len) == 1;
	}
	va_end(pieces);
	if (!ok || EVP_DigestFinal_ex(context, digest, NULL) != 1)
		fail("OpenSSL cannot compute SHA-256");
}

/* RFC 6962, section 2.1 */
void
hash_node(uint8_t *digest, const uint8_t *left, const uint8_t *right)
{
	sha256(digest, 3, "\x01", (size_t) 1, left, (size_t) HASH_LENGTH, right, (size_t) HASH_LENGTH);
}

/* RFC 8032 */
bool
ed25519_verify(const uint8_t *key, const void *data, size_t len, const uint8_t *signature)
{
	EVP_PKEY   *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		ok = pkey != NULL && context != NULL &&
		EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestVerify(context, signature, 64, data, len) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	return ok;
}
