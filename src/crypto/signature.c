/*-------------------------------------------------------------------------
 *
 * signature.c
 *	  Verifies signatures with public keys that are given by their numbers.
 *
 * A key is bound to its type: it verifies by the algorithms of that type and
 * by no other, so that nobody can have a public key taken for a secret.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto/crypto.h"

#define MIN_RSA_BITS	2048
#define MAX_RSA_BITS	8192
#define P256_BYTES		32
#define ED25519_BYTES	32

/* Does a key of this type sign by this algorithm? */
bool
crypto_key_fits(const PublicKey *key, SignatureAlgorithm algorithm)
{
	switch (algorithm)
	{
		case SIGNATURE_RS256:
		case SIGNATURE_PS256:
			return key->type == PUBLIC_KEY_RSA;
		case SIGNATURE_ES256:
			return key->type == PUBLIC_KEY_P256;
		case SIGNATURE_EDDSA:
			return key->type == PUBLIC_KEY_ED25519;
		case SIGNATURE_HS256:
			break;
	}
	return false;
}

/* Makes OpenSSL's key from parameters; NULL where they make none. */
static EVP_PKEY *
key_from_params(const char *type, OSSL_PARAM_BLD * builder)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY   *pkey = NULL;

	if (params == NULL || ctx == NULL ||
		EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *
open_rsa(const PublicKey *key, const char **problem)
{
	BIGNUM	   *n = BN_bin2bn(key->first, (int) key->first_len, NULL);
	BIGNUM	   *e = BN_bin2bn(key->second, (int) key->second_len, NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY   *pkey = NULL;

	*problem = "its numbers make no RSA key";
	if (n == NULL || e == NULL || builder == NULL)
		 /* out of memory */ ;
	else if (BN_num_bits(n) < MIN_RSA_BITS || BN_num_bits(n) > MAX_RSA_BITS)
		*problem = "an RSA key has between 2048 and 8192 bits";
	else if (BN_is_odd(n) && BN_is_odd(e) && BN_num_bits(e) >= 2 && BN_num_bits(e) <= 64 &&
			 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
			 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		pkey = key_from_params("RSA", builder);
	OSSL_PARAM_BLD_free(builder);
	BN_free(n);
	BN_free(e);
	return pkey;
}

static EVP_PKEY *
open_p256(const PublicKey *key, const char **problem)
{
	OSSL_PARAM_BLD *builder;
	EVP_PKEY   *pkey = NULL;
	EVP_PKEY_CTX *ctx;
	uint8		point[1 + 2 * P256_BYTES];

	*problem = "x and y of a P-256 key have 32 bytes each";
	if (key->first_len != P256_BYTES || key->second_len != P256_BYTES)
		return NULL;

	*problem = "its numbers are no point of curve P-256";
	builder = OSSL_PARAM_BLD_new();
	point[0] = 4;				/* uncompressed */
	memcpy(point + 1, key->first, P256_BYTES);
	memcpy(point + 1 + P256_BYTES, key->second, P256_BYTES);
	if (builder != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
		pkey = key_from_params("EC", builder);
	OSSL_PARAM_BLD_free(builder);
	if (pkey == NULL)
		return NULL;

	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (ctx == NULL || EVP_PKEY_public_check(ctx) != 1)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* OpenSSL's key; NULL, with the reason in words, where there is none. */
static EVP_PKEY *
open_key(const PublicKey *key, const char **problem)
{
	switch (key->type)
	{
		case PUBLIC_KEY_RSA:
			return open_rsa(key, problem);
		case PUBLIC_KEY_P256:
			return open_p256(key, problem);
		case PUBLIC_KEY_ED25519:
			*problem = "x of an Ed25519 key has 32 bytes";
			if (key->first_len != ED25519_BYTES)
				return NULL;
			return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->first, key->first_len);
	}
	return NULL;
}

/* What is wrong with a public key, in words; NULL where nothing is. */
const char *
crypto_key_problem(const PublicKey *key)
{
	const char *problem = NULL;
	EVP_PKEY   *pkey = open_key(key, &problem);

	if (pkey == NULL)
	{
		ERR_clear_error();
		return problem;
	}
	EVP_PKEY_free(pkey);
	return NULL;
}

/* r and s, 32 bytes each, as OpenSSL wants them; NULL where that fails. */
static unsigned char *
der_signature(const uint8 *raw, int *len)
{
	ECDSA_SIG  *sig = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(raw, P256_BYTES, NULL);
	BIGNUM	   *s = BN_bin2bn(raw + P256_BYTES, P256_BYTES, NULL);
	unsigned char *der = NULL;

	if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1)
	{
		r = s = NULL;			/* the signature owns them now */
		*len = i2d_ECDSA_SIG(sig, &der);
		if (*len <= 0)
			der = NULL;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return der;
}

static bool
verify_with(EVP_PKEY *pkey, SignatureAlgorithm algorithm, const void *data, Size len,
			const uint8 *signature, Size signature_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	const EVP_MD *digest = algorithm == SIGNATURE_EDDSA ? NULL : EVP_sha256();
	bool		good = false;

	if (ctx != NULL && EVP_DigestVerifyInit(ctx, &pctx, digest, NULL, pkey) == 1 &&
		(algorithm != SIGNATURE_PS256 ||
		 (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, EVP_sha256()) == 1 &&
		  EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1)))
		good = EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/* Did the owner of the key sign the data?  Anything amiss means no. */
bool
crypto_verify(const PublicKey *key, SignatureAlgorithm algorithm,
			  const void *data, Size len, const uint8 *signature, Size signature_len)
{
	const char *problem;
	EVP_PKEY   *pkey;
	bool		good = false;

	if (!crypto_key_fits(key, algorithm))
		return false;
	pkey = open_key(key, &problem);
	if (pkey != NULL)
	{
		if (algorithm == SIGNATURE_ES256)
		{
			int			der_len = 0;
			unsigned char *der = signature_len == 2 * P256_BYTES ?
			der_signature(signature, &der_len) : NULL;

			good = der != NULL && verify_with(pkey, algorithm, data, len, der, der_len);
			OPENSSL_free(der);
		}
		else
			good = verify_with(pkey, algorithm, data, len, signature, signature_len);
		EVP_PKEY_free(pkey);
	}
	ERR_clear_error();
	return good;
}
