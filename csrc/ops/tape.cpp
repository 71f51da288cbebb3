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

DropoutArgs dropout_args(const Instruction& from) {
  DropoutArgs args{};
  args.stream = from.stream;
  args.threshold = static_cast<std::int32_t>(std::nearbyint(from.rate * 65536));
  args.scale = from.rate < 1 ? static_cast<float>(1 / (1 - from.rate)) : 0.0f;
  if (from.rate >= 1) args.threshold = 65536;
  return args;
}

}  // namespace

Tape::Tape(TapeCode code, std::vector<TapeOperand> operands, std::vector<TapeResult> results,
           std::string_view op)
    : code_(std::move(code)), operands_(std::move(operands)), results_(std::move(results)) {
  const auto fail = [&](const std::string& why) {
    throw std::invalid_argument(std::string(op) + ": " + why);
  };
  if (static_cast<int>(operands_.size()) != code_.inputs) fail("as many inputs as the code has");
  const int registers = code_.inputs + static_cast<int>(code_.instructions.size());
  for (const TapeResult& r : results_) {
    if (r.dtype == DType::f64 || r.dtype == DType::i64)
      fail("results are float32, int32, uint8, bool or bfloat16, not " +
           std::string(name_of(r.dtype)));
    if (r.reg < 0 || r.reg >= registers) fail("no register " + std::to_string(r.reg));
  }
  copy_shared_results();
  assign_slots();
  if (slots_ > kMaxSlots)
    fail("the code needs " + std::to_string(slots_) + " registers, at most " +
         std::to_string(kMaxSlots));
  size_blocks();
}

void Tape::copy_shared_results() {
  std::vector<int> seen;
  for (TapeResult& r : results_) {
    if (r.reg < code_.inputs || std::ranges::count(seen, r.reg)) {
      const int copy = code_.inputs + static_cast<int>(code_.instructions.size());
      code_.instructions.push_back(
          {PointwiseCode::identity, {r.reg, Instruction::kNone, Instruction::kNone}});
      r.reg = copy;
    }
    seen.push_back(r.reg);
  }
}

