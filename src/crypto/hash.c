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
#include "port/pg_bswap.h"

#define SHA256_BLOCK	SHA256_CBLOCK	/* bytes */

/* Longer data are worth the calls that take them as a stream. */
#define SHORT_DATA		1024

static void
fail_sha256(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not compute a SHA-256 hash")));
}

/* SHA-256 of a head and data of any length. */
static void
hash_stream(const void *head, Size headlen, const void *data, Size len, uint8 *digest)
{
	SHA256_CTX	ctx;

	if (SHA256_Init(&ctx) != 1 || SHA256_Update(&ctx, head, headlen) != 1 ||
		SHA256_Update(&ctx, data, len) != 1 || SHA256_Final(digest, &ctx) != 1)
		fail_sha256();
}

/*
 * Ends a hash into which "before" bytes, whole blocks, have gone: a head and
 * the data after it follow.  What is hashed is mostly a block or two, for which
 * OpenSSL's own cutting into blocks costs as much as its hashing; so that is
 * done here, as FIPS 180-4 says in 5.1.1 and 5.2.1.
 */
static void
hash_rest(SHA256_CTX * ctx, Size before, const void *head, Size headlen,
		  const void *data, Size len, uint8 *digest)
{
	uint8		block[2 * SHA256_BLOCK];
	const uint8 *next = data;
	Size		left = len;
	Size		n = headlen;
	Size		padded;
	uint64		bits = pg_hton64((uint64) (before + headlen + len) * 8);

	for (; n >= SHA256_BLOCK; n -= SHA256_BLOCK)
		SHA256_Transform(ctx, (const uint8 *) head + headlen - n);
	if (n > 0)
	{
		Size		part = Min(left, SHA256_BLOCK - n);

		memcpy(block, (const uint8 *) head + headlen - n, n);
		memcpy(block + n, next, part);
		n += part;
		next += part;
		left -= part;
		if (n == SHA256_BLOCK)
		{
			SHA256_Transform(ctx, block);
			n = 0;
		}
	}
	for (; left >= SHA256_BLOCK; left -= SHA256_BLOCK, next += SHA256_BLOCK)
		SHA256_Transform(ctx, next);
	if (left > 0)
	{
		/* then the head has filled its last block */
		memcpy(block, next, left);
		n = left;
	}
	block[n++] = 0x80;
	padded = n > SHA256_BLOCK - sizeof(bits) ? 2 * SHA256_BLOCK : SHA256_BLOCK;
	memset(block + n, 0, padded - sizeof(bits) - n);
	memcpy(block + padded - sizeof(bits), &bits, sizeof(bits));
	SHA256_Transform(ctx, block);
	if (padded > SHA256_BLOCK)
		SHA256_Transform(ctx, block + SHA256_BLOCK);
	for (int i = 0; i < 8; i++)
	{
		uint32		word = pg_hton32(ctx->h[i]);

		memcpy(digest + 4 * i, &word, sizeof(word));
	}
}

/* SHA-256 of a head and the data after it. */
void
crypto_sha256_pair(const void *head, Size headlen, const void *data, Size len, uint8 *digest)
{
	SHA256_CTX	ctx;

	if (len > SHORT_DATA)
		hash_stream(head, headlen, data, len, digest);
	else if (SHA256_Init(&ctx) != 1)
		fail_sha256();
	else
		hash_rest(&ctx, 0, head, headlen, data, len, digest);
}

/* SHA-256 of the data, 32 bytes.  Takes nothing that would have to be freed. */
void
crypto_sha256(const void *data, Size len, uint8 *digest)
{
	crypto_sha256_pair("", 0, data, len, digest);
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

/*
 * Makes a key of 32 bytes ready for many HMACs: what SHA-256 has come to once
 * it has read the key (RFC 2104, section 4).  It is as secret as the key.
 */
void
crypto_hmac_prepare(CryptoHmacKey *prepared, const uint8 *key)
{
	SHA256_CTX	ctx;
	uint8		pad[SHA256_BLOCK];

	StaticAssertStmt(sizeof(prepared->inner) == sizeof(ctx.h), "the state of SHA-256 is eight words");
	for (int side = 0; side < 2; side++)
	{
		memset(pad, side == 0 ? 0x36 : 0x5c, sizeof(pad));
		for (int i = 0; i < CRYPTO_KEY_LENGTH; i++)
			pad[i] ^= key[i];
		if (SHA256_Init(&ctx) != 1)
			fail_sha256();
		SHA256_Transform(&ctx, pad);
		memcpy(side == 0 ? prepared->inner : prepared->outer, ctx.h, sizeof(ctx.h));
	}
	crypto_wipe(pad, sizeof(pad));
	crypto_wipe(&ctx, sizeof(ctx));
}

/* HMAC-SHA-256 of the data under a key that was made ready, 32 bytes. */
void
crypto_hmac_prepared(const CryptoHmacKey *prepared, const void *data, Size len, uint8 *mac)
{
	SHA256_CTX	ctx;

	memset(&ctx, 0, sizeof(ctx));
	memcpy(ctx.h, prepared->inner, sizeof(ctx.h));
	hash_rest(&ctx, SHA256_BLOCK, "", 0, data, len, mac);
	memcpy(ctx.h, prepared->outer, sizeof(ctx.h));
	hash_rest(&ctx, SHA256_BLOCK, "", 0, mac, CRYPTO_SHA256_LENGTH, mac);
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
