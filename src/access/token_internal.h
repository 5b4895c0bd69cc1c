/*-------------------------------------------------------------------------
 *
 * token_internal.h
 *	  What the files about tokens share.
 *
 * json.c      JSON documents from outside, as a tree
 * jwks.c      sets of public keys
 * issuer.c    who issues tokens; which roles need one
 * jwt.c       reads a token and checks it, up to its claims
 * token.c     authenticate(): from claims to the identity of the session
 * identity.c  the identity itself, as a setting of the session
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_TOKEN_INTERNAL_H
#define STEWARD_TOKEN_INTERNAL_H

#include "access/access_internal.h"
#include "crypto/crypto.h"
#include "nodes/pg_list.h"

/* Bounds; what exceeds them is refused. */
#define MAX_TOKEN_LENGTH	16384	/* bytes */
#define MAX_JWKS_LENGTH		131072	/* bytes */
#define MAX_JWKS_KEYS		100
#define MAX_SUBJECT_LENGTH	255 /* bytes, as OpenID Connect has it */
#define MIN_SECRET_LENGTH	32	/* bytes, as RFC 7518 has it for HS256 */
#define MAX_CLAIM_VALUES	1000

#define FINGERPRINT_LENGTH	32	/* characters */

/* ---------------- json.c ---------------- */

typedef enum JsonValueKind
{
	JSON_VALUE_OBJECT,
	JSON_VALUE_ARRAY,
	JSON_VALUE_STRING,
	JSON_VALUE_NUMBER,
	JSON_VALUE_BOOL,
	JSON_VALUE_NULL
} JsonValueKind;

typedef struct JsonValue
{
	JsonValueKind kind;
	char	   *text;			/* of a scalar, escapes undone */
	List	   *keys;			/* of char *: of an object */
	List	   *items;			/* of JsonValue: of an object or array */
} JsonValue;

extern JsonValue *json_tree(const char *bytes, Size len, const char **problem);
extern JsonValue *json_member(const JsonValue *object, const char *key);
extern bool json_has_key(const JsonValue *object, const char *key);
extern const char *json_string(const JsonValue *object, const char *key);
extern bool json_texts(const JsonValue *value, List **texts);

/* ---------------- jwks.c ---------------- */

typedef struct VerifyKey
{
	char	   *kid;			/* NULL: it has none */
	bool		any_algorithm;	/* of its type */
	SignatureAlgorithm algorithm;	/* else this one */
	PublicKey	key;
	char		fingerprint[FINGERPRINT_LENGTH + 1];
} VerifyKey;

extern List *jwks_parse(const char *text, Size len);
extern bool algorithm_from_name(const char *name, SignatureAlgorithm *algorithm);
extern void make_fingerprint(const void *data, Size len, char *fingerprint);

/* ---------------- issuer.c ---------------- */

typedef struct Issuer
{
	char	   *name;
	char	   *issuer;			/* claim iss */
	char	   *audience;		/* claim aud; NULL: not checked */
	List	   *keys;			/* of VerifyKey; NIL: it has a secret */
	bytea	   *secret;			/* wrapped */
	char	   *secret_uri;
	char		fingerprint[FINGERPRINT_LENGTH + 1];	/* of the secret */
	List	   *attribute_claims;	/* of char * */
	char	   *roles_claim;
	char	   *purposes_claim;
	int64		leeway;			/* microseconds */
} Issuer;

extern List *issuers(void);
extern const Issuer *issuer_named(const char *name);
extern bool issuer_knows_key(const Issuer *issuer, const char *fingerprint);
extern uint8 *issuer_secret(const Issuer *issuer, Size *len);

/* ---------------- jwt.c ---------------- */

typedef struct Token
{
	const Issuer *issuer;
	const char *fingerprint;	/* of the key that signed it */
	JsonValue  *claims;
	char	   *subject;
	TimestampTz expires;		/* with the issuer's leeway */
} Token;

extern void token_verify(const char *text, Size len, Token *token);
pg_noreturn extern void token_refuse(const char *check);

/* ---------------- identity.c ---------------- */

/* Collects the fields of an identity, in their order; see identity.c. */
extern void identity_append(StringInfo buf, const char *field);
extern void identity_append_list(StringInfo buf, List *fields);
extern void identity_set(const char *value, bool local);

#endif							/* STEWARD_TOKEN_INTERNAL_H */