void Tape::assign_slots() {
  const int inputs = code_.inputs;
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

  std::vector<int> slot(static_cast<std::size_t>(registers), -1), free;
  slots_ = first_temporary();
  for (int k = 0; k < inputs; ++k) slot[k] = k;
  for (std::size_t o = 0; o < results_.size(); ++o) {
    slot[results_[o].reg] = first_result() + static_cast<int>(o);
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
      if (a >= inputs && slot[a] >= first_temporary() && last_use[a] == r - inputs &&
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
    if (from.code == PointwiseCode::dropout) step.dropout = dropout_args(from);
    steps_.push_back(step);
  }
  for (std::size_t o = 0; o < results_.size(); ++o)
    for (std::size_t p = 0; p < steps_.size(); ++p)
      if (steps_[p].out == result_slot_[o]) written_[o] = static_cast<std::int16_t>(p);
}

void Tape::size_blocks() {
  int blocks = 0;
  buffer_.assign(static_cast<std::size_t>(slots_), -1);
  // A result of scalars alone is computed once and spread over a buffer.
  direct_ = steps_.size() == 1 && slots_ == first_temporary() &&
            std::ranges::any_of(steps_[0].arg, [&](int a) {
              return a >= 0 && a < code_.inputs && operands_[a].kind == Kind::full;
            });
  for (int k = 0; k < code_.inputs; ++k) {
    const TapeOperand& operand = operands_[k];
    const bool plain = operand.kind == Kind::full || operand.kind == Kind::scalar;
    if (plain && operand.dtype == DType::f32) continue;
    direct_ = false;
    buffer_[k] = static_cast<std::int16_t>(blocks++);
  }
  for (int s = first_result(); s < slots_; ++s) buffer_[s] = static_cast<std::int16_t>(blocks++);
  for (const TapeResult& r : results_) direct_ = direct_ && r.dtype == DType::f32;
  block_ = std::min(kBlock, (kWorkspace / std::max(blocks, 1) - kPointwisePad) / 16 * 16);
  // Whole rows to a block, so that a row is repeated once and not for every block.
  std::int64_t period = 0;
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

// One run over a range, block by block: inputs into their slots, the steps, results out of them.
class Tape::Call {
 public:
  Call(const Tape& tape, const void* const* in, void* const* out, const Range& range)
      : tape_(tape), in_(in), out_(out), range_(range) {
    const TapeCode& code = tape.code_;
    for (int s = 0; s < tape.slots_; ++s) {
      const int block = tape.buffer_[s];
      slot_[s] = {nullptr, block < 0 ? nullptr : workspace_ + block * tape.stride_, -1, false};
    }
    for (std::size_t i = 0; i < code.immediates.size(); ++i) {
      slot_[code.inputs + i].p = &code.immediates[i];
      slot_[code.inputs + i].scalar = true;
    }
    for (std::size_t o = 0; o < tape.results_.size(); ++o)
      for (int i = 0; i < code.inputs; ++i)
        if (out[o] == in[i] && tape.last_read_[i] > tape.written_[o]) straight_ = false;
  }

  void run() {
    const std::int64_t most = tape_.direct_ && straight_ ? range_.count : tape_.block_;
    for (std::int64_t done = 0; done < range_.count; done += most) {
      const std::int64_t index = range_.index + done, n = std::min(most, range_.count - done);
      for (int i = 0; i < tape_.code_.inputs; ++i) load(i, index, n);
      for (const Step& step : tape_.steps_) compute(step, index, n);
      for (std::size_t o = 0; o < tape_.results_.size(); ++o) finish(static_cast<int>(o), index, n);
    }
  }

 private:
  struct Slot {
    const float* p;
    float* buffer;
    std::int64_t phase;  // of the row that the buffer holds, -1 if none
    bool scalar;
  };

  // Where element `index` of the tensors is in input or output `k`.
  std::int64_t position(int k, std::int64_t index) const {
    return k == 0 ? index - range_.origin : index;
  }

  void load(int i, std::int64_t index, std::int64_t n) {
    const TapeOperand& operand = tape_.operands_[i];
    Slot& s = slot_[i];
    const std::int64_t from = position(i, index), period = operand.period;
    const auto* p = static_cast<const float*>(in_[i]);
    s.scalar = operand.kind == Kind::scalar;
    if (operand.dtype != DType::f32) {
      operand.load(s.buffer, in_[i], s.scalar ? 0 : from, s.scalar ? 1 : n);
      s.p = s.buffer;
      return;
    }
    switch (operand.kind) {
      case Kind::full:
        s.p = p + from;
        return;
      case Kind::scalar:
        s.p = p;
        return;
      case Kind::row: {
        const std::int64_t phase = index % period;
        s.p = p + phase;
        if (phase + n <= period) return;
        // Later blocks of this call are no longer than its first.
        if (s.phase != phase) k_.tile(s.buffer, p, period, phase, n);
        s.phase = phase;
        s.p = s.buffer;
        return;
      }
      case Kind::column: {
        const std::int64_t q = index / period, phase = index - q * period;
        s.p = p + q;
        s.scalar = phase + n <= period;
        if (s.scalar) return;
        k_.repeat(s.buffer, p + q, period, phase, n);
        s.p = s.buffer;
        return;
      }
      case Kind::strided:
        operand.load(s.buffer, in_[i], index, n);
        s.p = s.buffer;
    }
  }

  void compute(const Step& step, std::int64_t index, std::int64_t n) {
    const float* p[3] = {nullptr, nullptr, nullptr};
    int form = 0, args = 0;
    for (; args < 3 && step.arg[args] >= 0; ++args) {
      p[args] = slot_[step.arg[args]].p;
      form |= slot_[step.arg[args]].scalar << args;
    }
    Slot& to = slot_[step.out];
    float* target = to.buffer;
    to.scalar = false;
    const int o = step.out - tape_.first_result();
    if (step.out < tape_.first_temporary() && straight_ && tape_.results_[o].dtype == DType::f32)
      target = static_cast<float*>(out_[o]) + position(o, index);
    if (step.code == PointwiseCode::dropout) {
      if (form == 1) {
        k_.fill(target, *p[0], n);
        p[0] = target;
      }
      DropoutArgs args_now = step.dropout;
      args_now.seed = range_.seed;
      args_now.step = range_.step;
      k_.dropout(target, p[0], index, n, args_now);
    } else if (form == (1 << args) - 1) {
      target = to.buffer;
      k_.fn[static_cast<int>(step.code)][0](target, p[0], p[1], p[2], 1);
      to.scalar = true;
    } else {
      k_.fn[static_cast<int>(step.code)][form](target, p[0], p[1], p[2], n);
    }
    to.p = target;
  }

  void finish(int o, std::int64_t index, std::int64_t n) {
    Slot& s = slot_[tape_.result_slot_[o]];
    if (s.p != s.buffer) return;  // written straight to its tensor
    if (s.scalar) {
      const float value = *s.p;
      k_.fill(s.buffer, value, n);
    }
    store(out_[o], position(o, index), tape_.results_[o].dtype, s.buffer, n);
  }

  const Tape& tape_;
  const void* const* in_;
  void* const* out_;
  const Range& range_;
  const PointwiseKernels& k_ = kernels().pointwise;
  // Results go straight to their tensors, unless one lies on an input that is read again later.
  bool straight_ = true;
  Slot slot_[kMaxSlots];
  alignas(64) float workspace_[kWorkspace + kMaxSlots * kPointwisePad];
};

void Tape::run(const void* const* in, void* const* out, const Range& range) const {
  Call(*this, in, out, range).run();
}

}  // namespace fastconv
