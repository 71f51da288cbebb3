#include "ops/tape.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

using Kind = TapeOperand::Kind;

constexpr std::int64_t kBlock = 512;       // most elements in a block
constexpr std::int64_t kWorkspace = 8192;  // floats for all blocks: they stay in the first cache
constexpr int kMaxSlots = 240;

void store(void* out, std::int64_t index, DType dtype, const float* in, std::int64_t count) {
  const PointwiseKernels& k = kernels().pointwise;
  switch (dtype) {
    case DType::i32:
      return k.to_i32(static_cast<std::int32_t*>(out) + index, in, count);
    case DType::u8:
      return k.to_u8(static_cast<std::uint8_t*>(out) + index, in, count);
    case DType::b8:
      return k.to_bool(static_cast<std::uint8_t*>(out) + index, in, count);
    case DType::bf16:
      return k.to_bf16(static_cast<std::uint16_t*>(out) + index, in, count);
    default:
      std::memcpy(static_cast<float*>(out) + index, in, static_cast<std::size_t>(count) * 4);
  }
}

double nanoseconds(PointwiseCode code) {
  using C = PointwiseCode;
  switch (code) {
    case C::exp:
    case C::expm1:
    case C::log:
    case C::log1p:
    case C::tanh:
    case C::sigmoid:
    case C::softplus:
    case C::erf:
    case C::elu:
    case C::sin:
    case C::cos:
    case C::dropout:
      return 0.3;
    case C::power:
      return 1.5;
    case C::mod:
    case C::floor_divide:
      return 10;
    default:
      return 0.05;
  }
}

}  // namespace

