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
 * 'x'  text               in    u32 index: the string whose characters are mr_options.texts[index]; no key of an object
 * 'D'  date               both  f64: milliseconds since 1970-01-01T00:00Z, NaN for an invalid date
 * 'h'  hole               both  -: no value; a missing property, a gap in an array
 * 'H'  handle             both  u8 kind (MR_KIND_*), u64 id. Out: each one counts as a reference that the client releases. In: kind is not looked at
 * 'a'  array              both  u32 n, n values
 * 'I'  array of int32     both  u32 n, n times i32
 * 'F'  array of doubles   both  u32 n, n times f64
 * 'o'  object             both  u32 n, n times a key and a value
 * 'O'  instance           out   the value name (of its class; with MR_CLASS_NAMES alone), then as 'o'
 * 'm'  Map                both  u32 n, n times a key (any value) and a value
 * 'e'  Set                both  u32 n, n values
 * 'E'  error              both  the values name, message, stack (strings, or undefined), cause (a hole when there is none)
 * 'R'  reference          both  u32 index: the container of that number in this message once more
 * 'v'  buffer             out   u8 element (MR_ELEMENT_*), u8 flags (MR_BUFFER_*), u64 store, u64 address, u64 bytes, u64 handle (0: none)
 * 'V'  typed array        in    u8 element, u64 n, n bytes: its content
 * 'W'  typed array        in    u8 element, u32 index: its content is mr_options.buffers[index]
 * 'p'  host function      in    u64 id, u32 length (how many arguments it says it takes), then the value name: a function that calls the host
 * 'Y'  host error         both  u64 id (0: none), then the strings name, message: an Error that remembers the id. Out: as the cause of an exception
 * 'P'  host object        both  u8 flags (MR_HOST_*; 0 on the way out), u64 id: an object whose every trait JavaScript asks the host for
 * 'X'  exception          out   u8 flags (MR_X_*), u64 id of the host error it is or came from (0: none), then the values: text, name, message, filename, line, column,
 *                               frames (an array of arrays: function, file, line, column), what was thrown, stack, cause (a hole when there is none)
 *
 * A key of an object is a string's message, or 'K' and u32 index: the key of that number in this message once more. Keys and containers ('a' 'I' 'F' 'o' 'O' 'm' 'e'
 * 'E' 'v' 'V' 'W') are numbered from 0, each in the order in which they begin, so that cycles and what is shared stay so.
 *
 * Ids of the host's functions, errors and objects are below 2^53.
 *
 * A view of a script's memory ('v') holds on to its store until mr_store_release(); it stays readable after the buffer was detached, collected, or its context
 * closed. MR_BUFFER_COPY says that the bytes are a copy, made because the memory could shrink below a view. */
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
#define MR_TAG_TEXT 'x'
#define MR_TAG_DATE 'D'
#define MR_TAG_HOLE 'h'
#define MR_TAG_HANDLE 'H'
#define MR_TAG_ARRAY 'a'
#define MR_TAG_INT32S 'I'
#define MR_TAG_DOUBLES 'F'
#define MR_TAG_OBJECT 'o'
#define MR_TAG_INSTANCE 'O'
#define MR_TAG_MAP 'm'
#define MR_TAG_SET 'e'
#define MR_TAG_ERROR 'E'
#define MR_TAG_REFERENCE 'R'
#define MR_TAG_BUFFER 'v'
#define MR_TAG_TYPED_ARRAY 'V'
#define MR_TAG_TYPED_ARRAY_OF 'W'
#define MR_TAG_HOST_FUNCTION 'p'
#define MR_TAG_HOST_ERROR 'Y'
#define MR_TAG_HOST_OBJECT 'P'
#define MR_TAG_KEY 'K'
#define MR_TAG_EXCEPTION 'X'

/* What a host object is: one of these, ... */
#define MR_HOST_OBJECT 0u
#define MR_HOST_SEQUENCE 1u /* an array to JavaScript */
#define MR_HOST_CALLABLE 2u
#define MR_HOST_ITERATOR 3u
#define MR_HOST_ASYNC_ITERATOR 4u
/* ... and whether the first three have [Symbol.iterator] and [Symbol.asyncIterator]. */
#define MR_HOST_ITERABLE 8u
#define MR_HOST_ASYNC_ITERABLE 16u

/* What JavaScript asks about a host object, by mr_host_call: the message is an array of one of these numbers and the values that the table says; keys are
 * strings. The answer by mr_reply_set():
 *   GET [key]            the value, or a hole: then JavaScript looks at what it has inherited
 *   SET [key, value]     a boolean: false is an error in strict code
 *   HAS, DELETE [key]    a boolean
 *   KEYS []              an array of strings, each of them once; with "length" for a sequence
 *   DESCRIBE [key]       [value, whether it can be set, whether loops see it], or a hole
 *   CALL [this, arguments...]
 *   ITERATE []           an iterator
 *   NEXT, RETURN, THROW [value], or []: of an iterator the next value, or a hole when it is at its end; of an async iterator a promise of {value, done} */
#define MR_ASK_GET 0u
#define MR_ASK_SET 1u
#define MR_ASK_HAS 2u
#define MR_ASK_DELETE 3u
#define MR_ASK_KEYS 4u
#define MR_ASK_DESCRIBE 5u
#define MR_ASK_CALL 6u
#define MR_ASK_ITERATE 7u
#define MR_ASK_NEXT 8u
#define MR_ASK_RETURN 9u
#define MR_ASK_THROW 10u

/* What a script says to its console, by mr_host_call with the id MR_HOST_CONSOLE: as if it called a function with
 *   the method's name, its level (MR_CONSOLE_*), the text, the script's name (undefined where no script called it), line, column, how many groups it is in,
 *   and what belongs to the text: of `trace` the stack, of `table` an array of rows of strings, the first one the head; else undefined; then its own arguments. */
#define MR_CONSOLE_DEBUG 0u
#define MR_CONSOLE_INFO 1u
#define MR_CONSOLE_WARNING 2u
#define MR_CONSOLE_ERROR 3u

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
#define MR_KIND_PROXY 9u
#define MR_KIND_BUFFER 10u
#define MR_KIND_SCRIPT 12u /* a compiled script */
#define MR_KIND_MODULE 11u /* a module's namespace */

/* What the bytes of a buffer are. The order of JavaScript's typed arrays. */
#define MR_ELEMENT_BYTES 0u /* an ArrayBuffer or a SharedArrayBuffer */
#define MR_ELEMENT_INT8 1u
#define MR_ELEMENT_UINT8 2u
#define MR_ELEMENT_UINT8_CLAMPED 3u
#define MR_ELEMENT_INT16 4u
#define MR_ELEMENT_UINT16 5u
#define MR_ELEMENT_INT32 6u
#define MR_ELEMENT_UINT32 7u
#define MR_ELEMENT_BIGINT64 8u
#define MR_ELEMENT_BIGUINT64 9u
#define MR_ELEMENT_FLOAT16 10u
#define MR_ELEMENT_FLOAT32 11u
#define MR_ELEMENT_FLOAT64 12u
#define MR_ELEMENT_DATA_VIEW 13u

/* Flags of a buffer. */
#define MR_BUFFER_COPY 1u /* the script's memory is elsewhere */

/* Flags of an exception. */
#define MR_X_PARSE 1u    /* the code could not be compiled */
#define MR_X_REJECTED 2u /* it is what a promise was rejected with */

#endif /* MR_WIRE_H_ */
