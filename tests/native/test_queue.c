/* test_queue.c: submissions: each comes to its end exactly once, in order, whatever becomes of the context; and few threads do it. */
#include <dirent.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

#define MOST 20000

/* What has been told, by the submission's number. */
static struct {
  pthread_mutex_t mutex;
  int count;
  uint64_t order[MOST];
  mr_status status[MOST];
  int32_t number[MOST]; /* of an answer `int N` */
  int twice;
  int64_t delay; /* how long the client takes for each */
} told = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static mr_context context;
static atomic_int events;

static void
on_event(void *data, mr_context from, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data, (void)from;
  if (MR_EVENT_KIND(event) != MR_EVENT_DONE) {
    atomic_fetch_add(&events, 1);
    return;
  }
  if (told.delay) sleep_for(told.delay);
  pthread_mutex_lock(&told.mutex);
  REQUIRE(told.count < MOST && id < MOST);
  for (int i = 0; i < told.count && told.count < 1000; i++) told.twice += told.order[i] == id;
  told.order[told.count++] = id;
  told.status[id] = MR_EVENT_STATUS(event);
  if (size == 5 && message[0] == MR_TAG_INT32) memcpy(&told.number[id], message + 1, sizeof told.number[id]);
  pthread_mutex_unlock(&told.mutex);
}

static int
told_count(void)
{
  pthread_mutex_lock(&told.mutex);
  int count = told.count;
  pthread_mutex_unlock(&told.mutex);
  return count;
}

static void
await_told(int count)
{
  for (int64_t end = mr__now() + 30000 * MS; told_count() < count; sleep_for(MS / 2)) REQUIRE(mr__now() < end);
}

static void
await_events(int count)
{
  for (int64_t end = mr__now() + 30000 * MS; atomic_load(&events) < count; sleep_for(MS / 2)) REQUIRE(mr__now() < end);
}

static int
open_one(void **state)
{
  (void)state;
  told.count = told.twice = 0;
  told.delay = 0;
  memset(told.status, 0x55, sizeof told.status);
  atomic_store(&events, 0);
  context = open_with_events(on_event);
  return 0;
}

static int
close_one(void **state)
{
  mr_context_close(context);
  assert_int_equal(told.twice, 0);
  return nothing_left(state);
}

static mr_status
submit(mr_context to, uint64_t number, const char *script, int64_t timeout)
{
  char copy[256]; /* the library has its own when this returns */
  size_t size = strlen(script);
  memcpy(copy, script, size);
  mr_options options = {.struct_size = sizeof options, .timeout = timeout, .call = number};
  mr_status status = mr_submit(to, MR_DO_EVAL, 0, copy, size, &options);
  memset(copy, 'x', sizeof copy);
  return status;
}

static void
they_run_in_order_and_answer(void **state)
{
  (void)state;
  for (uint64_t i = 0; i < 500; i++) {
    char script[32];
    snprintf(script, sizeof script, "int %d", (int)i * 3);
    assert_int_equal(submit(context, i + 1, script, 0), MR_OK);
  }
  await_told(500);
  for (uint64_t i = 0; i < 500; i++) {
    assert_int_equal(told.order[i], i + 1);
    assert_int_equal(told.status[i + 1], MR_OK);
    assert_int_equal(told.number[i + 1], (int)i * 3);
  }
}

static void
what_goes_wrong_is_told(void **state)
{
  (void)state;
  submit(context, 1, "throw oops", 0);
  submit(context, 2, "fail -17", 0);
  submit(context, 3, "loop", 10 * MS);
  submit(context, 4, "int 4", 0);
  await_told(4);
  assert_int_equal(told.status[1], MR_EXCEPTION);
  assert_int_equal(told.status[2], MR_TOO_DEEP);
  assert_int_equal(told.status[3], MR_TIMEOUT);
  assert_int_equal(told.number[4], 4);
}

