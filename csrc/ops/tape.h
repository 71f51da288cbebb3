// A tape: a short straight-line program of pointwise instructions, run block by block with every
// intermediate in the first-level cache. The op `pointwise` is a tape over whole tensors; other ops
// run one as their epilogue, on blocks of their own result.
//
// Code is text: instructions separated by "; ", each `name arg arg ...`, an arg being a register
// `%r` or an immediate number. With K inputs in %0..%(K-1), instruction i writes %(K+i).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/pointwise.h"
#include "ops/op.h"

namespace fastconv {

struct Instruction {
  PointwiseCode code;
  std::array<int, 3> arg;    // registers; ~i is immediate i of the tape; unused ones are kNone
  std::uint32_t stream = 0;  // dropout
  double rate = 0;
  static constexpr int kNone = 1 << 20;
};

// The code, parsed and checked.
struct TapeCode {
  int inputs = 0;
  std::vector<Instruction> instructions;
  std::vector<float> immediates;

  // Throws std::invalid_argument, with a message that starts with `op`.
  static TapeCode parse(std::string_view code, int inputs, std::string_view op);
};

// How an input's elements are found from the flat index of an output element.
struct TapeOperand {
  enum class Kind : std::uint8_t { full, scalar, row, column, strided };
  Kind kind = Kind::full;
  DType dtype = DType::f32;
  std::int64_t period = 1;  // row: element i is in[i % period]; column: in[i / period]
  std::vector<std::int64_t> sizes, strides;  // strided: outermost first, sizes[0] is not used

  // Throws std::invalid_argument if `input` does not broadcast to `output`.
  static TapeOperand of(const TensorDesc& input, const TensorDesc& output, std::string_view op);

  // Elements [index, index + count) as floats, whatever the kind and the dtype.
  void load(float* out, const void* in, std::int64_t index, std::int64_t count) const;
};

struct TapeResult {
  int reg;
  DType dtype = DType::f32;
};

class Tape {
 public:
  Tape() = default;
  Tape(TapeCode code, std::vector<TapeOperand> operands, std::vector<TapeResult> results,
       std::string_view op);

  // What one call works on: element `index` of the tensors, `count` of them from there on.
  // Inputs point to the tensors' starts, except that input 0 and output 0 point to element
  // `origin`.
  struct Range {
    std::int64_t index, count, origin;
    std::uint64_t seed, step;
  };
  // Needs some 60 KB of stack. Outputs may be inputs of the kind `full`, of the same dtype.
  void run(const void* const* in, void* const* out, const Range& range) const;

  const TapeCode& code() const { return code_; }
  std::int64_t block() const { return block_; }  // elements that go through the tape at a time
  double flops() const;                          // for each element
  double cost() const;                           // estimate of nanoseconds for each element
  // Output o can be written over input k: both full floats, and k is not read once o is written.
  bool can_overwrite(int o, int k) const;

 private:
  struct Step {
    PointwiseCode code;
    std::array<std::int16_t, 3> arg;  // slots
    std::int16_t out;
    DropoutArgs dropout;
  };
  class Call;

  void copy_shared_results();  // so that each output has a register of its own
  void assign_slots();
  void size_blocks();
  int first_result() const { return code_.inputs + static_cast<int>(code_.immediates.size()); }
  int first_temporary() const { return first_result() + static_cast<int>(results_.size()); }

  TapeCode code_;
  std::vector<TapeOperand> operands_;
  std::vector<TapeResult> results_;
  std::vector<Step> steps_;
  std::vector<std::int16_t> result_slot_;
  std::vector<std::int16_t> last_read_, written_;  // by input, by result: positions in steps_
  // Slots: inputs, immediates, one for each result, then shared temporaries. buffer_[slot] is its
  // block in the workspace, -1 where it never needs one.
  std::vector<std::int16_t> buffer_;
  int slots_ = 0;
  std::int64_t block_ = 0, stride_ = 0;
  bool direct_ = false;  // no slot needs a buffer: the whole range is one block
};

// The tape that an op runs on its own result, from the attrs `epilogue` (text; absent or empty:
// none) and `extra` (how many inputs, after the op's own, are its %1, %2 ...).
class Epilogue {
 public:
  Epilogue() = default;
  // `own`: how many of the inputs are the op's own. The extras broadcast to `result`, the op's
  // first output.
  Epilogue(const OpSpec& spec, int own, const TensorDesc& result);

  bool empty() const { return code_.instructions.empty(); }
  double flops() const { return tape_.flops(); }  // for each element
  double cost() const { return tape_.cost(); }    // estimate of nanoseconds for each element

  // Element `index` of the result (flat, row by row of the whole tensor) is at `block`: `count`
  // elements from there are replaced. Any thread, no workspace.
  void run(const RunContext& ctx, float* block, std::int64_t index, std::int64_t count) const {
    run(ctx, block, block, index, count);
  }
  // Out of place: reads `block`, writes `out`.
  void run(const RunContext& ctx, const float* block, float* out, std::int64_t index,
           std::int64_t count) const;

  // What kernels can do in registers.
  bool starts_with_relu() const;       // first `relu %0`, and only later instructions use %0's relu
  bool is_relu() const;                // nothing else
  bool starts_with_relu_grad() const;  // first `relu_grad %0 %1`: keep %0 where %1 > 0, else 0
  bool is_relu_grad() const;
  // The input of the op that holds %1 of relu_grad; only if starts_with_relu_grad() and it is
  // a full float tensor (else -1).
  int mask_input() const;
  // The epilogue without its first instruction, for an op that has done that one already.
  Epilogue rest() const;

 private:
  Epilogue(TapeCode code, std::vector<TapeOperand> operands, int own, std::string op);
  bool only_first_reads_result() const;

  TapeCode code_;
  std::vector<TapeOperand> operands_;
  int own_ = 0;
  std::string op_;
  Tape tape_;
};

}  // namespace fastconv
