/*-------------------------------------------------------------------------
 *
 * pseudonym.c
 *	  Keyed pseudonyms of values: HMAC-SHA-256, and a permutation of the
 *	  integers of 16, 32 and 64 bits.
 *
 * The permutation is FF1 of NIST SP 800-38G (a Feistel network of ten rounds
 * whose round function is AES-256 in CBC-MAC mode) with radix 2 and without a
 * tweak, on numerals as long as the integer.  FF1 is meant for domains of a
 * million values or more (SP 800-38G Rev. 1): for 16 bits it is still a
 * permutation that depends on the key, and nothing more is claimed.
 *
 * Each kind of value has a key of its own, derived from the one given, so
 * that a value of one kind tells nothing of another.
 *
 * Unlike the other handles of this room, those here live as long as the
 * backend or the key: a statement may ask for millions of values.  They
 * belong to a CryptoPseudonyms, which its user keeps beyond transactions;
 * each value leaves them ready for the next one, so an abort between two
 * values needs no care.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#define BLOCK_LENGTH	16		/* bytes, of AES */
#define ROUNDS			10		/* of FF1 */

/* A permutation of the integers of so many bits. */
typedef struct Permutation
{
	EVP_CIPHER_CTX *cipher;
	uint8		start[BLOCK_LENGTH];	/* CIPH(P), the same for all values */
} Permutation;

struct CryptoPseudonyms
{
	EVP_MAC_CTX *mac[PSEUDONYM_KINDS];
	Permutation permutation[3]; /* of 16, 32 and 64 bits */
};

/* What keys are derived with: changing one changes every pseudonym. */
static const char *const mac_uses[PSEUDONYM_KINDS] = {
	[PSEUDONYM_TEXT] = "pg_steward pseudonym text",
	[PSEUDONYM_BYTEA] = "pg_steward pseudonym bytea",
	[PSEUDONYM_UUID] = "pg_steward pseudonym uuid",
	[PSEUDONYM_NUMERIC] = "pg_steward pseudonym numeric"
};
static const char *const permutation_uses[3] = {
	"pg_steward pseudonym 16 bits",
	"pg_steward pseudonym 32 bits",
	"pg_steward pseudonym 64 bits"
};

/* Index of the permutation of 16, 32 or 64 bits. */
static inline int
permutation_index(int bits)
{
	return bits == 16 ? 0 : bits == 32 ? 1 : 2;
}

