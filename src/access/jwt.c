/*-------------------------------------------------------------------------
 *
 * jwt.c
 *	  Reads a token (JSON Web Token, RFC 7519, signed as RFC 7515 tells) and
 *	  checks it: form, issuer, audience, key, signature, times, subject.
 *
 * Nothing that the token says decides how it is checked: which key may have
 * signed it, and by which algorithm, stands with the issuer.  An error names
 * the check that failed, and shows nothing of the token.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/token_internal.h"
#include "datatype/timestamp.h"

/* The last second of the year 9999, in seconds since 1970. */
#define LAST_SECOND		253402300799.0

/* Refuses the token for the check that failed. */
void
token_refuse(const char *check)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("token is refused: %s", check)));
}

/* The JSON object in one part of the token. */
static JsonValue *
read_part(const char *what, const char *part, Size len)
{
	uint8	   *bytes;
	Size		nbytes;
	JsonValue  *value;
	const char *problem;

	if (!base64url_decode(part, len, &bytes, &nbytes))
		token_refuse(psprintf("its %s is not base64url", what));
	value = json_tree((const char *) bytes, nbytes, &problem);
	if (value == NULL)
		token_refuse(psprintf("its %s cannot be read: %s", what, problem));
	if (value->kind != JSON_VALUE_OBJECT)
		token_refuse(psprintf("its %s is not a JSON object", what));
	return value;
}

/* A member of the header that is a string, or NULL where there is none. */
static const char *
header_string(const JsonValue *header, const char *key)
{
	const char *text = json_string(header, key);

	if (text == NULL && json_has_key(header, key))
		token_refuse(psprintf("member \"%s\" of its header is not a string", key));
	return text;
}

/* Checks the header, and tells the algorithm that it names. */
static SignatureAlgorithm
check_header(const JsonValue *header)
{
	static const char *const own_keys[] = {"jwk", "jku", "x5u", "x5c"};
	const char *alg = header_string(header, "alg");
	const char *typ = header_string(header, "typ");
	SignatureAlgorithm algorithm;

	if (alg == NULL)
		token_refuse("its header names no algorithm");
	if (pg_strcasecmp(alg, "none") == 0)
		token_refuse("it is not signed (algorithm \"none\")");
	if (!algorithm_from_name(alg, &algorithm))
		token_refuse("its algorithm is none of HS256, RS256, PS256, ES256 and EdDSA");
	if (json_has_key(header, "crit"))
		token_refuse("its header demands extensions (member \"crit\")");
	for (int i = 0; i < lengthof(own_keys); i++)
	{
		if (json_has_key(header, own_keys[i]))
			token_refuse(psprintf("it brings a key of its own (member \"%s\" of its header)", own_keys[i]));
	}
	if (typ != NULL && pg_strcasecmp(typ, "JWT") != 0 && pg_strcasecmp(typ, "at+jwt") != 0 &&
		pg_strcasecmp(typ, "application/jwt") != 0 && pg_strcasecmp(typ, "application/at+jwt") != 0)
		token_refuse("it is of another type (member \"typ\" of its header)");
	return algorithm;
}

/* Does the token's audience, a text or a list of texts, include this one? */
static bool
audience_includes(const JsonValue *claims, const char *audience)
{
	JsonValue  *aud = json_member(claims, "aud");
	ListCell   *lc;

	if (aud == NULL)
		return false;
	if (aud->kind == JSON_VALUE_STRING)
		return strcmp(aud->text, audience) == 0;
	if (aud->kind != JSON_VALUE_ARRAY)
		return false;
	foreach(lc, aud->items)
	{
		JsonValue  *item = lfirst(lc);

		if (item->kind == JSON_VALUE_STRING && strcmp(item->text, audience) == 0)
			return true;
	}
	return false;
}

/*
 * The issuer that the token claims to come from, by iss and aud; an issuer
 * for one audience goes before an issuer for any.
 */
static const Issuer *
find_issuer(const JsonValue *claims)
{
	const char *iss = json_string(claims, "iss");
	const Issuer *found = NULL;
	bool		known = false;
	ListCell   *lc;

	if (iss == NULL)
		token_refuse("it names no issuer (claim \"iss\")");
	foreach(lc, issuers())
	{
		Issuer	   *issuer = lfirst(lc);

		if (strcmp(issuer->issuer, iss) != 0)
			continue;
		known = true;
		if (issuer->audience == NULL ? found == NULL : audience_includes(claims, issuer->audience))
			found = issuer;
	}
	if (!known)
		token_refuse("its issuer is not known (claim \"iss\")");
	if (found == NULL)
		token_refuse("it is meant for another audience (claim \"aud\")");
	return found;
}