static void
what_cannot_be_submitted_is_refused_and_never_told(void **state)
{
  (void)state;
  mr_options numbered = {.struct_size = sizeof numbered, .call = 1}, bad = {.struct_size = 3, .call = 1},
             late = {.struct_size = sizeof late, .call = 1, .timeout = -1};
  assert_int_equal(mr_submit(context, MR_DO_EVAL, 0, "int 1", 5, NULL), MR_BAD_ARGUMENT); /* no number */
  assert_int_equal(mr_submit(context, MR_DO_EVAL, 0, NULL, 5, &numbered), MR_BAD_ARGUMENT);
  assert_int_equal(mr_submit(context, MR_DO_EVAL, 0, "int 1", 5, &bad), MR_BAD_ARGUMENT);
  assert_int_equal(mr_submit(context, MR_DO_EVAL, 0, "int 1", 5, &late), MR_BAD_ARGUMENT);
  assert_int_equal(mr_submit(context, 0, 0, "int 1", 5, &numbered), MR_BAD_ARGUMENT);
  assert_int_equal(mr_submit(context, MR_DO_LOW_MEMORY + 1, 0, "int 1", 5, &numbered), MR_BAD_ARGUMENT);
  assert_int_equal(mr_submit(context, MR_DO_EVAL, 7, "int 1", 5, &numbered), MR_BAD_ARGUMENT);
  assert_int_equal(mr_submit(context, MR_DO_CALL, 0, "int 1", 5, &numbered), MR_BAD_HANDLE);
  assert_int_equal(mr_submit(0, MR_DO_EVAL, 0, "int 1", 5, &numbered), MR_BAD_CONTEXT);
  mr_context closed = open_with_events(on_event);
  mr_context_close(closed);
  assert_int_equal(mr_submit(closed, MR_DO_EVAL, 0, "int 1", 5, &numbered), MR_BAD_CONTEXT);
  assert_int_equal(mr_submit(context, MR_DO_CALL, 12345, "int 1", 5, &numbered), MR_OK); /* stale: found out when it runs */
  await_told(1);
  assert_int_equal(told.status[1], MR_BAD_HANDLE);
  sleep_for(5 * MS);
  assert_int_equal(told_count(), 1);
}

static void
each_operation_is_the_function_of_its_name(void **state)
{
  (void)state;
  static const bool on_value[] = {
      [MR_DO_CALL] = true,           [MR_DO_CALL_METHOD] = true, [MR_DO_CONSTRUCT] = true,  [MR_DO_GET] = true,  [MR_DO_SET] = true,
      [MR_DO_DELETE] = true,         [MR_DO_HAS] = true,         [MR_DO_KEYS] = true,       [MR_DO_READ] = true, [MR_DO_AWAIT] = true,
      [MR_DO_PROMISE_SETTLE] = true, [MR_DO_PREVIEW] = true,     [MR_DO_LOW_MEMORY] = false};
  mr_handle target = eval_handle(context, "handle a");
  for (uint32_t operation = MR_DO_EVAL; operation <= MR_DO_LOW_MEMORY; operation++) {
    mr_options options = {.struct_size = sizeof options, .call = operation};
    assert_int_equal(mr_submit(context, operation, on_value[operation] ? target : 0, "int 9", 5, &options), MR_OK);
  }
  await_told(MR_DO_LOW_MEMORY);
  for (uint32_t operation = MR_DO_EVAL; operation <= MR_DO_LOW_MEMORY; operation++) assert_int_equal(told.status[operation], MR_OK);
}

static void
all_that_options_point_to_is_copied(void **state)
{
  (void)state;
  char name[] = "a.js", first[] = "12345", code[] = "int 5";
  mr_slice slices[] = {{first, 5}, {NULL, 0}, {first, 1}};
  mr_options options = {.struct_size = sizeof options, .call = 1, .filename = name, .buffers = slices, .buffer_count = COUNT(slices)};
  submit(context, 2, "sleep 10", 0);
  assert_int_equal(mr_submit(context, MR_DO_EVAL, 0, code, 5, &options), MR_OK);
  memset(name, 0, sizeof name);
  memset(first, 0, sizeof first);
  memset(code, 0, sizeof code);
  memset(slices, 0xff, sizeof slices);
  await_told(2);
  assert_int_equal(told.number[1], 5);
}

static void
one_that_waits_times_out_in_time(void **state)
{
  (void)state;
  atomic_bool inside = false;
  job holder = {.context = context, .script = "call; sleep 400"};
  start_inside(&holder, &inside);
  int64_t begin = mr__now();
  submit(context, 1, "int 1", 20 * MS);
  submit(context, 2, "int 2", 0);
  await_told(1);
  assert_true(mr__now() - begin < 380 * MS); /* the context is still in use */
  assert_false(atomic_load(&holder.done));
  assert_int_equal(told.order[0], 1);
  assert_int_equal(told.status[1], MR_TIMEOUT);
  finish_job(&holder);
  await_told(2);
  assert_int_equal(told.number[2], 2);
}

static void
one_that_waits_for_another_times_out_and_is_cancelled_in_time(void **state)
{
  (void)state;
  submit(context, 1, "loop", 0);
  submit(context, 2, "int 2", 20 * MS);
  submit(context, 3, "int 3", 0);
  await_told(1);
  assert_int_equal(told.status[2], MR_TIMEOUT);
  mr_cancel(context, 3);
  await_told(2);
  assert_int_equal(told.status[3], MR_TERMINATED);
  mr_cancel(context, 1);
  await_told(3);
}

