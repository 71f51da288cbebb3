#include "ops/check.h"

#include <stdexcept>

namespace fastconv {

void fail(const OpSpec& spec, const std::string& what) {
  throw std::invalid_argument(spec.name + ": " + what);
}

void require(bool ok, const OpSpec& spec, const std::string& what) {
  if (!ok) fail(spec, what);
}

void require_counts(const OpSpec& spec, std::size_t inputs, std::size_t outputs) {
  const auto check = [&](std::size_t got, std::size_t expected, const char* what) {
    require(got == expected, spec,
            "expected " + std::to_string(expected) + " " + what + ", got " + std::to_string(got));
  };
  const auto extra = static_cast<std::size_t>(spec.attrs.integer("extra", 0));
  check(spec.inputs.size(), inputs + extra, "inputs");
  check(spec.outputs.size(), outputs, "outputs");
}

void require_floats(const OpSpec& spec, std::size_t inputs, std::size_t outputs) {
  require_counts(spec, inputs, outputs);
  const auto check = [&](const TensorDesc& t) {
    require(t.dtype == DType::f32, spec,
            "expected float32 tensors, got " + std::string(name_of(t.dtype)));
  };
  for (std::size_t i = 0; i < inputs; ++i) check(spec.inputs[i]);
  for (std::size_t i = 0; i < outputs; ++i)
    if (i == 0 || !spec.attrs.has("pool")) check(spec.outputs[i]);
}

std::vector<std::int64_t> integers(const OpSpec& spec, const char* key, std::size_t count,
                                   std::int64_t least, std::int64_t most) {
  auto values = spec.attrs.integers(key);
  require(values.size() == count, spec,
          std::string(key) + " must have " + std::to_string(count) + " elements, got " +
              std::to_string(values.size()));
  for (const std::int64_t value : values)
    require(
        value >= least && value <= most, spec,
        std::string(key) + " must be at " +
            (value < least ? "least " + std::to_string(least) : "most " + std::to_string(most)) +
            ", got " + std::to_string(value));
  return values;
}

bool in_bf16(const OpSpec& spec) {
  const std::string precision = spec.attrs.text("precision", "float32");
  require(precision == "float32" || precision == "bfloat16", spec,
          "precision must be float32 or bfloat16, got " + precision);
  return precision == "bfloat16";
}

bool has_shape(const TensorDesc& tensor, const std::vector<std::int64_t>& shape) {
  return !tensor.batched && tensor.shape == shape;
}

std::string text_of(const TensorDesc& tensor) {
  std::string text = "(";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i)
    text += (i == 0 ? "" : ", ") +
            (i == 0 && tensor.batched ? std::string("batch") : std::to_string(tensor.shape[i]));
  return text + (tensor.shape.size() == 1 ? ",)" : ")");
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  return text_of(TensorDesc{DType::f32, false, shape});
}

}  // namespace fastconv
