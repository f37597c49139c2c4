/* mrv8_platform.cc: v8::Platform over the core's pool and queues. What V8 posts goes there as it is, and runs from there. Any thread. */
#include "mrv8_platform.h"

#include <unordered_map>
#include <mutex>
#include <utility>

#include "mrv8_compat.h"

namespace {

const mrv8_pool *pool;

struct PostedTask : mrv8_task {
  explicit PostedTask(std::unique_ptr<v8::Task> posted) : mrv8_task{nullptr, 0, Run, Drop}, task(std::move(posted)) {}
  static void Run(mrv8_task *posted)
  {
    std::unique_ptr<PostedTask> taken(static_cast<PostedTask *>(posted));
    taken->task->Run();
  }
  static void Drop(mrv8_task *posted) { delete static_cast<PostedTask *>(posted); }
  std::unique_ptr<v8::Task> task;
};

int64_t
Nanoseconds(double seconds)
{
  return seconds <= 0 ? 0 : seconds > 1e9 ? INT64_C(1000000000000000000) : static_cast<int64_t>(seconds * 1e9);
}

class Delegate final : public v8::JobDelegate {
 public:
  explicit Delegate(mrv8_turn *turn) : turn_(turn) {}
  bool ShouldYield() override { return pool->turn_must_end(turn_); }
  void NotifyConcurrencyIncrease() override { pool->job_notify(turn_->job); }
  uint8_t GetTaskId() override { return pool->turn_number(turn_); }
  bool IsJoiningThread() const override { return turn_->joining; }

 private:
  mrv8_turn *turn_;
};

class Job final : public v8::JobHandle {
 public:
  explicit Job(mrv8_job *job) : job_(job) {}
  ~Job() override
  {
    if (job_) pool->job_cancel(job_, 0);
  }
  void NotifyConcurrencyIncrease() override { pool->job_notify(job_); }
  void Join() override { pool->job_join(std::exchange(job_, nullptr)); }
  void Cancel() override { pool->job_cancel(std::exchange(job_, nullptr), 1); }
  void CancelAndDetach() override { pool->job_cancel(std::exchange(job_, nullptr), 0); }
  bool IsActive() override { return pool->job_is_active(job_); }
  bool IsValid() override { return job_ != nullptr; }

 private:
  mrv8_job *job_;
};

void
Work(void *task, mrv8_turn *turn)
{
  Delegate delegate(turn);
  static_cast<v8::JobTask *>(task)->Run(&delegate);
}

size_t
Most(void *task, size_t workers)
{
  return static_cast<v8::JobTask *>(task)->GetMaxConcurrency(workers);
}

void
Free(void *task)
{
  delete static_cast<v8::JobTask *>(task);
}

/* An isolate's, shared with all in V8 that may post to it, also when it is gone. */
class Runner final : public mrv8::TaskRunner {
 public:
  explicit Runner(mrv8_queue *queue) : queue_(queue) {}
  ~Runner() override { pool->queue_delete(queue_); }
  mrv8_queue *queue() const { return queue_; }

 protected:
  void Post(std::unique_ptr<v8::Task> task, double delay) override { pool->queue_post(queue_, new PostedTask(std::move(task)), Nanoseconds(delay)); }

 private:
  mrv8_queue *queue_;
};

class PoolPlatform final : public mrv8::Platform {
 public:
  int NumberOfWorkerThreads() override { return static_cast<int>(pool->workers); }

  /* Of an isolate that is about to be made, too. */
  std::shared_ptr<Runner> RunnerOf(v8::Isolate *isolate)
  {
    std::lock_guard<std::mutex> guard(mutex_);
    std::shared_ptr<Runner> &known = runners_[isolate];
    if (!known) known = std::make_shared<Runner>(pool->queue_new());
    return known;
  }

  std::shared_ptr<Runner> Forget(v8::Isolate *isolate)
  {
    std::lock_guard<std::mutex> guard(mutex_);
    auto known = runners_.find(isolate);
    if (known == runners_.end()) return nullptr;
    std::shared_ptr<Runner> runner = std::move(known->second);
    runners_.erase(known);
    return runner;
  }

 protected:
  std::shared_ptr<v8::TaskRunner> Foreground(v8::Isolate *isolate) override { return RunnerOf(isolate); }

  void Post(std::unique_ptr<v8::Task> task, bool urgent, double delay) override
  {
    if (!pool->workers) return; /* --single-threaded: V8 can do without */
    auto *posted = new PostedTask(std::move(task));
    if (delay > 0) pool->post_later(posted, Nanoseconds(delay));
    else pool->post(posted, urgent);
  }

  std::unique_ptr<v8::JobHandle> NewJob(std::unique_ptr<v8::JobTask> task, bool urgent) override
  {
    mrv8_work work = {task.release(), Work, Most, Free};
    return std::make_unique<Job>(pool->job_new(&work, urgent));
  }

 private:
  std::mutex mutex_;
  std::unordered_map<v8::Isolate *, std::shared_ptr<Runner>> runners_;
};

/* Lives until the process ends: V8 cannot be started twice, and threads may use it to the last. */
PoolPlatform *platform;

}  // namespace

v8::Platform *
mrv8::NewPlatform(const mrv8_pool *given)
{
  pool = given;
  platform = new PoolPlatform;
  return platform;
}

mrv8_queue *
mrv8::QueueOf(mrv8_isolate *self)
{
  mrv8_queue *queue = platform->RunnerOf(self->isolate)->queue();
  pool->queue_tell(queue, self->host, self->owner);
  return queue;
}

bool
mrv8::RunForegroundTask(mrv8_isolate *self)
{
  mrv8_task *task = pool->queue_take(self->queue);
  if (task) task->run(task);
  return task != nullptr;
}

void
mrv8::ForgetIsolate(mrv8_isolate *self)
{
  std::shared_ptr<Runner> runner = platform->Forget(self->isolate);
  if (runner) pool->queue_tell(runner->queue(), nullptr, nullptr);
}

int64_t
mrv8_next_task(mrv8_isolate *self)
{
  return pool->queue_next(self->queue);
}
