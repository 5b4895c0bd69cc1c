/*-------------------------------------------------------------------------
 *
 * crypto.h
 *	  Public face of the room "crypto": hashes, signatures, wrapped secrets,
 *	  the master key.
 *
 * No other room includes a header of OpenSSL.
 *
 * OpenSSL's handles are opened and freed within one function of this room,
 * and nothing that may raise an error is called while one is open: so none
 * is left behind when a transaction aborts.  Those of pseudonym.c live longer
 * and belong to a CryptoPseudonyms.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_CRYPTO_H
#define STEWARD_CRYPTO_H

#include "common/common.h"
#include "utils/uuid.h"

#define CRYPTO_SHA256_LENGTH	32	/* bytes */
#define CRYPTO_KEY_LENGTH		32	/* bytes, of the master key and of HMAC
									 * keys */

/* hash.c */
extern void crypto_sha256(const void *data, Size len, uint8 *digest);
extern void crypto_sha256_pair(const void *head, Size headlen,
							   const void *data, Size len, uint8 *digest);
extern void crypto_hmac_sha256(const void *key, Size keylen,
							   const void *data, Size len, uint8 *mac);

/* A key of CRYPTO_KEY_LENGTH bytes for many HMACs. */
typedef struct CryptoHmacKey
{
	uint32		inner[8];
	uint32		outer[8];
} CryptoHmacKey;

extern void crypto_hmac_prepare(CryptoHmacKey *prepared, const uint8 *key);
extern void crypto_hmac_prepared(const CryptoHmacKey *prepared, const void *data, Size len, uint8 *mac);
extern void crypto_random(void *buf, Size len);
extern void crypto_random_uuid(pg_uuid_t *uuid);
extern bool crypto_equal(const void *a, const void *b, Size len);
extern void crypto_wipe(void *buf, Size len);
extern bool base64_decode(const char *text, Size textlen, uint8 **bytes, Size *len);
extern char *base64_encode(const uint8 *bytes, Size len);
extern bool base64url_decode(const char *text, Size textlen, uint8 **bytes, Size *len);
extern char *base64url_encode(const uint8 *bytes, Size len);

/* keys.c */
extern void crypto_init(void);
extern const char *crypto_key_directory(void);
extern const uint8 *crypto_master_key(void);
extern void crypto_check_secret_uri(const char *uri);
extern uint8 *crypto_read_secret(const char *uri, Size *len);
extern void crypto_keep_file(const char *name, const void *data, Size len);
extern uint8 *crypto_kept_file(const char *name, Size max, Size *len);

/*
 * wrap.c: secrets in tables.  The context tells what the secret is and whose;
 * a wrapped secret that is moved elsewhere does not open.
 */
extern bytea *crypto_wrap(const void *secret, Size len, const char *context);
extern uint8 *crypto_unwrap(const bytea *wrapped, const char *context, Size *len);

/* pseudonym.c: what stands for values, under a key of CRYPTO_KEY_LENGTH bytes */
typedef struct CryptoPseudonyms CryptoPseudonyms;

typedef enum PseudonymKind
{
	PSEUDONYM_TEXT,
	PSEUDONYM_BYTEA,
	PSEUDONYM_UUID,
	PSEUDONYM_NUMERIC
} PseudonymKind;

#define PSEUDONYM_KINDS (PSEUDONYM_NUMERIC + 1)

extern CryptoPseudonyms *crypto_pseudonyms_open(const uint8 *key);
extern void crypto_pseudonyms_close(CryptoPseudonyms *pseudonyms);
extern void crypto_pseudonym(CryptoPseudonyms *pseudonyms, PseudonymKind kind,
							 const void *data, Size len, uint8 *mac);
extern uint64 crypto_permute(CryptoPseudonyms *pseudonyms, int bits, uint64 value);

/* signature.c */
typedef enum SignatureAlgorithm
{
	SIGNATURE_HS256,			/* a shared secret; see crypto_hmac_sha256() */
	SIGNATURE_RS256,
	SIGNATURE_PS256,
	SIGNATURE_ES256,
	SIGNATURE_EDDSA
} SignatureAlgorithm;

typedef enum PublicKeyType
{
	PUBLIC_KEY_RSA,
	PUBLIC_KEY_P256,
	PUBLIC_KEY_ED25519
} PublicKeyType;

/* A public key by its numbers, as big-endian bytes. */
typedef struct PublicKey
{
	PublicKeyType type;
	const uint8 *first;			/* RSA: modulus; else x */
	Size		first_len;
	const uint8 *second;		/* RSA: exponent; P-256: y; Ed25519: none */
	Size		second_len;
} PublicKey;

extern bool crypto_key_fits(const PublicKey *key, SignatureAlgorithm algorithm);
extern const char *crypto_key_problem(const PublicKey *key);
extern bool crypto_verify(const PublicKey *key, SignatureAlgorithm algorithm,
						  const void *data, Size len,
						  const uint8 *signature, Size signature_len);

/*
 * signing.c: Ed25519 pairs of our own.  A pair is known by its public key; the
 * private one stands in a file of the key directory.
 */
#define CRYPTO_PUBLIC_KEY_LENGTH	32	/* bytes */
#define CRYPTO_SIGNATURE_LENGTH		64	/* bytes */

extern void crypto_make_signing_key(uint8 *public_key);
extern bool crypto_has_signing_key(const uint8 *public_key);
extern void crypto_sign(const uint8 *public_key, const void *data, Size len, uint8 *signature);
extern bool crypto_verify_ed25519(const uint8 *public_key, const void *data, Size len,
								  const uint8 *signature);

#endif							/* STEWARD_CRYPTO_H */
