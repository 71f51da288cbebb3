// Reductions over any axes, and the positions of extremes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "dispatch/dispatch.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

// A dimension of the input as a loop: neighbours that are both kept or both reduced are one.
struct Loop {
  std::int64_t size;  // without the batch
  bool batch, reduced;
  std::int64_t stride = 0;

  std::int64_t count(std::int64_t rows) const { return batch ? size * rows : size; }
};

std::vector<std::int64_t> normalized(std::vector<std::int64_t> axes, const TensorDesc& x,
                                     std::string_view op) {
  for (std::int64_t& axis : axes) {
    if (axis < -x.rank() || axis >= x.rank())
      throw std::invalid_argument(std::string(op) + ": axis " + std::to_string(axis) +
                                  " of a tensor of rank " + std::to_string(x.rank()));
    if (axis < 0) axis += x.rank();
  }
  return axes;
}

class Loops {
 public:
  Loops() = default;
  Loops(const TensorDesc& x, const std::vector<std::int64_t>& axes) {
    std::int64_t stride = 1;
    for (std::int64_t d = x.rank() - 1; d >= 0; --d) {
      const bool reduced = std::ranges::count(axes, d) > 0, batch = d == 0 && x.batched;
      const std::int64_t size = batch ? 1 : x.shape[d];
      if (size == 1 && !batch) continue;
      if (!loops.empty() && loops.back().reduced == reduced) {
        loops.back().size *= size;
        loops.back().batch = batch;
      } else {
        loops.push_back({size, batch, reduced, stride});
      }
      stride *= size;
    }
    std::ranges::reverse(loops);
  }

  std::int64_t product(std::int64_t rows, bool reduced) const {
    std::int64_t count = 1;
    for (const Loop& loop : loops)
      if (loop.reduced == reduced) count *= loop.count(rows);
    return count;
  }

  std::vector<Loop> loops;  // outermost first
};

// Where the i-th element of some loops lies, from the last loop of them to the first.
class Walk {
 public:
  Walk() = default;
  Walk(const Loops& all, std::size_t used, bool reduced) {
    for (std::size_t i = used; i-- > 0;)
      if (all.loops[i].reduced == reduced) loops_.push_back(all.loops[i]);
  }
  std::int64_t offset(std::int64_t index) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      if (i + 1 == loops_.size()) return sum + index * loops_[i].stride;
      sum += index % loops_[i].size * loops_[i].stride;
      index /= loops_[i].size;
    }
    return sum;
  }
  std::int64_t count(std::int64_t rows) const {
    std::int64_t product = 1;
    for (const Loop& loop : loops_) product *= loop.count(rows);
    return product;
  }
  bool uniform() const { return loops_.size() <= 1; }
  // The innermost loop: its size if it is not the only one, and its steps.
  std::int64_t inner() const { return loops_[0].size; }
  std::int64_t stride() const { return loops_.empty() ? 0 : loops_[0].stride; }

 private:
  std::vector<Loop> loops_;  // innermost first
};

double identity(ReduceCode code) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (code) {
    case ReduceCode::max:
      return -kInfinity;
    case ReduceCode::min:
      return kInfinity;
    case ReduceCode::prod:
      return 1;
    default:
      return 0;
  }
}

double combined(ReduceCode code, double a, double b) {
  switch (code) {
    case ReduceCode::max:
      return a > b || std::isnan(a) ? a : b;
    case ReduceCode::min:
      return a < b || std::isnan(a) ? a : b;
    case ReduceCode::prod:
      return a * b;
    default:
      return a + b;
  }
}

void check_output(const OpSpec& spec, std::int64_t elements, bool batched) {
  const TensorDesc& out = spec.outputs[0];
  if (out.batched != batched || out.max_size() != elements)
    throw std::invalid_argument(spec.name + ": the output has " + std::to_string(out.max_size()) +
                                " elements, expected " + std::to_string(elements));
}

std::int64_t max_rows(const TensorDesc& x) { return x.batched ? x.shape[0] : 1; }

void check_reduction(const OpSpec& spec, const Loops& loops,
                     const std::vector<std::int64_t>& axes) {
  const TensorDesc& x = spec.inputs[0];
  check_output(spec, loops.product(max_rows(x), false), x.batched && !std::ranges::count(axes, 0));
}

