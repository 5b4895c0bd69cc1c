/*-------------------------------------------------------------------------
 *
 * jwks.c
 *	  Sets of public keys (JSON Web Key Sets, RFC 7517).
 *
 * A key is bound to what it says of itself: type, algorithm, use.  Keys that
 * we cannot use for signatures (encryption, other curves) are passed over,
 * for issuers publish them side by side; secret ones are refused.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/token_internal.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

static const struct
{
	const char *name;
	SignatureAlgorithm algorithm;
}			algorithms[] = {
	{"HS256", SIGNATURE_HS256},
	{"RS256", SIGNATURE_RS256},
	{"PS256", SIGNATURE_PS256},
	{"ES256", SIGNATURE_ES256},
	{"EdDSA", SIGNATURE_EDDSA},
};

/* The algorithm of this name, letter by letter; false where we know none. */
bool
algorithm_from_name(const char *name, SignatureAlgorithm *algorithm)
{
	for (int i = 0; i < lengthof(algorithms); i++)
	{
		if (strcmp(algorithms[i].name, name) == 0)
		{
			*algorithm = algorithms[i].algorithm;
			return true;
		}
	}
	return false;
}

/* A short name of a key by which we know it again. */
void
make_fingerprint(const void *data, Size len, char *fingerprint)
{
	uint8		digest[CRYPTO_SHA256_LENGTH];

	crypto_sha256(data, len, digest);
	for (int i = 0; i < FINGERPRINT_LENGTH / 2; i++)
		snprintf(fingerprint + 2 * i, 3, "%02x", digest[i]);
}

pg_noreturn static void
refuse_jwks(const char *problem, int number)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 number > 0 ?
			 errmsg("key %d of the key set cannot be used: %s", number, problem) :
			 errmsg("key set cannot be used: %s", problem),
			 errhint("Give the issuer's JSON Web Key Set: {\"keys\": [{\"kty\": \"RSA\", \"kid\": ..., \"n\": ..., \"e\": ...}, ...]}.")));
}

/* A member that holds base64url bytes; raises where it does not. */
static const uint8 *
key_bytes(const JsonValue *jwk, const char *member, int number, Size *len)
{
	const char *text = json_string(jwk, member);
	uint8	   *bytes;

	if (text == NULL || !base64url_decode(text, strlen(text), &bytes, len) || *len == 0)
		refuse_jwks(psprintf("its member \"%s\" is missing or not base64url", member), number);
	return bytes;
}

/* Is the key meant for signatures, as far as it says? */
static bool
is_for_signatures(const JsonValue *jwk)
{
	JsonValue  *ops = json_member(jwk, "key_ops");
	ListCell   *lc;

	if (json_member(jwk, "use") != NULL &&
		(json_string(jwk, "use") == NULL || strcmp(json_string(jwk, "use"), "sig") != 0))
		return false;
	if (ops == NULL)
		return true;
	foreach(lc, ops->items)
	{
		JsonValue  *op = lfirst(lc);

		if (op->kind == JSON_VALUE_STRING && strcmp(op->text, "verify") == 0)
			return true;
	}
	return false;
}

/* Is it a type of key that we can use?  Sets the type. */
static bool
is_known_type(const JsonValue *jwk, PublicKeyType *type)
{
	const char *kty = json_string(jwk, "kty");
	const char *crv = json_string(jwk, "crv");

	if (kty == NULL)
		return false;
	if (strcmp(kty, "RSA") == 0)
		*type = PUBLIC_KEY_RSA;
	else if (strcmp(kty, "EC") == 0 && crv != NULL && strcmp(crv, "P-256") == 0)
		*type = PUBLIC_KEY_P256;
	else if (strcmp(kty, "OKP") == 0 && crv != NULL && strcmp(crv, "Ed25519") == 0)
		*type = PUBLIC_KEY_ED25519;
	else
		return false;
	return true;
}

