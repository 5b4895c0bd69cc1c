/*-------------------------------------------------------------------------
 *
 * signing.c
 *	  Ed25519 key pairs of our own: made, signed with.
 *
 * The private key is a PEM file (PKCS #8, 0600) in the key directory, named
 * after its public key.  A process reads it once, keeps its 32 bytes, and wipes
 * them when it ends.  It stands in no table, message or dump.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "access/xlog.h"
#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#define MAX_PEM		1024		/* bytes of a key file */

static bool key_known = false;
static uint8 known_public[CRYPTO_PUBLIC_KEY_LENGTH];
static uint8 known_private[CRYPTO_KEY_LENGTH];

/* The file of a pair. */
static void
key_path(const uint8 *public_key, char *path, Size size)
{
	uint8		digest[CRYPTO_SHA256_LENGTH];

	crypto_sha256(public_key, CRYPTO_PUBLIC_KEY_LENGTH, digest);
	snprintf(path, size, "%s/" SIGNING_KEY_PREFIX "%02x%02x%02x%02x%02x%02x%02x%02x.pem",
			 crypto_key_directory(),
			 digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]);
}

static void
forget_key(int code, Datum arg)
{
	crypto_wipe(known_private, sizeof(known_private));
	key_known = false;
}

/* Keeps a pair for this process. */
static void
keep_key(const uint8 *public_key, const uint8 *private_key)
{
	static bool registered = false;

	if (!registered)
	{
		on_proc_exit(forget_key, (Datum) 0);
		registered = true;
	}
	memcpy(known_public, public_key, sizeof(known_public));
	memcpy(known_private, private_key, sizeof(known_private));
	key_known = true;
}

/* The PEM text of a private key, and its public key; 0 where OpenSSL fails. */
static Size
write_pem(const uint8 *private_key, uint8 *public_key, char *pem, Size size)
{
	EVP_PKEY   *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, CRYPTO_KEY_LENGTH);
	BIO		   *bio = BIO_new(BIO_s_secmem());
	size_t		public_len = CRYPTO_PUBLIC_KEY_LENGTH;
	int			n = 0;

	if (pkey != NULL && bio != NULL &&
		EVP_PKEY_get_raw_public_key(pkey, public_key, &public_len) == 1 &&
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1)
		n = BIO_read(bio, pem, (int) size);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return n > 0 ? n : 0;
}

/* Refuses the password that an encrypted file would ask for. */
static int
no_password(char *buf, int size, int rwflag, void *arg)
{
	return 0;
}

/* The raw keys of a PEM text; false where it holds no Ed25519 key. */
static bool
read_pem(const uint8 *pem, Size len, uint8 *private_key, uint8 *public_key)
{
	BIO		   *bio = BIO_new_mem_buf(pem, (int) len);
	EVP_PKEY   *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	size_t		private_len = CRYPTO_KEY_LENGTH;
	size_t		public_len = CRYPTO_PUBLIC_KEY_LENGTH;
	bool		good;

	good = pkey != NULL && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519 &&
		EVP_PKEY_get_raw_private_key(pkey, private_key, &private_len) == 1 &&
		EVP_PKEY_get_raw_public_key(pkey, public_key, &public_len) == 1;
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return good;
}

/* Makes a pair, stores the private key, and returns the public one. */
void
crypto_make_signing_key(uint8 *public_key)
{
	uint8		private_key[CRYPTO_KEY_LENGTH];
	char		pem[MAX_PEM];
	char		path[MAXPGPATH + 64];
	Size		len;
	bool		good;

	steward_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("a standby makes no keys")));
	key_directory_check(true);
	crypto_random(private_key, sizeof(private_key));
	len = write_pem(private_key, public_key, pem, sizeof(pem));
	if (len > 0)
	{
		key_path(public_key, path, sizeof(path));
		good = key_file_make(path, pem, len);
		crypto_wipe(pem, sizeof(pem));
		if (good)
			keep_key(public_key, private_key);
		crypto_wipe(private_key, sizeof(private_key));
		if (!good)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not make key file \"%s\": %m", path)));
	}
	else
	{
		crypto_wipe(private_key, sizeof(private_key));
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make an Ed25519 key")));
	}
	fsync_fname_ext(crypto_key_directory(), true, false, ERROR);
	ereport(LOG,
			(errmsg("pg_steward made a signing key in \"%s\"", path)));
}

/* Reads the private key of a pair; false where its file is missing. */
static bool
read_key(const uint8 *public_key)
{
	char		path[MAXPGPATH + 64];
	uint8		pem[MAX_PEM];
	uint8		private_key[CRYPTO_KEY_LENGTH];
	uint8		found_public[CRYPTO_PUBLIC_KEY_LENGTH];
	Size		len;
	bool		good;

	if (key_known && memcmp(known_public, public_key, sizeof(known_public)) == 0)
		return true;
	key_path(public_key, path, sizeof(path));
	key_directory_check(!RecoveryInProgress());
	if (!key_file_read(path, pem, sizeof(pem), &len))
		return false;
	good = read_pem(pem, len, private_key, found_public) &&
		memcmp(found_public, public_key, sizeof(found_public)) == 0;
	if (good)
		keep_key(public_key, private_key);
	crypto_wipe(pem, sizeof(pem));
	crypto_wipe(private_key, sizeof(private_key));
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key file \"%s\" does not hold the private key that it is named after", path),
				 errhint("Restore it from a copy, or sign with a new key: rotate_key(reason).")));
	return true;
}

/* Is the private key of the pair here? */
bool
crypto_has_signing_key(const uint8 *public_key)
{
	return read_key(public_key);
}

/* Signs with the private key of the pair; raises where that is missing. */
void
crypto_sign(const uint8 *public_key, const void *data, Size len, uint8 *signature)
{
	EVP_PKEY   *pkey;
	EVP_MD_CTX *ctx;
	size_t		signature_len = CRYPTO_SIGNATURE_LENGTH;
	bool		good;

	if (!read_key(public_key))
	{
		char		path[MAXPGPATH + 64];

		key_path(public_key, path, sizeof(path));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("signing key \"%s\" is missing", path),
				 errhint("Restore it from a copy, or sign with a new key: rotate_key(reason).")));
	}
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, known_private, sizeof(known_private));
	ctx = EVP_MD_CTX_new();
	good = pkey != NULL && ctx != NULL &&
		EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestSign(ctx, signature, &signature_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not sign with an Ed25519 key")));
}

/* Did the owner of the public key sign the data? */
bool
crypto_verify_ed25519(const uint8 *public_key, const void *data, Size len, const uint8 *signature)
{
	PublicKey	key = {PUBLIC_KEY_ED25519, public_key, CRYPTO_PUBLIC_KEY_LENGTH, NULL, 0};

	return crypto_verify(&key, SIGNATURE_EDDSA, data, len, signature, CRYPTO_SIGNATURE_LENGTH);
}