// Float reductions. The innermost loop is contiguous: where it is reduced, runs of it become one
// number each; where it is kept, rows of it are combined element by element. Work is cut into
// pieces of some kTask elements, and the pieces of one output are combined in order.
class Reduce final : public Op {
 public:
  Reduce(const OpSpec& spec, ReduceCode code, bool mean)
      : x_(spec.inputs[0]), code_(code), mean_(mean) {
    const auto axes = normalized(spec.attrs.integers("axes"), x_, spec.name);
    loops_ = Loops(x_, axes);
    check_reduction(spec, loops_, axes);
    auto& loops = loops_.loops;
    if (loops.empty()) loops.push_back({1, false, false, 1});
    const std::size_t last = loops.size() - 1;
    kept_ = Walk(loops_, last, false);
    reduced_ = Walk(loops_, last, true);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t outputs = loops_.product(ctx.batch, false);
    if (outputs == 0) return;
    const std::int64_t count = loops_.product(ctx.batch, true);
    if (count == 0) {
      const double nothing = mean_ ? std::numeric_limits<double>::quiet_NaN() : identity(code_);
      std::fill_n(ctx.output(0), outputs, static_cast<float>(nothing));
      return;
    }
    if (loops_.loops.back().reduced)
      reduce_runs(ctx, outputs);
    else
      reduce_rows(ctx);
    if (mean_) {
      float* out = ctx.output(0);
      const auto divisor = static_cast<float>(count);
      for (std::int64_t i = 0; i < outputs; ++i) out[i] /= divisor;
    }
  }

  std::size_t scratch_bytes() const override {
    const std::int64_t rows = max_rows(x_);
    const Loop& last = loops_.loops.back();
    const std::int64_t outputs = loops_.product(rows, false);
    if (last.reduced) {
      const RunPieces p = run_pieces(rows);
      return p.count() > 1 ? static_cast<std::size_t>(outputs * p.count()) * sizeof(double) : 0;
    }
    const RowPieces p = row_pieces(rows);
    return p.pieces > 1 ? static_cast<std::size_t>(outputs * p.pieces) * sizeof(float) : 0;
  }
  double flops(std::int64_t batch) const override { return static_cast<double>(x_.size(batch)); }

 private:
  static constexpr std::int64_t kTask = 16384, kTile = 2048;

  // Of one output: `runs` runs of `length`, `group` whole runs or 1/`cuts` of a run to a piece.
  struct RunPieces {
    std::int64_t runs, length, group, cuts;
    std::int64_t count() const { return (runs + group - 1) / group * cuts; }
  };
  RunPieces run_pieces(std::int64_t rows) const {
    RunPieces p{reduced_.count(rows), loops_.loops.back().count(rows), 1, 1};
    if (p.length > kTask)
      p.cuts = (p.length + kTask - 1) / kTask;
    else
      p.group = kTask / std::max<std::int64_t>(p.length, 1);
    return p;
  }

  double piece(const float* x, const RunPieces& p, std::int64_t index) const {
    const auto row = kernels().reduce.row[static_cast<int>(code_)];
    if (p.cuts > 1) {
      const std::int64_t cut = index % p.cuts * kTask;
      return row(x + reduced_.offset(index / p.cuts) + cut, std::min(kTask, p.length - cut));
    }
    const std::int64_t begin = index * p.group, end = std::min(begin + p.group, p.runs);
    double total = row(x + reduced_.offset(begin), p.length);
    for (std::int64_t r = begin + 1; r < end; ++r)
      total = combined(code_, total, row(x + reduced_.offset(r), p.length));
    return total;
  }

  void reduce_runs(const RunContext& ctx, std::int64_t outputs) const {
    const RunPieces p = run_pieces(ctx.batch);
    const auto* x = ctx.input(0);
    float* out = ctx.output(0);
    const std::int64_t pieces = p.count(), each = p.runs * p.length;
    const double work = static_cast<double>(outputs) * static_cast<double>(each) * 0.1;
    if (pieces == 1) {
      const std::int64_t group = std::max<std::int64_t>(1, kTask / each);
      ctx.threads.parallel_for((outputs + group - 1) / group, work,
                               [&](std::int64_t task, std::byte*) {
                                 const std::int64_t end = std::min(outputs, (task + 1) * group);
                                 for (std::int64_t i = task * group; i < end; ++i)
                                   out[i] = static_cast<float>(piece(x + kept_.offset(i), p, 0));
                               });
      return;
    }
    auto* partial = reinterpret_cast<double*>(ctx.scratch);
    ctx.threads.parallel_for(outputs * pieces, work, [&](std::int64_t task, std::byte*) {
      partial[task] = piece(x + kept_.offset(task / pieces), p, task % pieces);
    });
    for (std::int64_t i = 0; i < outputs; ++i) {
      double total = partial[i * pieces];
      for (std::int64_t j = 1; j < pieces; ++j)
        total = combined(code_, total, partial[i * pieces + j]);
      out[i] = static_cast<float>(total);
    }
  }