/* Opens a MAC; NULL where it fails. */
static EVP_MAC_CTX *
open_mac(const uint8 *key)
{
	char		digest[] = "SHA256";
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()
	};
	EVP_MAC    *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);

	EVP_MAC_free(hmac);
	if (ctx != NULL && EVP_MAC_init(ctx, key, CRYPTO_KEY_LENGTH, params) != 1)
	{
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* One block of AES; false where it fails. */
static inline bool
encrypt_block(EVP_CIPHER_CTX *cipher, const uint8 *in, uint8 *out)
{
	int			n;

	return EVP_EncryptUpdate(cipher, out, &n, in, BLOCK_LENGTH) == 1;
}

/* Opens a permutation; false where it fails. */
static bool
open_permutation(Permutation *permutation, int bits, const uint8 *key)
{
	/* P of FF1: version, method, 1, radix, rounds, u mod 256, n, t */
	uint8		p[BLOCK_LENGTH] = {1, 2, 1, 0, 0, 2, ROUNDS, bits / 2, 0, 0, 0, bits, 0, 0, 0, 0};

	permutation->cipher = EVP_CIPHER_CTX_new();
	return permutation->cipher != NULL &&
		EVP_EncryptInit_ex(permutation->cipher, EVP_aes_256_ecb(), NULL, key, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(permutation->cipher, 0) == 1 &&
		encrypt_block(permutation->cipher, p, permutation->start);
}

/* Makes ready what pseudonyms under the key need; never in parts. */
CryptoPseudonyms *
crypto_pseudonyms_open(const uint8 *key)
{
	CryptoPseudonyms *pseudonyms = MemoryContextAllocZero(TopMemoryContext, sizeof(CryptoPseudonyms));
	uint8		derived[CRYPTO_KEY_LENGTH];
	bool		good = true;

	for (int i = 0; i < PSEUDONYM_KINDS && good; i++)
	{
		crypto_hmac_sha256(key, CRYPTO_KEY_LENGTH, mac_uses[i], strlen(mac_uses[i]), derived);
		pseudonyms->mac[i] = open_mac(derived);
		good = pseudonyms->mac[i] != NULL;
	}
	for (int i = 0; i < lengthof(permutation_uses) && good; i++)
	{
		crypto_hmac_sha256(key, CRYPTO_KEY_LENGTH, permutation_uses[i], strlen(permutation_uses[i]), derived);
		good = open_permutation(&pseudonyms->permutation[i], 16 << i, derived);
	}
	crypto_wipe(derived, sizeof(derived));
	if (!good)
	{
		ERR_clear_error();
		crypto_pseudonyms_close(pseudonyms);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make pseudonyms ready")));
	}
	return pseudonyms;
}

/* Ends them; OpenSSL wipes its keys. */
void
crypto_pseudonyms_close(CryptoPseudonyms *pseudonyms)
{
	for (int i = 0; i < PSEUDONYM_KINDS; i++)
		EVP_MAC_CTX_free(pseudonyms->mac[i]);
	for (int i = 0; i < lengthof(permutation_uses); i++)
		EVP_CIPHER_CTX_free(pseudonyms->permutation[i].cipher);
	crypto_wipe(pseudonyms, sizeof(CryptoPseudonyms));
	pfree(pseudonyms);
}

/* The HMAC-SHA-256 of a value of this kind, 32 bytes. */
void
crypto_pseudonym(CryptoPseudonyms *pseudonyms, PseudonymKind kind,
				 const void *data, Size len, uint8 *mac)
{
	EVP_MAC_CTX *ctx = pseudonyms->mac[kind];
	size_t		n;

	/* without a key, init begins anew under the one it has */
	if (EVP_MAC_init(ctx, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(ctx, data, len) != 1 ||
		EVP_MAC_final(ctx, mac, &n, CRYPTO_SHA256_LENGTH) != 1)
	{
		ERR_clear_error();
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute an HMAC")));
	}
}

/*
 * The integer that stands for this one of 16, 32 or 64 bits; no two integers
 * have the same.
 */
uint64
crypto_permute(CryptoPseudonyms *pseudonyms, int bits, uint64 value)
{
	Permutation *permutation = &pseudonyms->permutation[permutation_index(bits)];
	int			half = bits / 2;
	uint64		mask = (UINT64CONST(1) << half) - 1;
	uint64		a = (value >> half) & mask;
	uint64		b = value & mask;

	for (int i = 0; i < ROUNDS; i++)
	{
		uint8		block[BLOCK_LENGTH];
		uint64		y;
		uint32		tail = pg_hton32((uint32) b);

		/*
		 * CIPH(CIPH(P) xor Q), where Q is zeros, the number of the round in
		 * one byte and the numeral B in the half's bytes, of which there are
		 * at most four.
		 */
		memcpy(block, permutation->start, BLOCK_LENGTH);
		block[BLOCK_LENGTH - half / 8 - 1] ^= i;
		for (int j = 4 - half / 8; j < 4; j++)
			block[BLOCK_LENGTH - 4 + j] ^= ((uint8 *) &tail)[j];
		if (!encrypt_block(permutation->cipher, block, block))
		{
			ERR_clear_error();
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not compute a pseudonym")));
		}

		/* d is 8 for all these lengths */
		memcpy(&y, block, sizeof(y));
		y = (a + pg_ntoh64(y)) & mask;
		a = b;
		b = y;
	}
	return a << half | b;
}
