#include "plan/plan.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "plan/memory.h"

namespace fastconv {

struct Plan::Instance {
  Arena arena, workspace;
  int threads = 0;
  bool wants_team = false;
  std::uint64_t version = 0;  // of the variables that fixed results were made from
  std::vector<void*> args;    // of all steps: inputs, then outputs
  std::vector<std::size_t> first_arg;
  std::vector<std::vector<std::size_t>> uses;  // of each input and then output: places in args
};

namespace {

std::string describe(const PlanStep& step) {
  return step.label.empty() ? step.op.name : step.op.name + " (" + step.label + ")";
}

// Whether equal operands give equal results: no random numbers, and no function of the user's.
bool is_repeatable(const OpSpec& op) {
  const auto drops = [&](const char* code) {
    return op.attrs.text(code, "").find("dropout") != std::string::npos;
  };
  return !op.name.starts_with("random") && op.name != "dropout" && op.name != "numpy_function" &&
         !drops("code") && !drops("epilogue");
}

}  // namespace

Plan::Plan(std::vector<PlanTensor> tensors, std::vector<PlanStep> steps, std::vector<int> inputs,
           std::vector<int> outputs, std::int64_t max_batch, bool frozen)
    : tensors_(std::move(tensors)),
      steps_(std::move(steps)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      max_batch_(max_batch),
      frozen_(frozen) {
  check();
  find_fixed();
  build_ops();
  share_storage();
  place();
}

Plan::~Plan() = default;

int Plan::root(int tensor) const { return root_[static_cast<std::size_t>(tensor)]; }

std::size_t Plan::bytes_of(int tensor) const {
  const TensorDesc& desc = tensors_[static_cast<std::size_t>(tensor)].desc;
  return static_cast<std::size_t>(desc.max_size()) * size_of(desc.dtype);
}

void Plan::check() const {
  const int count = static_cast<int>(tensors_.size());
  const auto check_id = [&](int id, const std::string& what) {
    if (id < 0 || id >= count)
      throw std::invalid_argument(what + ": no tensor " + std::to_string(id));
  };
  if (max_batch_ < 0)
    throw std::invalid_argument("the batch must not be negative, got " +
                                std::to_string(max_batch_));
  for (int i = 0; i < count; ++i) {
    const PlanTensor& tensor = tensors_[static_cast<std::size_t>(i)];
    const std::string what = "tensor " + std::to_string(i);
    std::int64_t size = static_cast<std::int64_t>(size_of(tensor.desc.dtype));
    for (const std::int64_t d : tensor.desc.shape) {
      if (d < 0) throw std::invalid_argument(what + " has a negative dimension");
      if (__builtin_mul_overflow(size, d, &size))
        throw std::invalid_argument(what + " is too large for this machine's addresses");
    }
    if (tensor.desc.batched && (tensor.desc.shape.empty() || tensor.desc.shape[0] != max_batch_))
      throw std::invalid_argument(what + " is batched, its first dimension must be the batch");
    if (tensor.kind == Kind::alias) {
      check_id(tensor.storage, what);
      if (tensor.storage >= i) throw std::invalid_argument(what + " must follow what it aliases");
      if (bytes_of(i) != bytes_of(tensor.storage) ||
          tensor.desc.batched != tensors_[static_cast<std::size_t>(tensor.storage)].desc.batched)
        throw std::invalid_argument(what + " and what it aliases differ in size");
    }
    if (tensor.desc.dtype == DType::bf16 && tensor.kind != Kind::temp && tensor.kind != Kind::alias)
      throw std::invalid_argument(what + ": only temporaries may be bfloat16");
    if ((tensor.kind == Kind::variable || tensor.kind == Kind::constant) &&
        tensor.data == nullptr && size > 0)
      throw std::invalid_argument(what + " has no data");
  }
  for (const int id : inputs_) {
    check_id(id, "inputs");
    if (tensors_[static_cast<std::size_t>(id)].kind != Kind::input)
      throw std::invalid_argument("tensor " + std::to_string(id) + " is not of kind input");
  }
  const auto check_read = [&](int id, const std::string& what) {
    check_id(id, what);
    id = storage_of(id);
    if (tensors_[static_cast<std::size_t>(id)].kind == Kind::input &&
        std::find(inputs_.begin(), inputs_.end(), id) == inputs_.end())
      throw std::invalid_argument(what + ": input tensor " + std::to_string(id) +
                                  " is not among the plan's inputs");
  };
  const auto check_dtype = [&](int id, const std::string& what) {
    if (tensors_[static_cast<std::size_t>(id)].desc.dtype == DType::bf16)
      throw std::invalid_argument(what + ": tensor " + std::to_string(id) +
                                  " is bfloat16, which only pointwise steps read and write");
  };
  for (const PlanStep& step : steps_) {
    for (const int id : step.inputs) check_read(id, describe(step));
    for (const int id : step.outputs) {
      check_id(id, describe(step));
      const Kind kind = tensors_[static_cast<std::size_t>(storage_of(id))].kind;
      if (kind == Kind::input || kind == Kind::constant)
        throw std::invalid_argument(describe(step) + ": tensor " + std::to_string(id) +
                                    " may not be written");
    }
    if (step.op.name == "pointwise") continue;
    for (const auto* ids : {&step.inputs, &step.outputs})
      for (const int id : *ids) check_dtype(id, describe(step));
  }
  for (const int id : outputs_) {
    check_read(id, "outputs");
    check_dtype(id, "outputs");
  }
}

int Plan::storage_of(int tensor) const {
  while (tensors_[static_cast<std::size_t>(tensor)].kind == Kind::alias)
    tensor = tensors_[static_cast<std::size_t>(tensor)].storage;
  return tensor;
}

void Plan::build_ops() {
  for (PlanStep& step : steps_) {
    for (const int id : step.inputs)
      step.op.inputs.push_back(tensors_[static_cast<std::size_t>(id)].desc);
    for (const int id : step.outputs)
      step.op.outputs.push_back(tensors_[static_cast<std::size_t>(id)].desc);
    const std::size_t s = ops_.size();
    step.op.fixed_weights = frozen_ && !once_[s] && step.inputs.size() > 1 &&
                            fixed_[static_cast<std::size_t>(storage_of(step.inputs[1]))];
    try {
      ops_.push_back(make_op(step.op));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument((step.label.empty() ? "" : step.label + ": ") + error.what());
    }
    packs_.push_back(step.op.fixed_weights && ops_.back()->packed_bytes() > 0);
    thread_bytes_ = std::max(thread_bytes_, aligned(ops_.back()->thread_scratch_bytes()));
  }
}

// What depends on variables and constants alone, in a frozen plan. A tensor with a row for each of
// the batch depends on the batch, too.
void Plan::find_fixed() {
  fixed_.assign(tensors_.size(), false);
  once_.assign(steps_.size(), false);
  if (!frozen_) return;
  for (std::size_t t = 0; t < tensors_.size(); ++t)
    fixed_[t] = tensors_[t].kind == Kind::variable || tensors_[t].kind == Kind::constant;
  for (const PlanStep& step : steps_)
    for (const int id : step.outputs) fixed_[static_cast<std::size_t>(id)] = false;
  const auto is_fixed = [&](int id) {
    return static_cast<bool>(fixed_[static_cast<std::size_t>(storage_of(id))]);
  };
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const PlanStep& step = steps_[s];
    const bool own = std::all_of(step.outputs.begin(), step.outputs.end(), [&](int id) {
      const PlanTensor& t = tensors_[static_cast<std::size_t>(id)];
      return t.kind == Kind::temp && !t.desc.batched;
    });
    once_[s] = own && is_repeatable(step.op) &&
               std::all_of(step.inputs.begin(), step.inputs.end(), is_fixed);
    if (once_[s])
      for (const int id : step.outputs) fixed_[static_cast<std::size_t>(id)] = true;
  }
}

// Resolves aliases, finds lifetimes, and lets results take over the storage of operands that die.
void Plan::share_storage() {
  const std::size_t count = tensors_.size();
  root_.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    root_[i] = tensors_[i].kind == Kind::alias ? root(tensors_[i].storage) : static_cast<int>(i);

  first_.assign(count, static_cast<int>(steps_.size()));
  last_.assign(count, -1);
  const auto touch = [&](int id, int step) {
    const auto r = static_cast<std::size_t>(root(id));
    first_[r] = std::min(first_[r], step);
    last_[r] = std::max(last_[r], step);
  };
  const int end = static_cast<int>(steps_.size());
  for (const int id : inputs_) touch(id, -1);
  for (int s = 0; s < end; ++s) {
    for (const int id : steps_[static_cast<std::size_t>(s)].inputs) touch(id, s);
    for (const int id : steps_[static_cast<std::size_t>(s)].outputs) touch(id, s);
  }
  for (std::size_t t = 0; t < count; ++t)
    if (fixed_[t] && tensors_[t].kind == Kind::temp) {
      first_[t] = -1;
      last_[t] = end + 1;  // from run to run
    }
  external_.assign(count, false);
  std::vector<int> aliased(count, 0);
  for (std::size_t i = 0; i < count; ++i)
    if (tensors_[i].kind == Kind::alias)
      ++aliased[static_cast<std::size_t>(root(static_cast<int>(i)))];
  for (const int id : outputs_) {
    touch(id, end);
    const auto i = static_cast<std::size_t>(id);
    const bool once = std::ranges::count(outputs_, id) == 1;
    if (tensors_[i].kind == Kind::temp && aliased[i] == 0 && !fixed_[i] && once)
      external_[i] = true;
  }

  for (int s = 0; s < end; ++s) {
    const PlanStep& step = steps_[static_cast<std::size_t>(s)];
    std::vector<int> taken;
    for (const auto& [o, i] : ops_[static_cast<std::size_t>(s)]->inplace()) {
      if (static_cast<std::size_t>(i) >= step.inputs.size() ||
          static_cast<std::size_t>(o) >= step.outputs.size())
        continue;
      const int out = step.outputs[static_cast<std::size_t>(o)];
      const int in = root(step.inputs[static_cast<std::size_t>(i)]);
      const auto out_index = static_cast<std::size_t>(out), in_index = static_cast<std::size_t>(in);
      if (root(out) != out || out == in || tensors_[out_index].kind != Kind::temp ||
          tensors_[in_index].kind != Kind::temp || external_[out_index] || external_[in_index] ||
          last_[in_index] != s || first_[in_index] == s || bytes_of(out) != bytes_of(in) ||
          std::ranges::count(taken, in) > 0 ||
          std::count_if(step.inputs.begin(), step.inputs.end(),
                        [&](int id) { return root(id) == in; }) > 1)
        continue;
      taken.push_back(in);
      last_[in_index] = last_[out_index];
      for (std::size_t t = 0; t < count; ++t)
        if (root_[t] == out) root_[t] = in;
      last_[out_index] = -1;
      first_[out_index] = end;
    }
  }
}

void Plan::place() {
  std::vector<Block> blocks;
  std::vector<std::size_t> owner;  // of each block: a tensor, or tensors + step for scratch
  const auto add = [&](std::size_t who, std::size_t bytes, int first, int last) {
    blocks.push_back({bytes, first, last});
    owner.push_back(who);
  };
  for (std::size_t t = 0; t < tensors_.size(); ++t) {
    const Kind kind = tensors_[t].kind;
    if ((kind == Kind::temp || kind == Kind::input) && last_[t] >= first_[t] &&
        root(static_cast<int>(t)) == static_cast<int>(t))
      add(t, bytes_of(static_cast<int>(t)), first_[t], last_[t]);
  }
  for (std::size_t s = 0; s < steps_.size(); ++s)
    if (const std::size_t bytes = ops_[s]->scratch_bytes())
      add(tensors_.size() + s, bytes, static_cast<int>(s), static_cast<int>(s));
  for (std::size_t s = 0; s < steps_.size(); ++s)
    if (packs_[s])
      add(tensors_.size() + steps_.size() + s, ops_[s]->packed_bytes(), -1,
          static_cast<int>(steps_.size()) + 1);
  arena_bytes_ = lay_out(blocks);

  offsets_.assign(tensors_.size() + 2 * steps_.size(), 0);
  live_bytes_.assign(steps_.size(), 0);
  std::vector<std::int64_t> change(steps_.size() + 1, 0);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    offsets_[owner[b]] = blocks[b].offset;
    const auto first = static_cast<std::size_t>(std::max(blocks[b].first, 0));
    const auto last = std::min(static_cast<std::size_t>(blocks[b].last + 1), steps_.size());
    if (first >= last) continue;
    change[first] += static_cast<std::int64_t>(aligned(blocks[b].bytes));
    change[last] -= static_cast<std::int64_t>(aligned(blocks[b].bytes));
  }
  std::int64_t live = 0;
  for (std::size_t s = 0; s < steps_.size(); ++s)
    live_bytes_[s] = static_cast<std::size_t>(live += change[s]);
}