  // Of one outer output: `rows` rows of `columns`, `group` rows to a piece, `tile` columns to a
  // task.
  struct RowPieces {
    std::int64_t rows, columns, tile, group, pieces;
  };
  RowPieces row_pieces(std::int64_t rows) const {
    RowPieces p{reduced_.count(rows), loops_.loops.back().count(rows), 0, 0, 0};
    p.tile = std::min(p.columns, kTile);
    p.group = std::max<std::int64_t>(32, 4 * kTask / std::max<std::int64_t>(p.tile, 1));
    p.pieces = (p.rows + p.group - 1) / p.group;
    return p;
  }

  // Rows [begin, end) of a tile of columns.
  void some_rows(float* out, const float* x, std::int64_t begin, std::int64_t end,
                 std::int64_t columns, bool whole_rows) const {
    const auto rows = kernels().reduce.rows[static_cast<int>(code_)];
    const std::int64_t count = end - begin;
    if (!reduced_.uniform()) {
      // One pass of the innermost reduced loop at a time, each combined with what is there.
      float pair[2 * kTile];
      for (std::int64_t r = begin; r < end;) {
        const std::int64_t pass = std::min(reduced_.inner() - r % reduced_.inner(), end - r);
        rows(r == begin ? pair : pair + columns, x + reduced_.offset(r), pass, reduced_.stride(),
             columns);
        if (r > begin) rows(pair, pair, 2, columns, columns);
        r += pass;
      }
      std::copy_n(pair, columns, out);
      return;
    }
    const std::int64_t stride = reduced_.stride();
    x += begin * stride;
    // Narrow rows are taken several at a time, as one row that fills some vectors.
    const std::int64_t fold = columns < 64 ? 64 / columns : 1;
    if (!whole_rows || stride != columns || fold == 1 || count < 4 * fold) {
      rows(out, x, count, stride, columns);
      return;
    }
    float wide[64], rest[64];
    const std::int64_t whole = count / fold, left = count - whole * fold;
    rows(wide, x, whole, fold * columns, fold * columns);
    if (left > 0) rows(rest, x + whole * fold * columns, left, columns, columns);
    for (std::int64_t j = 0; j < columns; ++j) {
      double total = wide[j];
      for (std::int64_t f = 1; f < fold; ++f) total = combined(code_, total, wide[f * columns + j]);
      if (left > 0) total = combined(code_, total, rest[j]);
      out[j] = static_cast<float>(total);
    }
  }

  void reduce_rows(const RunContext& ctx) const {
    const RowPieces p = row_pieces(ctx.batch);
    const std::int64_t outer = kept_.count(ctx.batch);
    const auto* x = ctx.input(0);
    float* out = ctx.output(0);
    const std::int64_t tiles = (p.columns + p.tile - 1) / p.tile;
    const std::int64_t each = p.rows * p.columns;
    const double work = static_cast<double>(outer) * static_cast<double>(each) * 0.1;
    if (p.pieces == 1 && tiles == 1) {
      const std::int64_t group = std::max<std::int64_t>(1, kTask / each);
      ctx.threads.parallel_for(
          (outer + group - 1) / group, work, [&](std::int64_t task, std::byte*) {
            const std::int64_t end = std::min(outer, (task + 1) * group);
            for (std::int64_t k = task * group; k < end; ++k)
              some_rows(out + k * p.columns, x + kept_.offset(k), 0, p.rows, p.columns, true);
          });
      return;
    }
    auto* partial = p.pieces > 1 ? reinterpret_cast<float*>(ctx.scratch) : out;
    ctx.threads.parallel_for(outer * p.pieces * tiles, work, [&](std::int64_t task, std::byte*) {
      const std::int64_t column = task % tiles * p.tile, index = task / tiles;
      const std::int64_t begin = index % p.pieces * p.group;
      some_rows(partial + index * p.columns + column, x + kept_.offset(index / p.pieces) + column,
                begin, std::min(begin + p.group, p.rows), std::min(p.tile, p.columns - column),
                tiles == 1);
    });
    if (p.pieces == 1) return;
    const auto rows = kernels().reduce.rows[static_cast<int>(code_)];
    for (std::int64_t k = 0; k < outer; ++k)
      rows(out + k * p.columns, partial + k * p.pieces * p.columns, p.pieces, p.columns, p.columns);
  }

  TensorDesc x_;
  ReduceCode code_;
  bool mean_;
  Loops loops_;
  Walk kept_, reduced_;  // the loops outside the innermost one
};