Tape::Tape(TapeCode code, std::vector<TapeOperand> operands, std::vector<TapeResult> results,
           std::string_view op)
    : code_(std::move(code)), operands_(std::move(operands)), results_(std::move(results)) {
  const int inputs = code_.inputs;
  const auto fail = [&](const std::string& why) {
    throw std::invalid_argument(std::string(op) + ": " + why);
  };
  if (static_cast<int>(operands_.size()) != inputs) fail("as many inputs as the code has");
  for (const TapeResult& r : results_)
    if (r.dtype == DType::f64 || r.dtype == DType::i64)
      fail("results are float32, int32, uint8, bool or bfloat16, not " +
           std::string(name_of(r.dtype)));

  // A result of its own for each output: an input, or a register given twice, is copied.
  std::vector<int> seen;
  for (TapeResult& r : results_) {
    const int made = inputs + static_cast<int>(code_.instructions.size());
    if (r.reg < 0 || r.reg >= made) fail("no register " + std::to_string(r.reg));
    if (r.reg < inputs || std::ranges::count(seen, r.reg)) {
      code_.instructions.push_back(
          {PointwiseCode::identity, {r.reg, Instruction::kNone, Instruction::kNone}});
      r.reg = made;
    }
    seen.push_back(r.reg);
  }

  const int registers = inputs + static_cast<int>(code_.instructions.size());
  std::vector<int> last_use(static_cast<std::size_t>(registers), -1);  // by instruction
  std::vector<bool> live(static_cast<std::size_t>(registers), false);
  for (const TapeResult& r : results_) live[r.reg] = true;
  for (int r = registers - 1; r >= inputs; --r) {
    if (!live[r]) continue;
    for (const int a : code_.instructions[r - inputs].arg)
      if (a >= 0 && a < Instruction::kNone) {
        live[a] = true;
        last_use[a] = std::max(last_use[a], r - inputs);
      }
  }

  const int constants = static_cast<int>(code_.immediates.size());
  const int first_temporary = inputs + constants + static_cast<int>(results_.size());
  std::vector<int> slot(static_cast<std::size_t>(registers), -1), free;
  slots_ = first_temporary;
  for (int k = 0; k < inputs; ++k) slot[k] = k;
  for (std::size_t o = 0; o < results_.size(); ++o) {
    slot[results_[o].reg] = inputs + constants + static_cast<int>(o);
    result_slot_.push_back(static_cast<std::int16_t>(slot[results_[o].reg]));
  }
  last_read_.assign(static_cast<std::size_t>(inputs), -1);
  written_.assign(results_.size(), -1);
  for (int r = inputs; r < registers; ++r) {
    if (!live[r]) continue;
    const Instruction& from = code_.instructions[r - inputs];
    const auto position = static_cast<std::int16_t>(steps_.size());
    Step step{from.code, {-1, -1, -1}, -1, {}};
    for (int j = 0; j < 3; ++j) {
      const int a = from.arg[j];
      if (a == Instruction::kNone) continue;
      step.arg[j] = static_cast<std::int16_t>(a < 0 ? inputs + ~a : slot[a]);
      if (a >= 0 && a < inputs) last_read_[a] = position;
      // A block can be written over by the instruction that reads it last.
      if (a >= inputs && slot[a] >= first_temporary && last_use[a] == r - inputs &&
          !std::ranges::count(free, slot[a]))
        free.push_back(slot[a]);
    }
    if (slot[r] < 0) {
      if (free.empty()) {
        slot[r] = slots_++;
      } else {
        slot[r] = free.back();
        free.pop_back();
      }
    }
    step.out = static_cast<std::int16_t>(slot[r]);
    if (from.code == PointwiseCode::dropout) {
      step.dropout.stream = from.stream;
      step.dropout.threshold = static_cast<std::int32_t>(std::nearbyint(from.rate * 65536));
      step.dropout.scale = from.rate < 1 ? static_cast<float>(1 / (1 - from.rate)) : 0.0f;
      if (from.rate >= 1) step.dropout.threshold = 65536;
    }
    steps_.push_back(step);
  }
  for (std::size_t o = 0; o < results_.size(); ++o)
    for (std::size_t p = 0; p < steps_.size(); ++p)
      if (steps_[p].out == result_slot_[o]) written_[o] = static_cast<std::int16_t>(p);
  if (slots_ > kMaxSlots)
    fail("the code needs " + std::to_string(slots_) + " registers, at most " +
         std::to_string(kMaxSlots));

  // Blocks of the workspace.
  int blocks = 0;
  buffer_.assign(static_cast<std::size_t>(slots_), -1);
  // A result of scalars alone is computed once and spread over a buffer.
  direct_ = steps_.size() == 1 && slots_ == first_temporary &&
            std::ranges::any_of(steps_[0].arg, [&](int a) {
              return a >= 0 && a < inputs && operands_[a].kind == Kind::full;
            });
  std::int64_t period = 0;
  for (int k = 0; k < inputs; ++k) {
    const TapeOperand& operand = operands_[k];
    const bool plain = operand.kind == Kind::full || operand.kind == Kind::scalar;
    if (plain && operand.dtype == DType::f32) continue;
    direct_ = false;
    buffer_[k] = static_cast<std::int16_t>(blocks++);
  }
  for (int s = inputs + constants; s < slots_; ++s)
    buffer_[s] = static_cast<std::int16_t>(blocks++);
  for (const TapeResult& r : results_) direct_ = direct_ && r.dtype == DType::f32;
  block_ = std::min(kBlock, (kWorkspace / std::max(blocks, 1) - kPointwisePad) / 16 * 16);
  // Whole rows to a block, so that a row is repeated once and not for every block.
  for (const TapeOperand& operand : operands_)
    if (operand.kind == Kind::row && operand.period <= block_)
      period = std::max(period, operand.period);
  if (period > 0) {
    const std::int64_t aligned = std::lcm(period, std::int64_t{16});
    const std::int64_t unit = aligned <= block_ ? aligned : period;
    block_ = block_ / unit * unit;
  }
  stride_ = (block_ + 15) / 16 * 16 + kPointwisePad;
}

double Tape::flops() const { return static_cast<double>(steps_.size()); }

double Tape::cost() const {
  double total = 0;
  for (const Step& step : steps_) total += nanoseconds(step.code);
  for (const TapeOperand& operand : operands_)
    total += operand.kind == Kind::full ? 0.1 : operand.kind == Kind::strided ? 0.3 : 0.02;
  return total + 0.1 * static_cast<double>(results_.size());
}

bool Tape::can_overwrite(int o, int k) const {
  return operands_[k].kind == Kind::full && operands_[k].dtype == DType::f32 &&
         results_[o].dtype == DType::f32 && last_read_[k] <= written_[o];
}