static void
a_cancel_keeps_one_from_beginning(void **state)
{
  (void)state;
  atomic_bool inside = false;
  job holder = {.context = context, .script = "call; sleep 300"};
  start_inside(&holder, &inside);
  for (uint64_t i = 1; i <= 4; i++) submit(context, i, "int 1", 0);
  mr_cancel(context, 3);
  mr_cancel(context, 4);
  mr_cancel(context, 1);
  await_told(3);
  assert_false(atomic_load(&holder.done));
  assert_int_equal(told.status[1], MR_TERMINATED);
  assert_int_equal(told.status[3], MR_TERMINATED);
  assert_int_equal(told.status[4], MR_TERMINATED);
  finish_job(&holder);
  submit(context, 5, "int 5", 0); /* the queue's end is where it was */
  await_told(5);
  assert_int_equal(told.status[2], MR_OK);
  assert_int_equal(told.number[5], 5);
}

static void
a_cancel_ends_the_one_that_runs(void **state)
{
  (void)state;
  for (uint64_t i = 1; i <= 100; i++) { /* at all moments: before, while it begins, while it runs */
    submit(context, i, "loop", 0);
    if (i % 2) sleep_for((int64_t)i * MS / 50);
    mr_cancel(context, i);
    await_told((int)i);
    assert_int_equal(told.status[i], MR_TERMINATED);
  }
  submit(context, 101, "int 5", 0);
  await_told(101);
  assert_int_equal(told.number[101], 5);
}

static void
a_close_ends_and_tells_all(void **state)
{
  (void)state;
  for (int round = 0; round < 30; round++) {
    told.count = 0;
    told.delay = round % 3 ? MS / 10 : 0;
    mr_context closed = open_with_events(on_event);
    for (uint64_t i = 1; i <= 50; i++) submit(closed, i, i == 20 ? "loop" : "int 1", 0);
    sleep_for(round * MS / 20);
    mr_context_close(closed);
    assert_int_equal(told_count(), 50); /* before it returns */
    for (int i = 1; i <= 50; i++) assert_true(told.status[i] == MR_CLOSED || (told.status[i] == MR_OK && i < 20));
  }
}

static void
close_it(void *data)
{
  mr_context_close(*(mr_context *)data);
}

static void
a_close_from_within_tells_all(void **state)
{
  (void)state;
  mr_context closed = open_with_events(on_event);
  job closer = {.context = closed, .script = "call; int 1", .on_call = {close_it, &closed}};
  atomic_bool inside = false;
  job holder = {.context = closed, .script = "call; sleep 50"};
  start_inside(&holder, &inside);
  for (uint64_t i = 1; i <= 10; i++) submit(closed, i, "int 1", 0);
  start_job(&closer);
  finish_job(&closer);
  finish_job(&holder);
  await_told(10);
  while (mr_context_count() > 1) sleep_for(MS);
}

static void
a_busy_context_costs_no_thread_and_delays_no_other(void **state)
{
  (void)state;
  enum { BUSY = 80 };
  static mr_context busy[BUSY];
  static job holders[BUSY];
  static atomic_bool inside[BUSY];
  for (int i = 0; i < BUSY; i++) {
    busy[i] = open_with_events(on_event);
    eval_int(busy[i], "timer 1 event 1 1");
    holders[i] = (job){.context = busy[i], .script = "call; loop"};
    start_inside(&holders[i], &inside[i]);
    submit(busy[i], (uint64_t)i + 1, "int 1", 0);
  }
  sleep_for(20 * MS);
  submit(context, 1000, "int 7", 0);
  eval_int(context, "timer 1 event 1 2");
  await_told(1);
  await_events(1);
  assert_int_equal(told.number[1000], 7);
  for (int i = 0; i < BUSY; i++) mr_terminate(busy[i]);
  for (int i = 0; i < BUSY; i++) finish_job(&holders[i]);
  await_told(BUSY + 1);
  await_events(BUSY + 1);
  for (int i = 0; i < BUSY; i++) mr_context_close(busy[i]);
}

static atomic_bool stop;

static void *
hammer(void *data)
{
  while (!atomic_load(&stop)) eval(*(mr_context *)data, "int 1", 0);
  return NULL;
}

static void
callers_without_end_do_not_keep_them_out(void **state)
{
  (void)state;
  pthread_t threads[2];
  atomic_store(&stop, false);
  for (size_t i = 0; i < COUNT(threads); i++) REQUIRE(pthread_create(&threads[i], NULL, hammer, &context) == 0);
  for (uint64_t i = 1; i <= 20; i++) {
    submit(context, i, "int 1", 0);
    await_told((int)i);
  }
  eval_int(context, "timer 1 event 1 1");
  await_events(1);
  atomic_store(&stop, true);
  for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
}