/* Reads one key; NULL where it is one to pass over. */
static VerifyKey *
read_key(const JsonValue *jwk, int number)
{
	VerifyKey  *result = palloc0(sizeof(VerifyKey));
	const char *kid = json_string(jwk, "kid");
	const char *alg = json_string(jwk, "alg");
	const char *problem;
	StringInfoData numbers;

	if (jwk->kind != JSON_VALUE_OBJECT)
		refuse_jwks("it is no object", number);
	if (json_has_key(jwk, "d") || json_has_key(jwk, "k"))
		refuse_jwks("it is a secret or private key; keep it away from here", number);
	if (json_member(jwk, "kid") != NULL && kid == NULL)
		refuse_jwks("its member \"kid\" is not a string", number);
	if (!is_for_signatures(jwk) || !is_known_type(jwk, &result->key.type))
		return NULL;
	result->any_algorithm = alg == NULL;
	if (alg != NULL && !algorithm_from_name(alg, &result->algorithm))
		return NULL;
	if (alg != NULL && !crypto_key_fits(&result->key, result->algorithm))
		refuse_jwks("its members \"kty\" and \"alg\" do not fit each other", number);

	result->kid = kid != NULL ? pstrdup(kid) : NULL;
	switch (result->key.type)
	{
		case PUBLIC_KEY_RSA:
			result->key.first = key_bytes(jwk, "n", number, &result->key.first_len);
			result->key.second = key_bytes(jwk, "e", number, &result->key.second_len);
			break;
		case PUBLIC_KEY_P256:
			result->key.first = key_bytes(jwk, "x", number, &result->key.first_len);
			result->key.second = key_bytes(jwk, "y", number, &result->key.second_len);
			break;
		case PUBLIC_KEY_ED25519:
			result->key.first = key_bytes(jwk, "x", number, &result->key.first_len);
			break;
	}
	problem = crypto_key_problem(&result->key);
	if (problem != NULL)
		refuse_jwks(problem, number);

	initStringInfo(&numbers);
	appendStringInfo(&numbers, "%d:", (int) result->key.type);
	appendBinaryStringInfo(&numbers, (const char *) result->key.first, (int) result->key.first_len);
	if (result->key.second != NULL)
		appendBinaryStringInfo(&numbers, (const char *) result->key.second, (int) result->key.second_len);
	make_fingerprint(numbers.data, numbers.len, result->fingerprint);
	return result;
}

/* The keys of a set that can verify signatures; raises what is wrong with it. */
List *
jwks_parse(const char *text, Size len)
{
	const char *problem;
	JsonValue  *set;
	JsonValue  *keys;
	List	   *result = NIL;
	ListCell   *lc;

	if (len > MAX_JWKS_LENGTH)
		refuse_jwks(psprintf("it is longer than %d bytes", MAX_JWKS_LENGTH), 0);
	set = json_tree(text, len, &problem);
	if (set == NULL)
		refuse_jwks(problem, 0);
	keys = json_member(set, "keys");
	if (set->kind != JSON_VALUE_OBJECT || keys == NULL || keys->kind != JSON_VALUE_ARRAY)
		refuse_jwks("it has no list \"keys\"", 0);
	if (list_length(keys->items) > MAX_JWKS_KEYS)
		refuse_jwks(psprintf("it has more than %d keys", MAX_JWKS_KEYS), 0);
	foreach(lc, keys->items)
	{
		int			number = foreach_current_index(lc) + 1;
		VerifyKey  *key = read_key(lfirst(lc), number);
		ListCell   *lc2;

		if (key == NULL)
			continue;
		foreach(lc2, result)
		{
			VerifyKey  *other = lfirst(lc2);

			if (key->kid != NULL && other->kid != NULL && strcmp(key->kid, other->kid) == 0)
				refuse_jwks("another key has the same \"kid\"", number);
		}
		result = lappend(result, key);
	}
	if (result == NIL)
		refuse_jwks("it has no key for RS256, PS256, ES256 or EdDSA", 0);
	return result;
}

STEWARD_FUNCTION(steward_check_issuer_keys);

/* check_issuer_keys(jwks): raises where the set cannot be used. */
Datum
steward_check_issuer_keys(PG_FUNCTION_ARGS)
{
	text	   *jwks = PG_GETARG_TEXT_PP(0);
	char	   *server = text_to_cstring(jwks);
	char	   *utf8 = pg_server_to_any(server, (int) strlen(server), PG_UTF8);

	(void) jwks_parse(utf8, strlen(utf8));
	PG_RETURN_VOID();
}