void Tape::run(const void* const* in, void* const* out, const Range& range) const {
  struct Slot {
    const float* p;
    float* buffer;
    std::int64_t phase;  // of the row that the buffer holds, -1 if none
    bool scalar;
  };
  alignas(64) float workspace[kWorkspace + kMaxSlots * kPointwisePad];
  Slot slot[kMaxSlots];
  const PointwiseKernels& k = kernels().pointwise;
  const int inputs = code_.inputs, outputs = static_cast<int>(results_.size());
  for (int s = 0; s < slots_; ++s)
    slot[s] = {nullptr, buffer_[s] < 0 ? nullptr : workspace + buffer_[s] * stride_, -1, false};
  for (std::size_t i = 0; i < code_.immediates.size(); ++i) {
    slot[inputs + i].p = &code_.immediates[i];
    slot[inputs + i].scalar = true;
  }

  // Results go straight to their tensors, unless one lies on an input that is read again later.
  bool straight = true;
  for (int o = 0; o < outputs; ++o)
    for (int i = 0; i < inputs; ++i)
      if (out[o] == in[i] && last_read_[i] > written_[o]) straight = false;

  const std::int64_t most = direct_ && straight ? range.count : block_;
  for (std::int64_t done = 0; done < range.count; done += most) {
    const std::int64_t n = std::min(most, range.count - done), index = range.index + done;
    for (int i = 0; i < inputs; ++i) {
      const TapeOperand& operand = operands_[i];
      Slot& s = slot[i];
      const std::int64_t from = i == 0 ? index - range.origin : index;
      const auto* p = static_cast<const float*>(in[i]);
      s.scalar = operand.kind == Kind::scalar;
      if (operand.dtype != DType::f32) {
        operand.load(s.buffer, in[i], s.scalar ? 0 : from, s.scalar ? 1 : n);
        s.p = s.buffer;
        continue;
      }
      switch (operand.kind) {
        case Kind::full:
          s.p = p + from;
          break;
        case Kind::scalar:
          s.p = p;
          break;
        case Kind::row: {
          const std::int64_t phase = index % operand.period;
          s.p = p + phase;
          if (phase + n <= operand.period) break;
          // Later blocks of this call are no longer than its first.
          if (s.phase != phase) k.tile(s.buffer, p, operand.period, phase, n);
          s.phase = phase;
          s.p = s.buffer;
          break;
        }
        case Kind::column: {
          const std::int64_t q = index / operand.period, phase = index - q * operand.period;
          s.p = p + q;
          s.scalar = phase + n <= operand.period;
          if (s.scalar) break;
          k.repeat(s.buffer, p + q, operand.period, phase, n);
          s.p = s.buffer;
          break;
        }
        case Kind::strided:
          operand.load(s.buffer, in[i], index, n);
          s.p = s.buffer;
          break;
      }
    }

    for (const Step& step : steps_) {
      const float* p[3] = {nullptr, nullptr, nullptr};
      int form = 0, args = 0;
      for (; args < 3 && step.arg[args] >= 0; ++args) {
        p[args] = slot[step.arg[args]].p;
        form |= slot[step.arg[args]].scalar << args;
      }
      Slot& to = slot[step.out];
      float* target = to.buffer;
      const int o = step.out - inputs - static_cast<int>(code_.immediates.size());
      if (o < outputs && straight && results_[o].dtype == DType::f32)
        target = static_cast<float*>(out[o]) + (o == 0 ? index - range.origin : index);
      if (step.code == PointwiseCode::dropout) {
        if (form == 1) {
          k.fill(target, *p[0], n);
          p[0] = target;
        }
        DropoutArgs args_now = step.dropout;
        args_now.seed = range.seed;
        args_now.step = range.step;
        k.dropout(target, p[0], index, n, args_now);
        to.scalar = false;
      } else if (form == (1 << args) - 1) {
        target = to.buffer;
        k.fn[static_cast<int>(step.code)][0](target, p[0], p[1], p[2], 1);
        to.scalar = true;
      } else {
        k.fn[static_cast<int>(step.code)][form](target, p[0], p[1], p[2], n);
        to.scalar = false;
      }
      to.p = target;
    }

    for (int o = 0; o < outputs; ++o) {
      Slot& s = slot[result_slot_[o]];
      const std::int64_t to = o == 0 ? index - range.origin : index;
      if (s.p != s.buffer) continue;
      if (s.scalar) {
        const float value = *s.p;
        k.fill(s.buffer, value, n);
      }
      store(out[o], to, results_[o].dtype, s.buffer, n);
    }
  }
}

}  // namespace fastconv