static void
they_do_not_keep_callers_out(void **state)
{
  (void)state;
  for (uint64_t i = 1; i <= 2000; i++) submit(context, i, "int 1", 0);
  assert_int_equal(eval_int(context, "int 3"), 3);
  await_told(2000);
}

static int
threads_of_this_process(void)
{
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  REQUIRE(tasks);
  for (const struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static void
many_contexts_need_few_threads(void **state)
{
  (void)state;
  enum { CONTEXTS = 1000 };
  static mr_context many[CONTEXTS];
  for (int i = 0; i < CONTEXTS; i++) many[i] = open_with_events(on_event);
  int before = threads_of_this_process(), most = 0;
  for (uint64_t i = 0; i < CONTEXTS; i++) submit(many[i], i + 1, "sleep 1; int 1", 0);
  for (int now; told_count() < CONTEXTS; sleep_for(MS))
    if ((now = threads_of_this_process()) > most) most = now;
  assert_true(most <= before + 65);
  for (int i = 0; i < CONTEXTS; i++) mr_context_close(many[i]);
}

/* Submissions, cancels and timeouts from several threads, and a close in the middle. */
typedef struct worker {
  mr_context to;
  uint64_t first;
  uint64_t accepted;
  pthread_t thread;
} worker;

static void *
work(void *data)
{
  worker *mine = data;
  static const char *const scripts[] = {"int 1", "sleep 1", "loop", "throw a", "timer 0 int 1", "handle a"};
  for (uint64_t i = 0; i < 300; i++) {
    uint64_t number = mine->first + i;
    const char *script = scripts[number % COUNT(scripts)];
    int64_t timeout = strcmp(script, "loop") == 0 ? MS : number % 7 ? 0 : MS;
    mine->accepted += submit(mine->to, number, script, timeout) == MR_OK;
    if (number % 5 == 0) mr_cancel(mine->to, number - number % 3);
  }
  return NULL;
}

static void
everything_at_once(void **state)
{
  (void)state;
  for (int round = 0; round < 4; round++) {
    pthread_mutex_lock(&told.mutex);
    told.count = 0;
    pthread_mutex_unlock(&told.mutex);
    mr_context shared = open_with_events(on_event);
    worker workers[4];
    for (size_t i = 0; i < COUNT(workers); i++) {
      workers[i] = (worker){.to = shared, .first = 1 + i * 1000};
      REQUIRE(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    if (round % 2) {
      sleep_for(5 * MS);
      mr_context_close(shared);
    }
    uint64_t accepted = 0;
    for (size_t i = 0; i < COUNT(workers); i++) {
      pthread_join(workers[i].thread, NULL);
      accepted += workers[i].accepted;
    }
    await_told((int)accepted);
    mr_context_close(shared);
    sleep_for(2 * MS);
    assert_int_equal(told_count(), accepted);
  }
}

static void
a_child_has_none_of_the_parents(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  atomic_bool inside = false;
  mr_context idle = open_with_events(on_event);
  job holder = {.context = context, .script = "call; sleep 200"};
  start_inside(&holder, &inside);
  submit(context, 1, "int 1", 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(20);
    submit(idle, 2, "int 2", 0);
    await_told(1);
    sleep_for(20 * MS);
    _exit(told_count() == 1 && told.order[0] == 2 && told.number[2] == 2 ? 0 : 1);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  finish_job(&holder);
  await_told(1);
  assert_int_equal(told.order[0], 1);
  mr_context_close(idle);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(many_contexts_need_few_threads),
      TEST(they_run_in_order_and_answer),
      TEST(what_goes_wrong_is_told),
      TEST(what_cannot_be_submitted_is_refused_and_never_told),
      TEST(each_operation_is_the_function_of_its_name),
      TEST(all_that_options_point_to_is_copied),
      TEST(one_that_waits_times_out_in_time),
      TEST(one_that_waits_for_another_times_out_and_is_cancelled_in_time),
      TEST(a_cancel_keeps_one_from_beginning),
      TEST(a_cancel_ends_the_one_that_runs),
      TEST(a_close_ends_and_tells_all),
      TEST(a_close_from_within_tells_all),
      TEST(a_busy_context_costs_no_thread_and_delays_no_other),
      TEST(callers_without_end_do_not_keep_them_out),
      TEST(they_do_not_keep_callers_out),
      TEST(everything_at_once),
      TEST(a_child_has_none_of_the_parents),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
