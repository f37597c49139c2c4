/* mr_python_json.c: the JSON that JSON.stringify makes, as Python's objects. Owns nothing between calls; on the thread that has the GIL.
 *
 * It reads what V8 writes: no spaces, strings whose only rare escapes are those of lone surrogates. Any other text, large integers and what is nested deeper than
 * MOST_DEPTH go to Python's own reader as a whole, which says what is wrong where something is. */
#include "mr_python_json.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "mr_python_wire.h"

#define LARGE 4096          /* bytes of text from which on the collector is paused */
#define MOST_DEPTH 200      /* levels; each is one of C's stack */
#define KEYS 256            /* that are remembered, by their hash: the last one of each */
#define LONGEST_KEY 64      /* bytes */
#define LONGEST_CHARACTER 4 /* bytes */
#define MOST_DIGITS 18      /* of an integer: it fits into 64 bits */
#define MOST_POWER 22       /* 10 to this and less is a double without an error */

typedef struct known_key {
  const char *text; /* in the message */
  size_t size;
  mr__object *object; /* owned; NULL: none yet */
} known_key;

typedef struct parser {
  const char *at, *end;   /* at `end` is a NUL, which no JSON has in it: so nothing else asks for the end */
  mr__object **items;     /* elements of lists that are not at their end; owned */
  size_t count, capacity; /* of `items` */
  int depth;
  known_key keys[KEYS];
} parser;

/* NULL: with an exception, or without one when the text is for Python's reader. */
static mr__object *value_of(parser *from);

/* Whether one of eight bytes ends a run of plain ASCII: a quote, a backslash, a control character, or a byte of a longer character. */
static bool
ends_run(uint64_t bytes)
{
  const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
  uint64_t quotes = bytes ^ ones * '"', slashes = bytes ^ ones * '\\';
  return ((bytes | (bytes - ones * 0x20) | (quotes - ones) | (slashes - ones)) & tops) != 0;
}

/* Goes to the byte that ends the string, or is an escape or a control character, or to `end`. Whether all before it was ASCII. */
static bool
skip_text(parser *from)
{
  bool ascii = true;
  for (;;) {
    uint64_t bytes;
    while (from->end - from->at >= (ptrdiff_t)sizeof bytes) {
      memcpy(&bytes, from->at, sizeof bytes);
      if (ends_run(bytes)) break;
      from->at += sizeof bytes;
    }
    for (int i = 0; i < (int)sizeof bytes; i++, from->at++) {
      unsigned char byte = (unsigned char)*from->at;
      if (byte == '"' || byte == '\\' || byte < 0x20) return ascii;
      if (byte >= 0x80) ascii = false;
    }
  }
}