Plan::Lease::Lease(const Plan& plan) : plan_(plan) {
  {
    const std::lock_guard lock(plan.mutex_);
    if (!plan.idle_.empty()) {
      instance_ = std::move(plan.idle_.back());
      plan.idle_.pop_back();
    }
  }
  if (instance_ == nullptr) {
    instance_ = std::make_unique<Instance>();
    Instance& it = *instance_;
    it.arena = Arena(plan.arena_bytes_);
    it.uses.resize(plan.inputs_.size() + plan.outputs_.size());
    const auto pointer = [&](int id) -> void* {
      const auto r = static_cast<std::size_t>(plan.root(id));
      const PlanTensor& tensor = plan.tensors_[r];
      if (tensor.kind == Kind::variable || tensor.kind == Kind::constant) return tensor.data;
      return it.arena.data() + plan.offsets_[r];
    };
    for (const PlanStep& step : plan.steps_) {
      it.first_arg.push_back(it.args.size());
      for (const int id : step.inputs) it.args.push_back(pointer(id));
      for (const int id : step.outputs) it.args.push_back(pointer(id));
    }
    // Where each input and each external output is an argument, to be set at every run.
    std::size_t place = 0;
    for (const PlanStep& step : plan.steps_)
      for (const auto* ids : {&step.inputs, &step.outputs})
        for (const int id : *ids) {
          const int r = plan.root(id);
          for (std::size_t i = 0; i < plan.inputs_.size(); ++i)
            if (plan.inputs_[i] == r) it.uses[i].push_back(place);
          for (std::size_t o = 0; o < plan.outputs_.size(); ++o)
            if (plan.outputs_[o] == r && plan.external_[static_cast<std::size_t>(r)])
              it.uses[plan.inputs_.size() + o].push_back(place);
          ++place;
        }
  }
  const int wanted = num_threads();
  if (instance_->threads != wanted) {
    instance_->workspace = Arena(static_cast<std::size_t>(wanted) * plan.thread_bytes_);
    instance_->threads = wanted;
  }
}