/* The one key that may have signed the token. */
static const VerifyKey *
find_key(const Issuer *issuer, const JsonValue *header, SignatureAlgorithm algorithm)
{
	const char *kid = header_string(header, "kid");
	const VerifyKey *found = NULL;
	ListCell   *lc;

	foreach(lc, issuer->keys)
	{
		VerifyKey  *key = lfirst(lc);
		bool		fits = crypto_key_fits(&key->key, algorithm) &&
		(key->any_algorithm || key->algorithm == algorithm);

		if (kid != NULL)
		{
			if (key->kid == NULL || strcmp(key->kid, kid) != 0)
				continue;
			if (!fits)
				token_refuse("its algorithm is not that of the key that it names");
			return key;
		}
		if (!fits)
			continue;
		if (found != NULL)
			token_refuse("it names no key (member \"kid\" of its header), and its issuer has several");
		found = key;
	}
	if (kid != NULL)
		token_refuse("the key that it names is not known (member \"kid\" of its header)");
	if (found == NULL)
		token_refuse("its algorithm is not that of its issuer's keys");
	return found;
}

/* Checks the signature; tells which key made it. */
static const char *
check_signature(const Issuer *issuer, const JsonValue *header, SignatureAlgorithm algorithm,
				const char *signed_text, Size len, const uint8 *signature, Size signature_len)
{
	bool		good = false;
	const char *fingerprint;

	if (issuer->keys != NIL)
	{
		const VerifyKey *key;

		if (algorithm == SIGNATURE_HS256)
			token_refuse("its algorithm is not that of its issuer's keys");
		key = find_key(issuer, header, algorithm);
		good = crypto_verify(&key->key, algorithm, signed_text, len, signature, signature_len);
		fingerprint = key->fingerprint;
	}
	else
	{
		uint8		mac[CRYPTO_SHA256_LENGTH];
		uint8	   *secret;
		Size		secret_len;

		if (algorithm != SIGNATURE_HS256)
			token_refuse("its algorithm is not that of its issuer's secret, HS256");
		secret = issuer_secret(issuer, &secret_len);
		crypto_hmac_sha256(secret, secret_len, signed_text, len, mac);
		crypto_wipe(secret, secret_len);
		good = signature_len == sizeof(mac) && crypto_equal(mac, signature, sizeof(mac));
		fingerprint = issuer->fingerprint;
	}
	if (!good)
		token_refuse("its signature is wrong");
	return fingerprint;
}

/* A claim that is a moment; false where it is missing. */
static bool
claim_time(const JsonValue *claims, const char *claim, TimestampTz *at)
{
	JsonValue  *value = json_member(claims, claim);
	double		seconds;

	if (value == NULL)
		return false;
	seconds = value->kind == JSON_VALUE_NUMBER ? strtod(value->text, NULL) : -1;
	if (!(seconds >= 0 && seconds <= LAST_SECOND))
		token_refuse(psprintf("its claim \"%s\" is not a moment in seconds since 1970", claim));
	*at = (TimestampTz) floor(seconds * USECS_PER_SEC) -
		((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
	return true;
}

/* Checks that the token counts at this moment; tells until when. */
static TimestampTz
check_times(const Issuer *issuer, const JsonValue *claims)
{
	TimestampTz now = wall_clock();
	TimestampTz expires;
	TimestampTz at;

	if (!claim_time(claims, "exp", &expires))
		token_refuse("it never expires (claim \"exp\" is missing)");
	if (claim_time(claims, "nbf", &at) && at > now + issuer->leeway)
		token_refuse("it is not valid yet (claim \"nbf\")");
	if (claim_time(claims, "iat", &at) && at > now + issuer->leeway)
		token_refuse("it was issued in the future (claim \"iat\")");
	expires += issuer->leeway;
	if (now >= expires)
		token_refuse("it has expired (claim \"exp\")");
	return expires;
}

/* The subject of the token. */
static char *
read_subject(const JsonValue *claims)
{
	const char *sub = json_string(claims, "sub");

	if (sub == NULL || sub[0] == '\0')
		token_refuse("it names no subject (claim \"sub\")");
	if (strlen(sub) > MAX_SUBJECT_LENGTH)
		token_refuse("its subject is too long (claim \"sub\")");
	for (const char *p = sub; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			token_refuse("its subject holds control characters (claim \"sub\")");
	}
	return pstrdup(sub);
}

/* Reads and checks a token; raises what is wrong with it. */
void
token_verify(const char *text, Size len, Token *token)
{
	const char *first_dot;
	const char *second_dot;
	JsonValue  *header;
	SignatureAlgorithm algorithm;
	uint8	   *signature;
	Size		signature_len;

	if (len > MAX_TOKEN_LENGTH)
		token_refuse(psprintf("it is longer than %d bytes", MAX_TOKEN_LENGTH));
	first_dot = memchr(text, '.', len);
	second_dot = first_dot == NULL ? NULL : memchr(first_dot + 1, '.', len - (first_dot + 1 - text));
	if (second_dot == NULL || memchr(second_dot + 1, '.', len - (second_dot + 1 - text)) != NULL)
		token_refuse("it does not have three parts");

	header = read_part("header", text, first_dot - text);
	algorithm = check_header(header);
	token->claims = read_part("payload", first_dot + 1, second_dot - first_dot - 1);
	if (!base64url_decode(second_dot + 1, len - (second_dot + 1 - text), &signature, &signature_len))
		token_refuse("its signature is not base64url");

	token->issuer = find_issuer(token->claims);
	token->fingerprint = check_signature(token->issuer, header, algorithm, text, second_dot - text,
										 signature, signature_len);
	token->expires = check_times(token->issuer, token->claims);
	token->subject = read_subject(token->claims);
}
