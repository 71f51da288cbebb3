// Optimizer updates. `optimizer_update` moves all variables of a model in one pass; the rules by
// their own names move one.
//
// The elements of all variables, one after another, are cut into tasks of equal size, so that
// threads share large variables and small ones cost one task together.
#include "kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

constexpr std::int64_t kTaskElements = 16384;

struct KindInfo {
  const char* name;
  UpdateKind kind;
  int slots;
  bool timed;          // takes the step's number
  double cost, flops;  // of an element; the cost in nanoseconds
};
constexpr KindInfo kKinds[kUpdateKinds] = {
    {"sgd", UpdateKind::sgd, 0, false, 0.15, 2},
    {"momentum", UpdateKind::momentum, 1, false, 0.17, 4},
    {"rmsprop", UpdateKind::rmsprop, 1, false, 0.25, 8},
    {"rmsprop_momentum", UpdateKind::rmsprop_momentum, 2, false, 0.3, 10},
    {"rmsprop_centered", UpdateKind::rmsprop_centered, 2, false, 0.3, 13},
    {"rmsprop_centered_momentum", UpdateKind::rmsprop_centered_momentum, 3, false, 0.35, 15},
    {"adam", UpdateKind::adam, 2, true, 0.3, 12},
    {"adam_amsgrad", UpdateKind::adam_amsgrad, 3, true, 0.4, 13},
    {"adagrad", UpdateKind::adagrad, 1, false, 0.25, 7},
    {"adadelta", UpdateKind::adadelta, 2, false, 0.35, 14},
    {"nadam", UpdateKind::nadam, 2, true, 0.35, 16},
    {"adamax", UpdateKind::adamax, 2, true, 0.3, 10}};

const KindInfo& kind_of(const OpSpec& spec, const std::string& name) {
  for (const KindInfo& info : kKinds)
    if (name == info.name) return info;
  throw std::invalid_argument(spec.name + ": no update rule named '" + name + "'");
}

// One number a variable, from a list attribute; all 0 without it.
std::vector<float> each(const OpSpec& spec, const char* key, std::size_t variables) {
  if (!spec.attrs.has(key)) return std::vector<float>(variables, 0.0f);
  const auto values = spec.attrs.reals(key);
  require(values.size() == variables, spec,
          std::string(key) + " must have " + std::to_string(variables) + " numbers, got " +
              std::to_string(values.size()));
  return {values.begin(), values.end()};
}

class OptimizerUpdate final : public Op {
 public:
  // For all variables: [lr, t, then of each w, g, slots ...] to [w, slots ...].
  static std::unique_ptr<Op> make_all(const OpSpec& spec) {
    return std::make_unique<OptimizerUpdate>(spec, kind_of(spec, spec.attrs.text("kind")), false);
  }
  // For one: [w, g, slots ..., lr(, t)] to [w, slots ...].
  static std::unique_ptr<Op> make_one(const OpSpec& spec) {
    return std::make_unique<OptimizerUpdate>(spec, kind_of(spec, spec.name), true);
  }

  OptimizerUpdate(const OpSpec& spec, const KindInfo& info, bool one) : info_(info) {
    scalar_slot_ = info.kind == UpdateKind::nadam;
    const std::size_t outs = static_cast<std::size_t>(1 + info.slots) + scalar_slot_;
    const std::size_t ins = outs + 1;
    std::size_t variables = 1;
    if (one) {
      first_input_ = 0;
      rate_input_ = ins;
      step_input_ = ins + 1;
      require(spec.inputs.size() == ins + 1 + info.timed, spec,
              "expected " + std::to_string(ins + 1 + info.timed) + " inputs, got " +
                  std::to_string(spec.inputs.size()));
    } else {
      first_input_ = 2;
      rate_input_ = 0;
      step_input_ = 1;
      require(spec.inputs.size() >= 2 && (spec.inputs.size() - 2) % ins == 0, spec,
              "expected lr, t and " + std::to_string(ins) + " tensors a variable, got " +
                  std::to_string(spec.inputs.size()) + " inputs");
      variables = (spec.inputs.size() - 2) / ins;
    }
    require(spec.outputs.size() == variables * outs, spec,
            "expected " + std::to_string(variables * outs) + " outputs, got " +
                std::to_string(spec.outputs.size()));
    require_scalar(spec, rate_input_, DType::f32, "the learning rate");
    timed_ = info.timed;
    if (timed_ && step_input_ < spec.inputs.size())
      require_scalar(spec, step_input_, DType::i32, "the step");

    const auto decays =
        one ? std::vector<float>{static_cast<float>(spec.attrs.real("weight_decay", 0.0))}
            : each(spec, "weight_decays", variables);
    const auto l1 = each(spec, "l1", variables), l2 = each(spec, "l2", variables);
    for (std::size_t v = 0; v < variables; ++v) {
      Variable variable{.input = first_input_ + v * ins,
                        .output = v * outs,
                        .size = spec.inputs[first_input_ + v * ins].max_size(),
                        .decay = decays[v],
                        .l1 = l1[v],
                        .l2 = 2 * l2[v]};
      check(spec, variable, ins, outs);
      variables_.push_back(variable);
      full_ = full_ || l1[v] != 0 || l2[v] != 0;
    }
    read_rule(spec);
    cut();
  }

