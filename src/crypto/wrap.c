/*-------------------------------------------------------------------------
 *
 * wrap.c
 *	  Secrets in tables: encrypted and authenticated under the master key.
 *
 * A wrapped secret is
 *
 *	  version (1 byte, 1) | id of the master key (8) | nonce (12) |
 *	  ciphertext (as long as the secret) | tag (16)
 *
 * by AES-256-GCM under a key that is derived from the master key for this
 * alone.  Version, key id and context are authenticated with it.  Nonces are
 * random: wrap no more than some thousand millions under one master key.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"

#define WRAP_VERSION	1
#define KEY_ID_LENGTH	8
#define NONCE_LENGTH	12
#define TAG_LENGTH		16
#define HEADER_LENGTH	(1 + KEY_ID_LENGTH)
#define OVERHEAD		(HEADER_LENGTH + NONCE_LENGTH + TAG_LENGTH)

/* Secrets are short. */
#define MAX_SECRET		(1024 * 1024)

/* A key of 32 bytes for one use, from the master key. */
static void
derive(const char *use, uint8 *key)
{
	crypto_hmac_sha256(crypto_master_key(), CRYPTO_KEY_LENGTH, use, strlen(use), key);
}

/* The bytes that tell which master key a secret was wrapped under. */
static void
make_header(uint8 *header)
{
	uint8		id[CRYPTO_SHA256_LENGTH];

	derive("pg_steward master key id", id);
	header[0] = WRAP_VERSION;
	memcpy(header + 1, id, KEY_ID_LENGTH);
}

/*
 * Encrypts (or decrypts) in one go; false where a step fails, the last of
 * which, when decrypting, is the check of the tag.
 */
static bool
run_cipher(bool encrypt, const uint8 *key, const uint8 *header, const char *context,
		   const uint8 *nonce, const uint8 *in, int len, uint8 *out, uint8 *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int			n;
	bool		good;

	good = ctx != NULL &&
		EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &n, header, HEADER_LENGTH) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &n, (const uint8 *) context, (int) strlen(context)) == 1 &&
		(len == 0 || EVP_CipherUpdate(ctx, out, &n, in, len) == 1) &&
		(encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LENGTH, tag) == 1) &&
		EVP_CipherFinal_ex(ctx, out + len, &n) == 1 &&
		(!encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LENGTH, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/* Wraps a secret; makes the master key where there is none yet. */
bytea *
crypto_wrap(const void *secret, Size len, const char *context)
{
	uint8		key[CRYPTO_KEY_LENGTH];
	bytea	   *wrapped;
	uint8	   *p;
	bool		good;

	if (len > MAX_SECRET)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("secret is longer than %d bytes", MAX_SECRET)));
	wrapped = palloc(VARHDRSZ + OVERHEAD + len);
	SET_VARSIZE(wrapped, VARHDRSZ + OVERHEAD + len);
	p = (uint8 *) VARDATA(wrapped);
	make_header(p);
	crypto_random(p + HEADER_LENGTH, NONCE_LENGTH);
	derive("pg_steward wrapped secrets", key);
	good = run_cipher(true, key, p, context, p + HEADER_LENGTH, secret, (int) len,
					  p + HEADER_LENGTH + NONCE_LENGTH,
					  p + HEADER_LENGTH + NONCE_LENGTH + len);
	crypto_wipe(key, sizeof(key));
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not encrypt a secret")));
	return wrapped;
}

/*
 * Unwraps a secret; raises where it was wrapped under another master key or
 * for another use, or was altered.  Wipe it after use.
 */
uint8 *
crypto_unwrap(const bytea *wrapped, const char *context, Size *len)
{
	uint8		key[CRYPTO_KEY_LENGTH];
	uint8		header[HEADER_LENGTH];
	const uint8 *p = (const uint8 *) VARDATA_ANY(wrapped);
	Size		size = VARSIZE_ANY_EXHDR(wrapped);
	uint8		tag[TAG_LENGTH];
	uint8	   *secret;
	bool		good;

	if (size < OVERHEAD || size > OVERHEAD + MAX_SECRET || p[0] != WRAP_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a wrapped secret is not of a form that this version knows")));
	make_header(header);
	if (memcmp(header, p, HEADER_LENGTH) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a secret was wrapped under another master key"),
				 errdetail("The key directory \"%s\" does not hold the key with which this database's secrets were written.",
						   crypto_key_directory()),
				 errhint("Copy the key directory of the server that the data came from, or set the secret anew.")));

	*len = size - OVERHEAD;
	secret = palloc(*len + 1);
	memcpy(tag, p + size - TAG_LENGTH, TAG_LENGTH);
	derive("pg_steward wrapped secrets", key);
	good = run_cipher(false, key, p, context, p + HEADER_LENGTH,
					  p + HEADER_LENGTH + NONCE_LENGTH, (int) *len, secret, tag);
	crypto_wipe(key, sizeof(key));
	if (!good)
	{
		crypto_wipe(secret, *len);
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a wrapped secret was altered, or belongs elsewhere")));
	}
	secret[*len] = 0;
	return secret;
}