Plan::Lease::~Lease() {
  const std::lock_guard lock(plan_.mutex_);
  plan_.idle_.push_back(std::move(instance_));
}

Threads Plan::threads(Instance& instance) const {
  return Threads(instance.threads, instance.workspace.data(), thread_bytes_);
}

void* Plan::staging(Instance& instance, std::size_t i) const {
  return instance.arena.data() + offsets_[static_cast<std::size_t>(root(inputs_[i]))];
}

void Plan::together(Instance& instance, Threads& threads, const std::function<void()>& body) const {
  if (instance.wants_team)
    threads.together(body);
  else
    body();
  instance.wants_team = threads.wanted();
}

#ifdef FASTCONV_GUARDED
// What step s may touch, in a run of `batch` rows.
void Plan::open_operands(const GuardedArena& guarded, const Instance& instance, std::size_t s,
                         std::int64_t batch) const {
  std::size_t place = instance.first_arg[s];
  for (const auto* ids : {&steps_[s].inputs, &steps_[s].outputs})
    for (const int id : *ids) {
      const TensorDesc& desc = tensors_[static_cast<std::size_t>(id)].desc;
      guarded.open(instance.args[place++],
                   static_cast<std::size_t>(desc.size(batch)) * size_of(desc.dtype));
    }
  const std::size_t count = tensors_.size();
  guarded.open(instance.arena.data() + offsets_[count + s], ops_[s]->scratch_bytes());
  if (packs_[s])
    guarded.open(instance.arena.data() + offsets_[count + steps_.size() + s],
                 ops_[s]->packed_bytes());
}
#endif

