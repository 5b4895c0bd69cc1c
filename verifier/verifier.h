/*-------------------------------------------------------------------------
 *
 * verifier.h
 *	  What the files of pg_steward_verify share.
 *
 * pg_steward_verify checks the export of a log: a stand-alone program, of the
 * C library and OpenSSL's libcrypto alone, written against
 * docs/leaf-encoding.md.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_STEWARD_VERIFIER_H
#define PG_STEWARD_VERIFIER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HASH_LENGTH		32
#define SALT_LENGTH		16
#define TILE_WIDTH		256
#define MAX_LEVELS		8		/* of tiles: 256^8 leaves */
#define MAX_FIELDS		100
#define MAX_GROUPS		16
#define MAX_NOTE		1000000 /* bytes */
#define MAX_SIGNATURES	100
#define MAX_NAME		1000	/* bytes of a key's name */
#define MAX_TEXT_FILE	((size_t) 16 * 1024 * 1024)

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* util.c */
typedef struct Bytes
{
	uint8_t    *data;			/* followed by a zero that does not count */
	size_t		len;
} Bytes;

extern void *allocate(size_t size);
extern void *reallocate(void *pointer, size_t size);
extern void fail(const char *format,...) __attribute__((format(printf, 1, 2), noreturn));
extern bool file_exists(const char *path);
extern FILE *open_file(const char *path, uint64_t *size);
extern bool read_file(const char *path, size_t limit, Bytes *bytes);
extern void release(Bytes *bytes);
extern uint64_t get_uint(const uint8_t *data, int bytes);
extern bool parse_decimal(const char *text, size_t len, uint64_t *value);
extern bool base64_decode(const char *text, size_t len, uint8_t *out, size_t capacity, size_t *out_len);
extern void sha256(uint8_t *digest, int n, ...);	/* n times: const void *, size_t */
extern void hash_node(uint8_t *digest, const uint8_t *left, const uint8_t *right);
extern bool ed25519_verify(const uint8_t *key, const void *data, size_t len, const uint8_t *signature);

/* json.c: just enough to read log.json and what change_log says of logs */
typedef enum JsonType
{
	JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT
} JsonType;

typedef struct Json
{
	JsonType	type;
	char	   *text;			/* string, or number as written */
	int			n;				/* of elements or members */
	char	  **names;			/* of members */
	struct Json *items;
} Json;

extern bool json_parse(const char *text, size_t len, Json *json);
extern const Json *json_member(const Json *json, const char *name);
extern bool json_uint(const Json *json, uint64_t *value);
extern void json_free(Json *json);

/* note.c: signed notes, checkpoints, keys */
#define KEY_ED25519		0x01
#define KEY_COSIGNATURE 0x04

typedef struct Key
{
	char	   *name;
	uint8_t		id[4];
	uint8_t		type;
	uint8_t		public_key[32];
	bool		has_cosigned;	/* a witness: has it signed any checkpoint, */
	uint64_t	cosigned;		/* and the greatest size of those */
} Key;

typedef struct Keys
{
	int			n;
	Key		   *keys;
} Keys;

typedef struct Checkpoint
{
	char	   *origin;
	uint64_t	size;
	uint8_t		root[HASH_LENGTH];
} Checkpoint;

extern bool keys_add(Keys *keys, uint8_t type, const char *text, size_t len, const char **problem);
extern bool checkpoint_read(const char *note, size_t len, const char *log, const Keys *log_keys,
							const Keys *witnesses, Checkpoint *checkpoint, const char **problem);

/* format.c: what stands in the entries of a log */
typedef enum Encoding
{
	ENCODING_BOOL, ENCODING_INT, ENCODING_FLOAT, ENCODING_TIME, ENCODING_UUID,
	ENCODING_TEXT, ENCODING_BYTES, ENCODING_JSON, ENCODING_TEXTS, ENCODING_INTS
} Encoding;

typedef struct Field
{
	char	   *name;
	Encoding	encoding;
	int			group;
} Field;

typedef struct Format
{
	char	   *log;
	uint64_t	code;
	uint64_t	version;
	uint64_t	size;
	int			nfields;
	Field		fields[MAX_FIELDS];
	int			ngroups;
} Format;

/* A field that was found, without its presence byte; NULL: it is NULL. */
typedef struct Value
{
	const uint8_t *data;
	size_t		len;
} Value;

extern bool format_read(const Bytes *json, Format *format, const char **problem);
extern bool format_is_right(const Format *format, bool *is_listed);

/* leaf.c: entries and payloads */
extern const char *fields_parse(const Format *format, int group, const uint8_t *data, size_t len,
								size_t *used, Value *values);
extern const char *entry_check(const Format *format, uint64_t seq, const uint8_t *entry, size_t len,
							   Value *values, const uint8_t **commitments);
extern const char *payload_check(const Format *format, const uint8_t *payload, size_t len,
								 const uint8_t *commitments, Value *values, bool *erased);

/* evidence.c: what the change log says */
extern void evidence_add(const Format *format, const Value *values);
extern void evidence_clear(void);
extern bool evidence_redacted(const char *log, uint64_t seq, int group);
extern bool evidence_dropped(const char *log, uint64_t first, uint64_t last);

/* tree.c: roots, and offline proofs */
typedef struct Tree
{
	uint8_t		stack[64][HASH_LENGTH]; /* roots of full subtrees, largest first */
	int			nstack;
	uint64_t	count;
} Tree;

extern void tree_add(Tree *tree, const uint8_t *hash);
extern void tree_root(const Tree *tree, uint8_t *root);
extern const char *proof_check(const Bytes *proof, const Bytes *entry, const Keys *log_keys,
							   const Keys *witnesses, uint64_t *index, Checkpoint *checkpoint);

#endif							/* PG_STEWARD_VERIFIER_H */