  void run(const RunContext& ctx) const override {
    const UpdateRule rule = rule_at(ctx);
    if (scalar_slot_) run_schedule(ctx);
    const UpdateKernels& k = kernels().update;
    const auto kernel = (full_ ? k.full : k.plain)[static_cast<int>(info_.kind)];
    ctx.threads.parallel_for(static_cast<std::int64_t>(tasks_.size()) - 1,
                             static_cast<double>(elements_) * info_.cost,
                             [&](std::int64_t task, std::byte*) {
                               const auto t = static_cast<std::size_t>(task);
                               for (std::size_t i = tasks_[t]; i < tasks_[t + 1]; ++i)
                                 kernel(rule, block_of(ctx, segments_[i]));
                             });
  }

  double flops(std::int64_t) const override {
    return static_cast<double>(elements_) * (info_.flops + (full_ ? 4 : 0));
  }
  std::string algorithm() const override { return info_.name; }
  std::vector<std::pair<int, int>> inplace() const override {
    std::vector<std::pair<int, int>> pairs;
    for (const Variable& v : variables_) {
      const int input = static_cast<int>(v.input), output = static_cast<int>(v.output);
      pairs.emplace_back(output, input);
      for (int k = 0; k < info_.slots; ++k) pairs.emplace_back(output + 1 + k, input + 2 + k);
    }
    return pairs;
  }

 private:
  struct Variable {
    std::size_t input, output;  // of w; g and the slots follow
    std::int64_t size;
    float decay, l1, l2;
  };
  struct Segment {
    std::size_t variable;
    std::int64_t begin, count;
  };

  static void require_scalar(const OpSpec& spec, std::size_t i, DType dtype, const char* what) {
    const TensorDesc& tensor = spec.inputs[i];
    require(tensor.dtype == dtype && tensor.shape.empty(), spec,
            std::string(what) + " must be a scalar of " + std::string(name_of(dtype)) + ", got " +
                std::string(name_of(tensor.dtype)) + " of shape " + text_of(tensor));
  }

  void check(const OpSpec& spec, const Variable& variable, std::size_t ins,
             std::size_t outs) const {
    const TensorDesc& w = spec.inputs[variable.input];
    const auto schedule = 1 + static_cast<std::size_t>(info_.slots);  // among w and the slots
    const auto require_like = [&](const TensorDesc& tensor, bool scalar) {
      require(tensor.dtype == DType::f32 && !tensor.batched &&
                  (scalar ? tensor.shape.empty() : tensor.shape == w.shape),
              spec,
              "a tensor of shape " + text_of(tensor) + " does not go with a variable of shape " +
                  text_of(w));
    };
    for (std::size_t i = 0; i < ins; ++i)
      require_like(spec.inputs[variable.input + i], scalar_slot_ && i == schedule + 1);
    for (std::size_t i = 0; i < outs; ++i)
      require_like(spec.outputs[variable.output + i], scalar_slot_ && i == schedule);
  }

  void read_rule(const OpSpec& spec) {
    const auto real = [&](const char* key) { return spec.attrs.real(key, 0.0); };
    beta_1_ = real("beta_1");
    beta_2_ = real("beta_2");
    rule_ = {.rate = 0,
             .momentum = static_cast<float>(real("momentum")),
             .rho = static_cast<float>(real("rho")),
             .beta_2 = static_cast<float>(beta_2_),
             .epsilon = static_cast<float>(real("epsilon")),
             .rest_rho = static_cast<float>(1 - real("rho")),
             .rest_1 = static_cast<float>(1 - beta_1_),
             .rest_2 = static_cast<float>(1 - beta_2_),
             .variance = 1,
             .nesterov = spec.attrs.integer("nesterov", 0) != 0};
  }

