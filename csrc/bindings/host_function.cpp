// Steps that call Python: functions that the core has no operation for.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <exception>
#include <map>
#include <memory>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/gil.h"

namespace py = pybind11;

namespace fastconv {
namespace {

// A Python function f(inputs, outputs) of two tuples of arrays that fills the outputs. Plans know
// it by its number. All of it is guarded by the GIL.
class HostFunction {
 public:
  static std::shared_ptr<HostFunction> make(const py::object& function) {
    static std::int64_t count = 0;
    auto made = std::make_shared<HostFunction>(++count, function);
    known().emplace(made->number, made);
    return made;
  }
  static std::shared_ptr<HostFunction> find(std::int64_t number) {
    const auto it = known().find(number);
    return it == known().end() ? nullptr : it->second.lock();
  }

  HostFunction(std::int64_t number, py::object function)
      : number(number), function(std::move(function)) {}
  ~HostFunction() { known().erase(number); }

  const std::int64_t number;
  const py::object function;

 private:
  static std::map<std::int64_t, std::weak_ptr<HostFunction>>& known() {
    static auto* functions = new std::map<std::int64_t, std::weak_ptr<HostFunction>>;
    return *functions;
  }
};

thread_local HostError* current_error = nullptr;

class HostOp final : public Op {
 public:
  HostOp(const OpSpec& spec, std::shared_ptr<HostFunction> function)
      : inputs_(spec.inputs), outputs_(spec.outputs), function_(std::move(function)) {}

  void run(const RunContext& ctx) const override {
    run_with_gil([&] {
      // Nothing that would have to be destroyed while Python runs: see gil.h.
      PyObject* arguments = nullptr;
      try {
        arguments =
            py::make_tuple(arrays(inputs_, ctx.in, ctx.batch), arrays(outputs_, ctx.out, ctx.batch))
                .release()
                .ptr();
      } catch (py::error_already_set& error) {
        error.restore();
      } catch (const std::exception& error) {
        PyErr_SetString(PyExc_MemoryError, error.what());
      }
      PyObject* answer = arguments == nullptr
                             ? nullptr
                             : PyObject_CallObject(function_->function.ptr(), arguments);
      if (answer == nullptr) fail(ctx);
      Py_XDECREF(answer);
      Py_XDECREF(arguments);
    });
  }

 private:
  static py::tuple arrays(const std::vector<TensorDesc>& descs, std::span<void* const> data,
                          std::int64_t batch) {
    py::tuple result(descs.size());
    const py::int_ owner(0);  // with one, whatever it is, an array is a view of the memory
    for (std::size_t i = 0; i < descs.size(); ++i) {
      std::vector<std::int64_t> shape = descs[i].shape;
      if (descs[i].batched) shape[0] = batch;
      result[i] = py::array(numpy_dtype(descs[i].dtype), shape, data[i], owner);
    }
    return result;
  }

  static void fail(const RunContext& ctx) {
    if (current_error != nullptr)
      current_error->keep();
    else
      PyErr_Clear();
    if (ctx.failed != nullptr) *ctx.failed = true;
  }

  std::vector<TensorDesc> inputs_, outputs_;
  std::shared_ptr<HostFunction> function_;
};

std::unique_ptr<Op> make_host_op(const OpSpec& spec) {
  const auto function = HostFunction::find(spec.attrs.integer("function"));
  if (function == nullptr) throw std::invalid_argument("numpy_function: no such function");
  return std::make_unique<HostOp>(spec, function);
}

}  // namespace

HostError::HostError() : before_(current_error) { current_error = this; }
HostError::~HostError() { current_error = before_; }

void HostError::keep() {
  if (!error_)
    error_.emplace();
  else
    PyErr_Clear();
}

void HostError::raise() {
  if (error_) throw std::move(*error_);
}

void init_host_function(py::module_& m) {
  add_op("numpy_function", make_host_op);
  py::class_<HostFunction, std::shared_ptr<HostFunction>>(
      m, "HostFunction", "A Python function that fills arrays, as a step of plans.")
      .def(py::init(&HostFunction::make), py::arg("function"))
      .def_readonly("number", &HostFunction::number);
}

}  // namespace fastconv
