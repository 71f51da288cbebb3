#include "ops/op.h"

namespace fastconv {
namespace {

struct DTypeInfo {
  DType dtype;
  const char* name;
  std::size_t size;
};
constexpr DTypeInfo kDTypes[] = {{DType::f32, "float32", 4},  {DType::f64, "float64", 8},
                                 {DType::i32, "int32", 4},    {DType::i64, "int64", 8},
                                 {DType::u8, "uint8", 1},     {DType::b8, "bool", 1},
                                 {DType::bf16, "bfloat16", 2}};

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<int>(dtype)]; }

template <class T>
const T& get(const Attrs& attrs, std::string_view key, const char* type) {
  const auto it = attrs.values.find(key);
  if (it == attrs.values.end())
    throw std::invalid_argument("attribute '" + std::string(key) + "' is missing");
  if (const T* value = std::get_if<T>(&it->second)) return *value;
  throw std::invalid_argument("attribute '" + std::string(key) + "' must be " + type);
}

}  // namespace

std::size_t size_of(DType dtype) { return info(dtype).size; }
std::string_view name_of(DType dtype) { return info(dtype).name; }

DType parse_dtype(std::string_view name) {
  for (const auto& known : kDTypes)
    if (name == known.name) return known.dtype;
  throw std::invalid_argument(
      "dtype '" + std::string(name) +
      "' is not one of float32, float64, int32, int64, uint8, bool, bfloat16");
}

std::int64_t TensorDesc::dim(std::int64_t i, std::int64_t batch) const {
  if (i < 0) i += rank();
  return i == 0 && batched ? batch : shape[static_cast<std::size_t>(i)];
}

std::int64_t TensorDesc::size(std::int64_t batch) const {
  std::int64_t count = 1;
  for (std::int64_t i = 0; i < rank(); ++i) count *= dim(i, batch);
  return count;
}

std::int64_t TensorDesc::max_size() const { return size(shape.empty() ? 1 : shape[0]); }

bool Attrs::has(std::string_view key) const { return values.find(key) != values.end(); }

std::int64_t Attrs::integer(std::string_view key) const {
  return get<std::int64_t>(*this, key, "an integer");
}
std::int64_t Attrs::integer(std::string_view key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double Attrs::real(std::string_view key) const {
  const auto it = values.find(key);
  if (it != values.end())
    if (const auto* value = std::get_if<std::int64_t>(&it->second))
      return static_cast<double>(*value);
  return get<double>(*this, key, "a number");
}
double Attrs::real(std::string_view key, double fallback) const {
  return has(key) ? real(key) : fallback;
}

const std::string& Attrs::text(std::string_view key) const {
  return get<std::string>(*this, key, "text");
}
std::string Attrs::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

std::vector<std::int64_t> Attrs::integers(std::string_view key) const {
  return get<std::vector<std::int64_t>>(*this, key, "a list of integers");
}

std::vector<double> Attrs::reals(std::string_view key) const {
  const auto it = values.find(key);
  if (it != values.end())
    if (const auto* value = std::get_if<std::vector<std::int64_t>>(&it->second))
      return {value->begin(), value->end()};
  return get<std::vector<double>>(*this, key, "a list of numbers");
}

}  // namespace fastconv
