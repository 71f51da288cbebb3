#include "bindings/arrays.h"

#include <optional>
#include <stdexcept>

#include "ops/check.h"

namespace py = pybind11;

namespace fastconv {
namespace {

bool is_native(const py::dtype& dtype) {
  const char order = dtype.byteorder();
  return order == '=' || order == '|';
}

// The dtype of tensors that is an array's, if there is one.
std::optional<DType> known_dtype(const py::dtype& dtype) {
  if (!is_native(dtype)) return std::nullopt;
  switch (dtype.kind()) {
    case 'b':
      return DType::b8;
    case 'u':
      if (dtype.itemsize() == 1) return DType::u8;
      break;
    case 'i':
      if (dtype.itemsize() == 4) return DType::i32;
      if (dtype.itemsize() == 8) return DType::i64;
      break;
    case 'f':
      if (dtype.itemsize() == 4) return DType::f32;
      if (dtype.itemsize() == 8) return DType::f64;
      break;
    default:
      break;
  }
  return std::nullopt;
}

SourceType source_type(const py::array& array) {
  const py::dtype dtype = array.dtype();
  const auto size = dtype.itemsize();
  if (is_native(dtype)) switch (dtype.kind()) {
      case 'b':
        return SourceType::u8;
      case 'u':
        if (size == 1) return SourceType::u8;
        if (size == 2) return SourceType::u16;
        return size == 4 ? SourceType::u32 : SourceType::u64;
      case 'i':
        if (size == 1) return SourceType::i8;
        if (size == 2) return SourceType::i16;
        return size == 4 ? SourceType::i32 : SourceType::i64;
      case 'f':
        if (size == 2) return SourceType::f16;
        if (size == 4) return SourceType::f32;
        if (size == 8) return SourceType::f64;
        break;
      default:
        break;
    }
  throw std::invalid_argument("arrays of dtype " + py::str(dtype).cast<std::string>() +
                              " cannot be used; convert to float32 first");
}

bool dense_rows(const py::array& array) {
  if (array.size() == 0) return true;  // NumPy gives such arrays any strides
  py::ssize_t expected = array.itemsize();
  for (py::ssize_t i = array.ndim() - 1; i >= 1; --i) {
    if (array.shape(i) != 1 && array.strides(i) != expected) return false;
    expected *= array.shape(i);
  }
  return true;
}

}  // namespace

bool is_aligned(const py::array& array) {
  return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

py::dtype numpy_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return py::dtype::of<float>();
    case DType::f64:
      return py::dtype::of<double>();
    case DType::i32:
      return py::dtype::of<std::int32_t>();
    case DType::i64:
      return py::dtype::of<std::int64_t>();
    case DType::u8:
      return py::dtype::of<std::uint8_t>();
    case DType::b8:
      return py::dtype::of<bool>();
    case DType::bf16:
      break;
  }
  throw std::logic_error("NumPy has no bfloat16");
}

std::string shape_text(const py::array& array) {
  return text_of(std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim()));
}

DType dtype_of(const py::array& array) {
  const py::dtype dtype = array.dtype();
  const std::optional<DType> known = known_dtype(dtype);
  return known ? *known : parse_dtype(py::str(dtype).cast<std::string>());
}

RowFeed row_feed(const Plan& plan, std::size_t index, const py::array& array, float scale,
                 float offset) {
  if (index >= plan.inputs().size())
    throw std::invalid_argument("the plan has no input " + std::to_string(index));
  const TensorDesc& desc = plan.tensors()[static_cast<std::size_t>(plan.inputs()[index])].desc;
  if (!desc.batched) throw std::invalid_argument("input " + std::to_string(index) + " has no rows");
  bool fits = array.ndim() == desc.rank();
  for (std::int64_t i = 1; fits && i < desc.rank(); ++i)
    fits = array.shape(i) == desc.shape[static_cast<std::size_t>(i)];
  if (!fits)
    throw std::invalid_argument(
        "input " + std::to_string(index) + " takes rows of shape " +
        text_of(std::vector<std::int64_t>(desc.shape.begin() + 1, desc.shape.end())) +
        ", got an array of shape " + shape_text(array));
  if (!dense_rows(array) || !is_aligned(array))
    throw std::invalid_argument("input " + std::to_string(index) +
                                ": rows must be contiguous and aligned");
  std::int64_t elements = 1;
  for (std::int64_t i = 1; i < desc.rank(); ++i)
    elements *= desc.shape[static_cast<std::size_t>(i)];
  const std::int64_t stride = array.strides(0);
  RowFeed feed{index, {array.data(), source_type(array), elements, stride, scale, offset}, false};
  const bool same = known_dtype(array.dtype()) == desc.dtype;
  feed.direct = same && scale == 1.0f && offset == 0.0f &&
                (array.shape(0) <= 1 || stride == elements * array.itemsize());
  if (!feed.direct && !can_gather(desc.dtype))
    throw std::invalid_argument("input " + std::to_string(index) + " takes contiguous rows of " +
                                std::string(name_of(desc.dtype)) + ", got " +
                                py::str(array.dtype()).cast<std::string>());
  return feed;
}

}  // namespace fastconv
