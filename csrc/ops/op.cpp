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

void Attrs::set(std::string_view key, Value value) {
  values_.insert_or_assign(std::string(key), std::make_shared<const Value>(std::move(value)));
}

void Attrs::erase(std::string_view key) {
  if (const auto it = values_.find(key); it != values_.end()) values_.erase(it);
}

const Attrs::Value* Attrs::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : it->second.get();
}

template <class T>
const T& Attrs::get(std::string_view key, const char* type) const {
  const Value* value = find(key);
  if (value == nullptr)
    throw std::invalid_argument("attribute '" + std::string(key) + "' is missing");
  if (const T* typed = std::get_if<T>(value)) return *typed;
  throw std::invalid_argument("attribute '" + std::string(key) + "' must be " + type);
}

bool Attrs::has(std::string_view key) const { return find(key) != nullptr; }

std::int64_t Attrs::integer(std::string_view key) const {
  return get<std::int64_t>(key, "an integer");
}
std::int64_t Attrs::integer(std::string_view key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

double Attrs::real(std::string_view key) const {
  const Value* value = find(key);
  if (const auto* whole = value ? std::get_if<std::int64_t>(value) : nullptr)
    return static_cast<double>(*whole);
  return get<double>(key, "a number");
}
double Attrs::real(std::string_view key, double fallback) const {
  return has(key) ? real(key) : fallback;
}

const std::string& Attrs::text(std::string_view key) const { return get<std::string>(key, "text"); }
std::string Attrs::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

std::vector<std::int64_t> Attrs::integers(std::string_view key) const {
  return get<std::vector<std::int64_t>>(key, "a list of integers");
}

std::vector<double> Attrs::reals(std::string_view key) const {
  const Value* value = find(key);
  if (const auto* whole = value ? std::get_if<std::vector<std::int64_t>>(value) : nullptr)
    return {whole->begin(), whole->end()};
  return get<std::vector<double>>(key, "a list of numbers");
}

}  // namespace fastconv
