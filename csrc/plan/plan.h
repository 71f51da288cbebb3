// A plan: an immutable list of steps over one arena, and the executor that runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ops/op.h"
#include "plan/guarded.h"
#include "plan/watch.h"
#include "runtime/arena.h"

namespace fastconv {

enum class Kind {
  input,     // the caller's, given at each run
  variable,  // keeps its place in memory from run to run; may be written
  constant,
  temp,   // made by a step, in the arena
  alias,  // another view of the storage of `storage`
};

struct PlanTensor {
  TensorDesc desc;
  Kind kind = Kind::temp;
  void* data = nullptr;  // of variables and constants; the owner keeps it alive
  int storage = -1;      // of aliases: the tensor whose bytes it shares
};

struct PlanStep {
  OpSpec op;  // inputs and outputs are filled in by the plan
  std::vector<int> inputs, outputs;
  std::string label;
};

// What a run of one batch is given: pointers for the plan's inputs and outputs, in their order. A
// null input is read from its staging area in the arena, a null output is left in the arena.
struct Feed {
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  std::int64_t batch = 0;
  std::uint64_t seed = 0, step = 0;
  std::uint64_t version = 0;  // of the variables, for frozen plans; 0: unknown
  Watch* watch = nullptr;     // shown the results of every step
};

class Plan {
 public:
  // The memory of one run in progress; several threads may run one plan, each with its own.
  struct Instance;

  // In a `frozen` plan, what follows from variables and constants alone is computed once for each
  // version of the variables. Throws std::invalid_argument, naming the step, on anything that does
  // not fit.
  Plan(std::vector<PlanTensor> tensors, std::vector<PlanStep> steps, std::vector<int> inputs,
       std::vector<int> outputs, std::int64_t max_batch, bool frozen);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // Takes an instance that no other thread uses, and gives it back.
  class Lease {
   public:
    explicit Lease(const Plan& plan);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Instance& operator*() const { return *instance_; }

   private:
    const Plan& plan_;
    std::unique_ptr<Instance> instance_;
  };

  // Runs all steps once. With `nanoseconds`, adds each step's time to it. False where a step
  // failed: those after it have not run.
  bool run(Instance& instance, const Feed& feed, const Threads& threads,
           double* nanoseconds = nullptr) const;
  // Calls body() with the instance's threads standing by if an earlier call had use for them.
  void together(Instance& instance, Threads& threads, const std::function<void()>& body) const;

  // Where input i can be prepared in the instance's arena.
  void* staging(Instance& instance, std::size_t i) const;
  Threads threads(Instance& instance) const;

  const std::vector<PlanTensor>& tensors() const { return tensors_; }
  const std::vector<PlanStep>& steps() const { return steps_; }
  const std::vector<std::unique_ptr<Op>>& ops() const { return ops_; }
  const std::vector<int>& inputs() const { return inputs_; }
  const std::vector<int>& outputs() const { return outputs_; }
  std::int64_t max_batch() const { return max_batch_; }
  std::size_t arena_bytes() const { return arena_bytes_; }
  // Bytes of the arena that are alive during a step.
  std::size_t live_bytes(std::size_t step) const { return live_bytes_[step]; }

 private:
  void check() const;
  void find_fixed();
  void build_ops();
  void share_storage();
  void place();
  int storage_of(int tensor) const;
  int root(int tensor) const;
  std::size_t bytes_of(int tensor) const;
#ifdef FASTCONV_GUARDED
  void open_operands(const GuardedArena& guarded, const Instance& instance, std::size_t s,
                     std::int64_t batch) const;
#endif

  std::vector<PlanTensor> tensors_;
  std::vector<PlanStep> steps_;
  std::vector<int> inputs_, outputs_;
  std::int64_t max_batch_;
  bool frozen_;

  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<bool> fixed_;         // tensors that change with the variables only
  std::vector<bool> once_, packs_;  // steps that run, or pack weights, once for each version
  std::vector<int> root_;           // the tensor whose storage each one uses
  std::vector<int> first_, last_;   // lifetimes of roots, in steps
  std::vector<bool> external_;      // outputs that are written straight to the caller
  // In the arena: of roots, then of steps' scratch, then of their packed weights.
  std::vector<std::size_t> offsets_;
  std::vector<std::size_t> live_bytes_;
  std::size_t arena_bytes_ = 0, thread_bytes_ = 0;

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Instance>> idle_;
};

}  // namespace fastconv