  void cut() {
    std::int64_t room = 0;
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      for (std::int64_t begin = 0; begin < variables_[v].size;) {
        if (room == 0) {
          tasks_.push_back(segments_.size());
          room = kTaskElements;
        }
        const std::int64_t count = std::min(room, variables_[v].size - begin);
        segments_.push_back({v, begin, count});
        begin += count;
        room -= count;
      }
      elements_ += variables_[v].size;
    }
    tasks_.push_back(segments_.size());
  }

  UpdateRule rule_at(const RunContext& ctx) const {
    UpdateRule rule = rule_;
    const double rate = static_cast<double>(*ctx.input(rate_input_));
    double scaled = rate;
    if (timed_) {
      const auto t = static_cast<double>(*ctx.input<std::int32_t>(step_input_));
      const bool adam = info_.kind == UpdateKind::adam || info_.kind == UpdateKind::adam_amsgrad;
      if (adam) scaled *= std::sqrt(1 - std::pow(beta_2_, t)) / (1 - std::pow(beta_1_, t));
      if (info_.kind == UpdateKind::adamax) scaled /= 1 - std::pow(beta_1_, t);
      if (info_.kind == UpdateKind::nadam)
        rule.variance = static_cast<float>(1 / (1 - std::pow(beta_2_, t)));
    }
    rule.rate = static_cast<float>(scaled);
    return rule;
  }

  // Nadam's momentum now, and in the next step.
  std::pair<double, double> schedule_at(const RunContext& ctx) const {
    const auto t = static_cast<double>(*ctx.input<std::int32_t>(step_input_));
    const double power = 0.5 * std::pow(0.96, t);
    return {beta_1_ * (1 - power), beta_1_ * (1 - power * 0.96)};
  }
  std::size_t schedule_slot(const Variable& v) const {
    return v.output + 1 + static_cast<std::size_t>(info_.slots);
  }
  // Multiplies the product of the momenta, once in each step though variables may share it: it is
  // read for all of them before it is written.
  void run_schedule(const RunContext& ctx) const {
    const auto now = static_cast<float>(schedule_at(ctx).first);
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      const auto in = variables_[v].input + 2 + static_cast<std::size_t>(info_.slots);
      float* out = ctx.output(schedule_slot(variables_[v]));
      const bool shared = v > 0 && out == ctx.output(schedule_slot(variables_[v - 1]));
      if (!shared) *out = *ctx.input(in) * now;
    }
  }

  UpdateBlock block_of(const RunContext& ctx, const Segment& segment) const {
    const Variable& v = variables_[segment.variable];
    UpdateBlock block{};
    block.count = segment.count;
    block.w = ctx.input(v.input) + segment.begin;
    block.g = ctx.input(v.input + 1) + segment.begin;
    block.w_out = ctx.output(v.output) + segment.begin;
    const auto slots = static_cast<std::size_t>(info_.slots);
    for (std::size_t k = 0; k < slots; ++k) {
      block.slot[k] = ctx.input(v.input + 2 + k) + segment.begin;
      block.slot_out[k] = ctx.output(v.output + 1 + k) + segment.begin;
    }
    if (scalar_slot_) {
      const auto [now, later] = schedule_at(ctx);
      const auto product = static_cast<double>(*ctx.output(schedule_slot(v)));
      block.mean_weight = static_cast<float>(later / (1 - product * later));
      block.gradient_weight = static_cast<float>((1 - now) / (1 - product));
    }
    block.decay = v.decay * *ctx.input(rate_input_);
    block.l1 = v.l1;
    block.l2 = v.l2;
    return block;
  }

  const KindInfo& info_;
  UpdateRule rule_;
  double beta_1_ = 0, beta_2_ = 0;
  bool scalar_slot_, timed_ = false;
  bool full_ = false;  // with l1 or l2
  std::size_t first_input_, rate_input_, step_input_;
  std::vector<Variable> variables_;
  std::vector<Segment> segments_;
  std::vector<std::size_t> tasks_;  // the first segment of each, and the end
  std::int64_t elements_ = 0;
};

}  // namespace

void register_optimizer(Registry& r) {
  r.add("optimizer_update", OptimizerUpdate::make_all);
  for (const KindInfo& info : kKinds) r.add(info.name, OptimizerUpdate::make_one);
}

}  // namespace fastconv