static int
hex_of(char digit)
{
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The four digits of an escape; -1: there are none. */
static int
unit_at(const char *at)
{
  int unit = 0;
  for (int i = 0; i < 4; i++) {
    int digit = hex_of(at[i]);
    if (digit < 0) return -1; /* a NUL, at the latest */
    unit = unit << 4 | digit;
  }
  return unit;
}

/* Writes a character as UTF-8, surrogates too, and returns where the next one goes. */
static char *
put_character(char *to, uint32_t character)
{
  if (character < 0x80) {
    *to++ = (char)character;
    return to;
  }
  if (character < 0x800) {
    *to++ = (char)(0xC0 | character >> 6);
  } else {
    if (character < 0x10000) {
      *to++ = (char)(0xE0 | character >> 12);
    } else {
      *to++ = (char)(0xF0 | character >> 18);
      *to++ = (char)(0x80 | (character >> 12 & 0x3F));
    }
    *to++ = (char)(0x80 | (character >> 6 & 0x3F));
  }
  *to++ = (char)(0x80 | (character & 0x3F));
  return to;
}

/* Takes an escape, of which the backslash is next; -1: it is none. */
static int32_t
take_escape(parser *from)
{
  static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  char name = from->at[1];
  const char *found = name ? strchr(names, name) : NULL;
  if (found) {
    from->at += 2;
    return meant[found - names];
  }
  int unit = name == 'u' ? unit_at(from->at + 2) : -1;
  if (unit < 0) return -1;
  from->at += 6;
  if ((unit & 0xFC00) != 0xD800 || from->at[0] != '\\' || from->at[1] != 'u') return unit;
  int low = unit_at(from->at + 2);
  if (low < 0 || (low & 0xFC00) != 0xDC00) return unit;
  from->at += 6;
  return 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
}

/* The rest of a string that has an escape, which is next. No escape is shorter than what it stands for. */
static mr__object *
escaped(parser *from, const char *start)
{
  const char *close = from->at;
  while (*close != '"' && close < from->end) close += *close == '\\' && close + 1 < from->end ? 2 : 1;
  size_t capacity = (size_t)(close - start) + LONGEST_CHARACTER;
  char *text = malloc(capacity), *to = text;
  mr__object *made = NULL;
  if (!text) return py.PyErr_NoMemory();
  memcpy(to, start, (size_t)(from->at - start));
  to += from->at - start;
  while (*from->at == '\\') {
    int32_t character = take_escape(from);
    if (character < 0 || (size_t)(to - text) + LONGEST_CHARACTER > capacity) break;
    to = put_character(to, (uint32_t)character);
    const char *plain = from->at;
    skip_text(from);
    memcpy(to, plain, (size_t)(from->at - plain));
    to += from->at - plain;
  }
  if (*from->at == '"') {
    from->at++;
    made = py.PyUnicode_DecodeUTF8(text, to - text, "surrogatepass");
  }
  free(text);
  return made;
}

/* A string, behind its quote. */
static mr__object *
string_of(parser *from)
{
  const char *start = from->at;
  bool ascii = skip_text(from);
  if (*from->at == '\\') return escaped(from, start);
  if (*from->at != '"') return NULL;
  mr__size size = from->at++ - start;
  return ascii ? py.PyUnicode_DecodeLatin1(start, size, NULL) : py.PyUnicode_DecodeUTF8(start, size, NULL);
}

/* A key, with its quotes and its colon. A new reference. */
static mr__object *
key_of(parser *from)
{
  if (*from->at != '"') return NULL;
  const char *start = ++from->at;
  uint32_t hash = 0;
  mr__object *key;
  while (*from->at != '"' && *from->at != '\\' && (unsigned char)*from->at >= 0x20 && from->at - start < LONGEST_KEY)
    hash = hash * 31 + (unsigned char)*from->at++;
  if (*from->at == '"') {
    size_t size = (size_t)(from->at - start);
    known_key *known = &from->keys[(hash ^ hash >> 8) % KEYS];
    from->at++;
    if (known->object && known->size == size && memcmp(known->text, start, size) == 0) {
      key = known->object;
    } else {
      key = py.PyUnicode_DecodeUTF8(start, (mr__size)size, NULL);
      if (!key) return NULL;
      if (known->object) py.Py_DecRef(known->object);
      *known = (known_key){start, size, key};
    }
    py.Py_IncRef(key);
  } else {
    from->at = start;
    key = string_of(from);
  }
  if (!key || *from->at++ == ':') return key;
  py.Py_DecRef(key);
  return NULL;
}

/* A double: its text, and the digits of it as a whole number, times 10 to a power. */
static mr__object *
double_of(const char *start, const char *end, uint64_t digits, int power)
{
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (FLT_EVAL_METHOD == 0 && digits <= UINT64_C(1) << 53 && power <= MOST_POWER && power >= -MOST_POWER) { /* both are exact: one rounding, as it has to be */
    double value = power < 0 ? (double)digits / powers[-power] : (double)digits * powers[power];
    return py.PyFloat_FromDouble(*start == '-' ? -value : value);
  }
  char *stop = NULL;
  double value = py.PyOS_string_to_double(start, &stop, NULL);
  if (stop == end && !py.PyErr_Occurred()) return py.PyFloat_FromDouble(value);
  py.PyErr_Clear();
  return NULL;
}

static mr__object *
number_of(parser *from)
{
  const char *start = from->at, *at = start + (*start == '-'), *first = at;
  uint64_t digits = 0;
  int power = 0, count = 0;
  for (; *at >= '0' && *at <= '9'; at++, count++)
    if (count < MOST_DIGITS) digits = digits * 10 + (uint64_t)(*at - '0');
  if (!count || (*first == '0' && count > 1)) return NULL;
  if (*at != '.' && *at != 'e' && *at != 'E') {
    from->at = at;
    return count > MOST_DIGITS ? NULL : py.PyLong_FromLongLong(*start == '-' ? -(long long)digits : (long long)digits);
  }
  if (*at == '.') {
    const char *point = at++;
    for (; *at >= '0' && *at <= '9'; at++, count++)
      if (count < MOST_DIGITS) digits = digits * 10 + (uint64_t)(*at - '0');
    if (at == point + 1) return NULL;
    power = (int)(point + 1 - at);
  }
  if (*at == 'e' || *at == 'E') {
    bool negative = at[1] == '-';
    at += at[1] == '-' || at[1] == '+' ? 2 : 1;
    const char *exponent = at;
    int by = 0;
    for (; *at >= '0' && *at <= '9'; at++) by = by < 10000 ? by * 10 + (*at - '0') : by;
    if (at == exponent) return NULL;
    power += negative ? -by : by;
  }
  from->at = at;
  return double_of(start, at, count > MOST_DIGITS ? UINT64_MAX : digits, power);
}

static bool
push(parser *to, mr__object *item)
{
  if (to->count == to->capacity) {
    size_t capacity = to->capacity ? to->capacity * 2 : 64;
    mr__object **grown = realloc(to->items, capacity * sizeof *grown);
    if (!grown) {
      py.PyErr_NoMemory();
      py.Py_DecRef(item);
      return false;
    }
    to->items = grown;
    to->capacity = capacity;
  }
  to->items[to->count++] = item;
  return true;
}

/* A list, behind its bracket. Its elements wait until their number is known. */
static mr__object *
list_of(parser *from)
{
  size_t start = from->count;
  if (*from->at == ']') {
    from->at++;
    return py.PyList_New(0);
  }
  do {
    mr__object *item = value_of(from);
    if (!item || !push(from, item)) return NULL; /* who frees the parser frees the others */
  } while (*from->at++ == ',');
  if (from->at[-1] != ']') return NULL;
  mr__object *list = py.PyList_New((mr__size)(from->count - start));
  for (size_t i = start; list && i < from->count; i++) py.PyList_SetItem(list, (mr__size)(i - start), from->items[i]);
  if (list) from->count = start;
  return list;
}

/* An object, behind its brace. */
static mr__object *
dict_of(parser *from)
{
  mr__object *dict = py.PyDict_New();
  if (!dict) return NULL;
  if (*from->at == '}') {
    from->at++;
    return dict;
  }
  do {
    mr__object *key = key_of(from), *value = key ? value_of(from) : NULL;
    bool ok = value && py.PyDict_SetItem(dict, key, value) == 0;
    if (key) py.Py_DecRef(key);
    if (value) py.Py_DecRef(value);
    if (!ok) goto failed;
  } while (*from->at++ == ',');
  if (from->at[-1] == '}') return dict;
failed:
  py.Py_DecRef(dict);
  return NULL;
}

static mr__object *
word_of(parser *from, const char *word, size_t size, mr__object *object)
{
  if (strncmp(from->at, word, size) != 0) return NULL;
  from->at += size;
  py.Py_IncRef(object);
  return object;
}

static mr__object *
value_of(parser *from)
{
  mr__object *made = NULL;
  switch (*from->at) {
  case '"':
    from->at++;
    return string_of(from);
  case '{':
  case '[':
    if (from->depth == MOST_DEPTH) return NULL;
    from->depth++;
    made = *from->at++ == '{' ? dict_of(from) : list_of(from);
    from->depth--;
    return made;
  case 't':
    return word_of(from, "true", 4, py.True);
  case 'f':
    return word_of(from, "false", 5, py.False);
  case 'n':
    return word_of(from, "null", 4, py.None);
  default:
    return number_of(from);
  }
}

mr__object *
mr__python_json(mr__object *text)
{
  mr__size size;
  const char *data = py.PyUnicode_AsUTF8AndSize(text, &size);
  if (!data) { /* it has lone surrogates */
    py.PyErr_Clear();
    return NULL;
  }
  parser from = {.at = data, .end = data + size};
  if (size >= LARGE) mr__python_pause_collector();
  mr__object *value = value_of(&from);
  if (value && from.at != from.end) {
    py.Py_DecRef(value);
    value = NULL;
  }
  if (size >= LARGE) mr__python_resume_collector();
  while (from.count) py.Py_DecRef(from.items[--from.count]);
  free(from.items);
  for (int i = 0; i < KEYS; i++)
    if (from.keys[i].object) py.Py_DecRef(from.keys[i].object);
  return value;
}
