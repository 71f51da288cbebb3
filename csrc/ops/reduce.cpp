// Reductions over any axes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "dispatch/dispatch.h"
#include "kernels/convert.h"
#include "ops/axes.h"
#include "ops/check.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

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

std::int64_t max_rows(const TensorDesc& x) { return x.batched ? x.shape[0] : 1; }

void check_reduction(const OpSpec& spec, const Loops& loops,
                     const std::vector<std::int64_t>& axes) {
  const TensorDesc& x = spec.inputs[0];
  expect_elements(spec, loops.product(max_rows(x), false),
                  x.batched && !std::ranges::count(axes, 0));
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
    const bool runs = !loops_.loops.empty() && loops_.loops.back().reduced;
    if (runs) run_ = loops_.loops.back();
    kept_ = Walk(loops_, loops_.loops.size(), false);
    reduced_ = Walk(loops_, loops_.loops.size() - (runs ? 1 : 0), true);
  }

  void run(const RunContext& ctx) const override {
    constexpr std::int64_t kTask = 4096;
    const std::int64_t outputs = loops_.product(ctx.batch, false);
    const std::int64_t count = loops_.product(ctx.batch, true);
    const std::int64_t group = std::max<std::int64_t>(1, kTask / std::max<std::int64_t>(1, count));
    const double work = static_cast<double>(outputs) * static_cast<double>(count) * 0.8;
    ctx.threads.parallel_for(
        (outputs + group - 1) / group, work, [&](std::int64_t task, std::byte*) {
          const std::int64_t end = std::min(outputs, (task + 1) * group);
          for (std::int64_t i = task * group; i < end; ++i) {
            const double total = reduced(ctx.input<T>(0) + kept_.offset(i), ctx.batch);
            put(ctx, i, mean_ ? total / static_cast<double>(count) : total);
          }
        });
  }
  double flops(std::int64_t batch) const override { return static_cast<double>(x_.size(batch)); }

 private:
  double reduced(const T* from, std::int64_t batch) const {
    double total = identity(code_);
    const std::int64_t runs = reduced_.count(batch), length = run_.count(batch);
    for (std::int64_t run = 0; run < runs; ++run) {
      const T* at = from + reduced_.offset(run);
      for (std::int64_t j = 0; j < length; ++j)
        total = combined(code_, total, static_cast<double>(at[j]));
    }
    return total;
  }
  void put(const RunContext& ctx, std::int64_t i, double value) const {
    switch (out_.dtype) {
      case DType::f32:
        ctx.output(0)[i] = static_cast<float>(value);
        break;
      case DType::i32:
        ctx.output<std::int32_t>(0)[i] = to_int(value);
        break;
      case DType::u8:
        ctx.output<std::uint8_t>(0)[i] = static_cast<std::uint8_t>(to_int(value));
        break;
      case DType::b8:
        ctx.output<std::uint8_t>(0)[i] = value != 0;
        break;
      case DType::i64:
        ctx.output<std::int64_t>(0)[i] = static_cast<std::int64_t>(value);
        break;
      case DType::f64:
        ctx.output<double>(0)[i] = value;
        break;
      case DType::bf16:  // in pointwise steps alone
        break;
    }
  }

  TensorDesc x_, out_;
  ReduceCode code_;
  bool mean_;
  Loops loops_;
  Loop run_{1, false, true};  // the innermost loop where it is reduced: contiguous
  Walk kept_, reduced_;       // the others
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

template <ReduceCode Code, bool Mean = false>
std::unique_ptr<Op> make_reduce(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  if (spec.inputs[0].dtype == DType::f32 && spec.outputs[0].dtype == DType::f32)
    return std::make_unique<Reduce>(spec, Code, Mean);
  return for_dtype<ReduceOther>(spec, Code, Mean);
}

}  // namespace

void register_reduce(Registry& r) {
  r.add("sum", make_reduce<ReduceCode::sum>);
  r.add("mean", make_reduce<ReduceCode::sum, true>);
  r.add("max", make_reduce<ReduceCode::max>);
  r.add("min", make_reduce<ReduceCode::min>);
  r.add("prod", make_reduce<ReduceCode::prod>);
  r.add("count", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_counts(spec, 1, 1);
    return std::make_unique<Count>(spec);
  });
}

}  // namespace fastconv
