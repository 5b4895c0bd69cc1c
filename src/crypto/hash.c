/*-------------------------------------------------------------------------
 *
 * hash.c
 *	  Hashes, MACs, randomness, comparison in constant time, base64url.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

/* The fetching of an algorithm costs more than the hash of a short text. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "crypto/crypto.h"

static void
fail_sha256(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not compute a SHA-256 hash")));
}

/* SHA-256 of a head and the data after it. */
void
crypto_sha256_pair(const void *head, Size headlen, const void *data, Size len, uint8 *digest)
{
	SHA256_CTX	ctx;

	if (SHA256_Init(&ctx) != 1 || SHA256_Update(&ctx, head, headlen) != 1 ||
		SHA256_Update(&ctx, data, len) != 1 || SHA256_Final(digest, &ctx) != 1)
		fail_sha256();
}

/* SHA-256 of the data, 32 bytes.  Takes nothing that would have to be freed. */
void
crypto_sha256(const void *data, Size len, uint8 *digest)
{
	SHA256_CTX	ctx;

	if (SHA256_Init(&ctx) != 1 || SHA256_Update(&ctx, data, len) != 1 ||
		SHA256_Final(digest, &ctx) != 1)
		fail_sha256();
}

/* HMAC-SHA-256 of the data, 32 bytes. */
void
crypto_hmac_sha256(const void *key, Size keylen, const void *data, Size len, uint8 *mac)
{
	if (keylen > INT_MAX ||
		HMAC(EVP_sha256(), key, (int) keylen, data, len, mac, NULL) == NULL)
	{
		ERR_clear_error();
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute an HMAC")));
	}
}

/* What SHA-256 has come to once it has read one block. */
static void
hash_block(const uint8 *block, uint32 *state)
{
	SHA256_CTX	ctx;

	StaticAssertStmt(sizeof(ctx.h) == 8 * sizeof(uint32), "the state of SHA-256 is eight words");
	if (SHA256_Init(&ctx) != 1 || SHA256_Update(&ctx, block, SHA256_CBLOCK) != 1)
		fail_sha256();
	memcpy(state, ctx.h, sizeof(ctx.h));
	crypto_wipe(&ctx, sizeof(ctx));
}

/* Goes on from there with the data, to the end. */
static void
hash_after_block(const uint32 *state, const void *data, Size len, uint8 *digest)
{
	SHA256_CTX	ctx;

	if (SHA256_Init(&ctx) != 1)
		fail_sha256();
	memcpy(ctx.h, state, sizeof(ctx.h));
	ctx.Nl = SHA256_CBLOCK * BITS_PER_BYTE;
	if (SHA256_Update(&ctx, data, len) != 1 || SHA256_Final(digest, &ctx) != 1)
		fail_sha256();
}

/*
 * Makes a key of 32 bytes ready for many HMACs: the states of SHA-256 once it
 * has read the key (RFC 2104, section 4).  They are as secret as the key.
 */
void
crypto_hmac_prepare(CryptoHmacKey *prepared, const uint8 *key)
{
	uint8		pad[SHA256_CBLOCK];

	memset(pad, 0x36, sizeof(pad));
	for (int i = 0; i < CRYPTO_KEY_LENGTH; i++)
		pad[i] ^= key[i];
	hash_block(pad, prepared->inner);
	memset(pad, 0x5c, sizeof(pad));
	for (int i = 0; i < CRYPTO_KEY_LENGTH; i++)
		pad[i] ^= key[i];
	hash_block(pad, prepared->outer);
	crypto_wipe(pad, sizeof(pad));
}

/* HMAC-SHA-256 of the data under a key that was made ready, 32 bytes. */
void
crypto_hmac_prepared(const CryptoHmacKey *prepared, const void *data, Size len, uint8 *mac)
{
	hash_after_block(prepared->inner, data, len, mac);
	hash_after_block(prepared->outer, mac, CRYPTO_SHA256_LENGTH, mac);
}

/* Fills the buffer with bytes that nobody can foretell. */
void
crypto_random(void *buf, Size len)
{
	if (!pg_strong_random(buf, len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
}

/* A UUID of random bits (RFC 9562, version 4). */
void
crypto_random_uuid(pg_uuid_t *uuid)
{
	crypto_random(uuid->data, UUID_LEN);
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x40;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
}

/* Are the bytes equal?  Takes as long whichever differ. */
bool
crypto_equal(const void *a, const void *b, Size len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* Overwrites a secret, whatever the compiler thinks of it. */
void
crypto_wipe(void *buf, Size len)
{
	OPENSSL_cleanse(buf, len);
}

static const char base64_digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The six bits of a digit, -1 where it is none. */
static int
digit_value(const char *digits, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == digits[62])
		return 62;
	if (c == digits[63])
		return 63;
	return -1;
}

/*
 * Decodes digits without padding or white space; false where they are not
 * that, or are a second spelling of the same bytes.  The result ends with a
 * byte 0 that is not counted.
 */
static bool
decode_digits(const char *digits, const char *text, Size textlen, uint8 **bytes, Size *len)
{
	uint8	   *out;
	Size		n = 0;
	uint32		bits = 0;
	int			nbits = 0;

	if (textlen % 4 == 1)
		return false;
	out = palloc(textlen / 4 * 3 + 4);
	for (Size i = 0; i < textlen; i++)
	{
		int			digit = digit_value(digits, text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | digit;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			out[n++] = (bits >> nbits) & 0xff;
		}
	}
	if ((bits & ((1 << nbits) - 1)) != 0)
		return false;
	out[n] = 0;
	*bytes = out;
	*len = n;
	return true;
}

/* Encodes bytes without padding; there is room for two bytes more. */
static char *
encode_digits(const char *digits, const uint8 *bytes, Size len)
{
	char	   *out = palloc((len + 2) / 3 * 4 + 1);
	Size		n = 0;
	uint32		bits = 0;
	int			nbits = 0;

	for (Size i = 0; i < len; i++)
	{
		bits = bits << 8 | bytes[i];
		nbits += 8;
		while (nbits >= 6)
		{
			nbits -= 6;
			out[n++] = digits[(bits >> nbits) & 0x3f];
		}
	}
	if (nbits > 0)
		out[n++] = digits[(bits << (6 - nbits)) & 0x3f];
	out[n] = '\0';
	return out;
}

/* Decodes base64url as RFC 7515 wants it: no padding, one spelling. */
bool
base64url_decode(const char *text, Size textlen, uint8 **bytes, Size *len)
{
	return decode_digits(base64url_digits, text, textlen, bytes, len);
}

/* Encodes bytes as base64url without padding. */
char *
base64url_encode(const uint8 *bytes, Size len)
{
	return encode_digits(base64url_digits, bytes, len);
}

/* Decodes base64 with padding; nothing else in the text, one spelling. */
bool
base64_decode(const char *text, Size textlen, uint8 **bytes, Size *len)
{
	if (textlen % 4 != 0)
		return false;
	for (int i = 0; i < 2 && textlen > 0 && text[textlen - 1] == '='; i++)
		textlen--;
	return decode_digits(base64_digits, text, textlen, bytes, len);
}

/* Encodes bytes as base64 with padding. */
char *
base64_encode(const uint8 *bytes, Size len)
{
	char	   *out = encode_digits(base64_digits, bytes, len);
	Size		n = strlen(out);

	while (n % 4 != 0)
		out[n++] = '=';
	out[n] = '\0';
	return out;
}