// Any other dtype: element by element, in double precision or whole numbers.
template <class T>
class ReduceOther final : public Op {
 public:
  ReduceOther(const OpSpec& spec, ReduceCode code, bool mean)
      : x_(spec.inputs[0]), out_(spec.outputs[0]), code_(code), mean_(mean) {
    const auto axes = normalized(spec.attrs.integers("axes"), x_, spec.name);
    loops_ = Loops(x_, axes);
    check_reduction(spec, loops_, axes);
    kept_ = Walk(loops_, loops_.loops.size(), false);
    reduced_ = Walk(loops_, loops_.loops.size(), true);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t outputs = loops_.product(ctx.batch, false);
    const std::int64_t count = loops_.product(ctx.batch, true);
    const T* x = ctx.input<T>(0);
    for (std::int64_t i = 0; i < outputs; ++i) {
      const T* from = x + kept_.offset(i);
      double total = identity(code_);
      for (std::int64_t j = 0; j < count; ++j)
        total = combined(code_, total, static_cast<double>(from[reduced_.offset(j)]));
      if (mean_) total /= static_cast<double>(count);
      switch (out_.dtype) {
        case DType::f32:
          ctx.output(0)[i] = static_cast<float>(total);
          break;
        case DType::i32:
          ctx.output<std::int32_t>(0)[i] = static_cast<std::int32_t>(total);
          break;
        case DType::u8:
          ctx.output<std::uint8_t>(0)[i] = static_cast<std::uint8_t>(total);
          break;
        case DType::b8:
          ctx.output<std::uint8_t>(0)[i] = total != 0;
          break;
        case DType::i64:
          ctx.output<std::int64_t>(0)[i] = static_cast<std::int64_t>(total);
          break;
        case DType::f64:
          ctx.output<double>(0)[i] = total;
          break;
      }
    }
  }
  double flops(std::int64_t batch) const override { return static_cast<double>(x_.size(batch)); }

 private:
  TensorDesc x_, out_;
  ReduceCode code_;
  bool mean_;
  Loops loops_;
  Walk kept_, reduced_;
};

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
    check_output(spec, x_.max_size() / n, x_.batched && !over_batch);
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

// How many elements a reduction takes together, the batch of this run included.
class Count final : public Op {
 public:
  explicit Count(const OpSpec& spec)
      : loops_(spec.inputs[0], normalized(spec.attrs.integers("axes"), spec.inputs[0], spec.name)) {
    const TensorDesc& out = spec.outputs[0];
    if (out.dtype != DType::f32 || out.batched || out.max_size() != 1)
      throw std::invalid_argument("count: the output is one float32");
  }
  void run(const RunContext& ctx) const override {
    *ctx.output(0) = static_cast<float>(loops_.product(ctx.batch, true));
  }

 private:
  Loops loops_;
};

// Made<T>(spec, args...) for the dtype of the input.
template <template <class> class Made, class... Args>
std::unique_ptr<Op> for_dtype(const OpSpec& spec, Args... args) {
  switch (spec.inputs[0].dtype) {
    case DType::f64:
      return std::make_unique<Made<double>>(spec, args...);
    case DType::i32:
      return std::make_unique<Made<std::int32_t>>(spec, args...);
    case DType::i64:
      return std::make_unique<Made<std::int64_t>>(spec, args...);
    case DType::u8:
    case DType::b8:
      return std::make_unique<Made<std::uint8_t>>(spec, args...);
    case DType::f32:
      break;
  }
  return std::make_unique<Made<float>>(spec, args...);
}

void expect_one(const OpSpec& spec) {
  if (spec.inputs.size() != 1 || spec.outputs.size() != 1)
    throw std::invalid_argument(spec.name + ": expected 1 input and 1 output, got " +
                                std::to_string(spec.inputs.size()) + " and " +
                                std::to_string(spec.outputs.size()));
}

template <ReduceCode Code, bool Mean = false>
std::unique_ptr<Op> make_reduce(const OpSpec& spec) {
  expect_one(spec);
  if (spec.inputs[0].dtype == DType::f32 && spec.outputs[0].dtype == DType::f32)
    return std::make_unique<Reduce>(spec, Code, Mean);
  return for_dtype<ReduceOther>(spec, Code, Mean);
}

template <bool Maximum>
std::unique_ptr<Op> make_arg(const OpSpec& spec) {
  expect_one(spec);
  return for_dtype<ArgExtreme>(spec, Maximum);
}

}  // namespace

void register_reduce(Registry& r) {
  r.add("sum", make_reduce<ReduceCode::sum>);
  r.add("mean", make_reduce<ReduceCode::sum, true>);
  r.add("max", make_reduce<ReduceCode::max>);
  r.add("min", make_reduce<ReduceCode::min>);
  r.add("prod", make_reduce<ReduceCode::prod>);
  r.add("argmax", make_arg<true>);
  r.add("argmin", make_arg<false>);
  r.add("count", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    expect_one(spec);
    return std::make_unique<Count>(spec);
  });
}

}  // namespace fastconv
