/* mr_status.c: names and texts of the status codes, made from the table in mini_racer.h. Constant data; any thread. */
#include "mr_fork.h"

static const struct {
  int32_t value;
  const char *name;
  const char *text;
} statuses[] = {
#define MR_STATUS_ROW(name, value, text) {value, #name, text},
    MR_STATUSES(MR_STATUS_ROW)
#undef MR_STATUS_ROW
};

const char *
mr_status_name(int32_t status)
{
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].value == status) return statuses[i].name;
  return "MR_UNKNOWN";
}

const char *
mr_status_text(int32_t status)
{
  if (status == MR_FORKED && mr__fork_has_no_v8())
    return "this process was forked, and its V8 does not follow into children: use mini-racer in a process that was started (spawn), or after the last fork "
           "alone";
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].value == status) return statuses[i].text;
  return "not a status of this library";
}
