#include "ops/fused.h"

namespace fastconv {

FusedEpilogue::FusedEpilogue(const OpSpec& spec, int own, const TensorDesc& result)
    : tape(spec, own, result) {
  if (tape.empty()) return;
  if (tape.starts_with_relu()) {
    relu = true;
    tape = tape.rest();
  } else if (tape.starts_with_relu_grad() && tape.mask_input() >= 0) {
    mask = tape.mask_input();
    tape = tape.rest();
  }
}

void FusedEpilogue::run(const RunContext& ctx, float* result, std::int64_t width, std::int64_t row,
                        std::int64_t rows, std::int64_t column, std::int64_t columns) const {
  if (tape.empty() || rows == 0 || columns == 0) return;
  if (columns == width) {
    tape.run(ctx, result + row * width, row * width, rows * width);
    return;
  }
  for (std::int64_t i = row; i < row + rows; ++i) {
    const std::int64_t index = i * width + column;
    tape.run(ctx, result + index, index, columns);
  }
}

void require(bool ok, const OpSpec& spec, const std::string& what) {
  if (!ok) throw std::invalid_argument(spec.name + ": " + what);
}

void require_floats(const OpSpec& spec, std::size_t inputs, std::size_t outputs) {
  const auto extra = static_cast<std::size_t>(spec.attrs.integer("extra", 0));
  require(spec.inputs.size() == inputs + extra, spec,
          "expected " + std::to_string(inputs + extra) + " inputs, got " +
              std::to_string(spec.inputs.size()));
  require(spec.outputs.size() == outputs, spec,
          "expected " + std::to_string(outputs) + " outputs, got " +
              std::to_string(spec.outputs.size()));
  const auto check = [&](const TensorDesc& t) {
    require(t.dtype == DType::f32, spec,
            "expected float32 tensors, got " + std::string(name_of(t.dtype)));
  };
  for (std::size_t i = 0; i < inputs; ++i) check(spec.inputs[i]);
  for (std::size_t i = 0; i < outputs; ++i)
    if (i == 0 || !spec.attrs.has("pool")) check(spec.outputs[i]);
}

bool has_shape(const TensorDesc& tensor, const std::vector<std::int64_t>& shape) {
  return !tensor.batched && tensor.shape == shape;
}

bool in_bf16(const OpSpec& spec) {
  const std::string precision = spec.attrs.text("precision", "float32");
  require(precision == "float32" || precision == "bfloat16", spec,
          "precision must be float32 or bfloat16, got " + precision);
  return precision == "bfloat16";
}

std::string text_of(const TensorDesc& tensor) {
  std::string text = "(";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i)
    text += (i == 0 ? "" : ", ") +
            (i == 0 && tensor.batched ? std::string("batch") : std::to_string(tensor.shape[i]));
  return text + (tensor.shape.size() == 1 ? ",)" : ")");
}

}  // namespace fastconv