bool Plan::run(Instance& instance, const Feed& feed, const Threads& threads,
               double* nanoseconds) const {
  using Clock = std::chrono::steady_clock;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    void* data =
        feed.inputs[i] != nullptr ? const_cast<void*>(feed.inputs[i]) : staging(instance, i);
    for (const std::size_t place : instance.uses[i]) instance.args[place] = data;
  }
  const auto in_arena = [&](int id) -> void* {
    const auto r = static_cast<std::size_t>(root(id));
    return instance.arena.data() + offsets_[r];
  };
  for (std::size_t o = 0; o < outputs_.size(); ++o) {
    void* data = feed.outputs[o] != nullptr ? feed.outputs[o] : in_arena(outputs_[o]);
    for (const std::size_t place : instance.uses[inputs_.size() + o]) instance.args[place] = data;
  }

  const std::size_t tensor_count = tensors_.size();
  const bool fresh = frozen_ && feed.version != 0 && instance.version == feed.version;
  bool failed = false;
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    if (fresh && once_[s]) continue;
    void** args = instance.args.data() + instance.first_arg[s];
    RunContext context{feed.batch,
                       {args, steps_[s].inputs.size()},
                       {args + steps_[s].inputs.size(), steps_[s].outputs.size()},
                       instance.arena.data() + offsets_[tensor_count + s],
                       threads,
                       feed.seed,
                       feed.step,
                       nullptr,
                       &failed};
