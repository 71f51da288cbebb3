// Positions of extremes along one axis.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "dispatch/dispatch.h"
#include "ops/axes.h"
#include "ops/check.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

template <class T>
bool beats(bool maximum, T a, T best) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a)) return !std::isnan(best);
  return maximum ? a > best : a < best;
}

// (outer, n, inner) -> (outer, inner)
template <class T>
class ArgExtreme final : public Op {
 public:
  ArgExtreme(const OpSpec& spec, bool maximum) : x_(spec.inputs[0]), maximum_(maximum) {
    const auto axes = normalized({spec.attrs.integer("axis", -1)}, x_, spec.name);
    axis_ = axes[0];
    const bool over_batch = axis_ == 0 && x_.batched;
    const std::int64_t n = x_.shape[static_cast<std::size_t>(axis_)];
    if (n == 0) throw std::invalid_argument(spec.name + ": the axis is empty");
    if (spec.outputs[0].dtype != DType::i32)
      throw std::invalid_argument(spec.name + ": the output must be int32");
    expect_elements(spec, x_.max_size() / n, x_.batched && !over_batch);
    for (std::int64_t d = axis_ + 1; d < x_.rank(); ++d)
      inner_ *= x_.shape[static_cast<std::size_t>(d)];
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t n = x_.dim(axis_, ctx.batch), size = x_.size(ctx.batch);
    if (size == 0) return;
    const std::int64_t outer = size / (n * inner_), each = n * inner_;
    const std::int64_t group = std::max<std::int64_t>(1, 16384 / each);
    const T* x = ctx.input<T>(0);
    auto* out = ctx.output<std::int32_t>(0);
    ctx.threads.parallel_for((outer + group - 1) / group, static_cast<double>(size) * 0.5,
                             [&](std::int64_t task, std::byte*) {
                               for (std::int64_t i = task * group;
                                    i < std::min(outer, (task + 1) * group); ++i)
                                 find(out + i * inner_, x + i * each, n);
                             });
  }
  double flops(std::int64_t batch) const override { return static_cast<double>(x_.size(batch)); }

 private:
  void find(std::int32_t* out, const T* x, std::int64_t n) const {
    if constexpr (std::is_same_v<T, float>) {
      const ReduceKernels& k = kernels().reduce;
      if (inner_ == 1)
        *out = (maximum_ ? k.argmax : k.argmin)(x, n);
      else
        (maximum_ ? k.argmax_rows : k.argmin_rows)(out, x, n, inner_, inner_);
    } else {
      for (std::int64_t j = 0; j < inner_; ++j) {
        std::int64_t found = 0;
        for (std::int64_t i = 1; i < n; ++i)
          if (beats(maximum_, x[i * inner_ + j], x[found * inner_ + j])) found = i;
        out[j] = static_cast<std::int32_t>(found);
      }
    }
  }

  TensorDesc x_;
  bool maximum_;
  std::int64_t axis_, inner_ = 1;
};

template <bool Maximum>
std::unique_ptr<Op> make_arg(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  return for_dtype<ArgExtreme>(spec, Maximum);
}

}  // namespace

void register_argmax(Registry& r) {
  r.add("argmax", make_arg<true>);
  r.add("argmin", make_arg<false>);
}

}  // namespace fastconv
