// Tapes that other ops run on their own results.
#include "ops/tape.h"

namespace fastconv {
namespace {

constexpr int kMaxInputs = 240;

}  // namespace

Epilogue::Epilogue(const OpSpec& spec, int own, const TensorDesc& result) : own_(own) {
  const auto extra = static_cast<int>(spec.attrs.integer("extra", 0));
  op_ = spec.name;
  if (static_cast<int>(spec.inputs.size()) != own + extra)
    throw std::invalid_argument(spec.name + ": expected " + std::to_string(own + extra) +
                                " inputs, got " + std::to_string(spec.inputs.size()));
  if (extra < 0 || extra > kMaxInputs)
    throw std::invalid_argument(spec.name + ": " + std::to_string(extra) + " extra inputs");
  code_ = TapeCode::parse(spec.attrs.text("epilogue", ""), 1 + extra, spec.name);
  operands_.push_back(TapeOperand::of(result, result, spec.name));
  operands_[0].kind = TapeOperand::Kind::full;
  for (int i = 0; i < extra; ++i)
    operands_.push_back(TapeOperand::of(spec.inputs[own + i], result, spec.name));
  *this = Epilogue(code_, operands_, own, op_);
}

Epilogue::Epilogue(TapeCode code, std::vector<TapeOperand> operands, int own, std::string op)
    : code_(std::move(code)), operands_(std::move(operands)), own_(own), op_(std::move(op)) {
  if (empty()) return;
  const int last = code_.inputs + static_cast<int>(code_.instructions.size()) - 1;
  tape_ = Tape(code_, operands_, {{last, DType::f32}}, op_);
}

void Epilogue::run(const RunContext& ctx, const float* block, float* out, std::int64_t index,
                   std::int64_t count) const {
  const void* in[kMaxInputs + 1];
  in[0] = block;
  for (int i = 1; i < code_.inputs; ++i) in[i] = ctx.in[static_cast<std::size_t>(own_ + i - 1)];
  void* const target = out;
  tape_.run(in, &target, {index, count, index, ctx.seed, ctx.step});
}

bool Epilogue::only_first_reads_result() const {
  for (std::size_t i = 1; i < code_.instructions.size(); ++i)
    for (const int a : code_.instructions[i].arg)
      if (a == 0) return false;
  return true;
}

bool Epilogue::starts_with_relu() const {
  return !empty() && code_.instructions[0].code == PointwiseCode::relu &&
         code_.instructions[0].arg[0] == 0 && only_first_reads_result();
}

bool Epilogue::is_relu() const { return starts_with_relu() && code_.instructions.size() == 1; }

bool Epilogue::starts_with_relu_grad() const {
  return !empty() && code_.instructions[0].code == PointwiseCode::relu_grad &&
         code_.instructions[0].arg[0] == 0 && code_.instructions[0].arg[1] == 1 &&
         code_.inputs > 1 && only_first_reads_result();
}

bool Epilogue::is_relu_grad() const {
  return starts_with_relu_grad() && code_.instructions.size() == 1;
}

int Epilogue::mask_input() const {
  const bool usable = starts_with_relu_grad() && operands_[1].kind == TapeOperand::Kind::full &&
                      operands_[1].dtype == DType::f32;
  return usable ? own_ : -1;
}

Epilogue Epilogue::rest() const {
  TapeCode code = code_;
  code.instructions.erase(code.instructions.begin());
  for (Instruction& i : code.instructions)
    for (int& a : i.arg) {
      if (a == code.inputs)
        a = 0;
      else if (a > code.inputs && a < Instruction::kNone)
        --a;
    }
  return Epilogue(std::move(code), operands_, own_, op_);
}

}  // namespace fastconv