#ifdef FASTCONV_GUARDED
    const GuardedArena guarded(instance.arena);
    open_operands(guarded, instance, s, feed.batch);
#endif
    if (packs_[s]) {
      std::byte* packed = instance.arena.data() + offsets_[tensor_count + steps_.size() + s];
      if (!fresh) ops_[s]->pack(context, packed);
      context.packed = packed;
    }
    if (nanoseconds == nullptr) {
      ops_[s]->run(context);
    } else {
      const auto start = Clock::now();
      ops_[s]->run(context);
      nanoseconds[s] += std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    }
    if (failed) {
      instance.version = 0;
      return false;
    }
    if (feed.watch != nullptr) feed.watch->look(*this, s, context);
  }

  instance.version = feed.version;

  for (std::size_t o = 0; o < outputs_.size(); ++o) {
    if (feed.outputs[o] == nullptr || external_[static_cast<std::size_t>(outputs_[o])]) continue;
    const auto r = static_cast<std::size_t>(root(outputs_[o]));
    const PlanTensor& tensor = tensors_[r];
    const void* source = nullptr;
    if (tensor.kind == Kind::variable || tensor.kind == Kind::constant) {
      source = tensor.data;
    } else if (tensor.kind == Kind::input) {
      const auto i =
          std::find(inputs_.begin(), inputs_.end(), static_cast<int>(r)) - inputs_.begin();
      source = feed.inputs[static_cast<std::size_t>(i)];
      if (source == nullptr) source = staging(instance, static_cast<std::size_t>(i));
    } else {
      source = instance.arena.data() + offsets_[r];
    }
    const TensorDesc& desc = tensors_[static_cast<std::size_t>(outputs_[o])].desc;
    const std::size_t bytes = static_cast<std::size_t>(desc.size(feed.batch)) * size_of(desc.dtype);
    if (bytes > 0) std::memcpy(feed.outputs[o], source, bytes);
  }
  return true;
}

}  // namespace fastconv
