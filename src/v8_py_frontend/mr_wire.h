/* mr_wire.h: the wire format, one message for one value. For whoever writes a binding.
 *
 * A message is a tag byte and what the table says follows it. Numbers are little-endian and not aligned. Containers nest. The same format goes both ways; the
 * column "way" says where a tag may stand: out (from JavaScript), in (to JavaScript), or both. A reader answers a byte that breaks the rules with
 * MR_BAD_MESSAGE, and never reads past the end.
 *
 * tag  name               way   payload
 * 'u'  undefined          both  -
 * 'n'  null               both  -
 * 't'  true, 'f' false    both  -
 * 'i'  int32              both  i32: a number that is an int32 and not -0
 * 'd'  double             both  f64: any other number
 * 'b'  bigint             both  u8 negative (0 or 1), u32 n, n bytes: the magnitude, least significant byte first
 * 's'  Latin-1 string     both  u32 n, n bytes, one a character
 * 'S'  UTF-16 string      both  u32 n, n code units of 2 bytes; lone surrogates are kept
 * 'D'  date               both  f64: milliseconds since 1970-01-01T00:00Z, NaN for an invalid date
 * 'h'  hole               both  -: no value; a missing property, a gap in an array
 * 'H'  handle             both  u8 kind (MR_KIND_*), u64 id. Out: each one counts as a reference that the client releases. In: kind is not looked at
 * 'a'  array              both  u32 n, n values
 * 'I'  array of int32     both  u32 n, n times i32
 * 'F'  array of doubles   both  u32 n, n times f64
 * 'X'  exception          out   u8 flags (MR_X_*), then the values: text, name, message, filename, line, column, frames, thrown value, stack */
#ifndef MR_WIRE_H_
#define MR_WIRE_H_

#define MR_TAG_UNDEFINED 'u'
#define MR_TAG_NULL 'n'
#define MR_TAG_TRUE 't'
#define MR_TAG_FALSE 'f'
#define MR_TAG_INT32 'i'
#define MR_TAG_DOUBLE 'd'
#define MR_TAG_BIGINT 'b'
#define MR_TAG_LATIN1 's'
#define MR_TAG_UTF16 'S'
#define MR_TAG_DATE 'D'
#define MR_TAG_HOLE 'h'
#define MR_TAG_HANDLE 'H'
#define MR_TAG_ARRAY 'a'
#define MR_TAG_INT32S 'I'
#define MR_TAG_DOUBLES 'F'
#define MR_TAG_EXCEPTION 'X'

/* What a handle stands for. */
#define MR_KIND_OBJECT 0u
#define MR_KIND_ARRAY 1u
#define MR_KIND_FUNCTION 2u
#define MR_KIND_SYMBOL 3u
#define MR_KIND_PROMISE 4u
#define MR_KIND_REGEXP 5u
#define MR_KIND_MAP 6u
#define MR_KIND_SET 7u
#define MR_KIND_ERROR 8u
#define MR_KIND_ARRAY_BUFFER 9u
#define MR_KIND_VIEW 10u
#define MR_KIND_PROXY 11u

/* Flags of an exception. */
#define MR_X_PARSE 1u /* the code could not be compiled */

#endif /* MR_WIRE_H_ */
