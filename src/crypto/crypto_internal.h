/*-------------------------------------------------------------------------
 *
 * crypto_internal.h
 *	  What the files of room "crypto" share.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_CRYPTO_INTERNAL_H
#define STEWARD_CRYPTO_INTERNAL_H

#include "crypto/crypto.h"

#define SIGNING_KEY_PREFIX	"signing-"	/* of the names of files */

/* keys.c: private files of the key directory */
extern void key_directory_check(bool make);
extern bool key_file_read(const char *path, uint8 *buf, Size max, Size *len);
extern bool key_file_make(const char *path, const void *data, Size len);

#endif							/* STEWARD_CRYPTO_INTERNAL_H */
