#include "plan/plan.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/gil.h"
#include "plan/epoch.h"

namespace py = pybind11;

namespace fastconv {
namespace {

using TensorTuple =
    std::tuple<std::string, std::vector<std::int64_t>, bool, std::string, py::object>;
using StepTuple =
    std::tuple<std::string, std::vector<int>, std::vector<int>, py::dict, std::string>;
using RowTuple = std::tuple<std::size_t, py::array, float, float>;
using ValueTuple = std::tuple<std::size_t, py::array>;

Kind parse_kind(const std::string& name) {
  if (name == "input") return Kind::input;
  if (name == "variable") return Kind::variable;
  if (name == "constant") return Kind::constant;
  if (name == "temp") return Kind::temp;
  if (name == "alias") return Kind::alias;
  throw std::invalid_argument("tensor kind '" + name +
                              "' is not one of input, variable, constant, temp, alias");
}

Attrs parse_attrs(const py::dict& dict) {
  Attrs attrs;
  for (const auto& [key, value] : dict) {
    const auto name = key.cast<std::string>();
    Attrs::Value parsed;
    if (py::isinstance<py::bool_>(value)) {
      parsed = static_cast<std::int64_t>(value.cast<bool>());
    } else if (py::isinstance<py::int_>(value)) {
      parsed = value.cast<std::int64_t>();
    } else if (py::isinstance<py::float_>(value)) {
      parsed = value.cast<double>();
    } else if (py::isinstance<py::str>(value)) {
      parsed = value.cast<std::string>();
    } else if (py::isinstance<py::sequence>(value)) {
      bool whole = true;
      for (const auto item : value) whole = whole && py::isinstance<py::int_>(item);
      if (whole)
        parsed = value.cast<std::vector<std::int64_t>>();
      else
        parsed = value.cast<std::vector<double>>();
    } else {
      throw std::invalid_argument("attribute '" + name +
                                  "' must be an int, a float, a str or a list of numbers");
    }
    attrs.set(name, std::move(parsed));
  }
  return attrs;
}

// A plan with the arrays that its variables and constants live in.
class BoundPlan {
 public:
  BoundPlan(const std::vector<TensorTuple>& tensors, const std::vector<StepTuple>& steps,
            const std::vector<int>& inputs, const std::vector<int>& outputs, std::int64_t max_batch,
            bool frozen) {
    std::vector<PlanTensor> plan_tensors;
    for (const auto& [dtype, shape, batched, kind, value] : tensors) {
      PlanTensor tensor{{parse_dtype(dtype), batched, shape}, parse_kind(kind), nullptr, -1};
      if (tensor.kind == Kind::alias) {
        tensor.storage = value.cast<int>();
      } else if (tensor.kind == Kind::variable || tensor.kind == Kind::constant) {
        const auto array = value.cast<py::array>();
        if (dtype_of(array) != tensor.desc.dtype || !(array.flags() & py::array::c_style) ||
            !is_aligned(array) ||
            std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim()) != shape)
          throw std::invalid_argument(
              "tensor " + std::to_string(plan_tensors.size()) +
              " needs an aligned C-ordered array of its own shape and dtype, got " +
              shape_text(array));
        tensor.data = const_cast<void*>(array.data());
        if (tensor.kind == Kind::variable && !array.writeable())
          throw std::invalid_argument("tensor " + std::to_string(plan_tensors.size()) +
                                      " is a variable, its array must be writable");
        kept_.append(array);
      }
      plan_tensors.push_back(std::move(tensor));
    }
    std::vector<PlanStep> plan_steps;
    for (const auto& [name, in, out, attrs, label] : steps) {
      PlanStep step;
      step.op.name = name;
      step.op.attrs = parse_attrs(attrs);
      step.inputs = in;
      step.outputs = out;
      step.label = label;
      plan_steps.push_back(std::move(step));
    }
    plan_ = std::make_unique<Plan>(std::move(plan_tensors), std::move(plan_steps), inputs, outputs,
                                   max_batch, frozen);
  }

  py::list run(const py::list& inputs, std::int64_t batch, std::uint64_t seed, std::uint64_t step,
               std::uint64_t version) {
    check_batch(batch);
    const std::size_t count = plan_->inputs().size();
    if (inputs.size() != count)
      throw std::invalid_argument("the plan has " + std::to_string(count) + " inputs, got " +
                                  std::to_string(inputs.size()));
    Feed feed{std::vector<const void*>(count), {}, batch, seed, step, version};
    std::vector<RowFeed> rows;
    std::vector<py::array> held;
    for (std::size_t i = 0; i < count; ++i) {
      held.push_back(inputs[i].cast<py::array>());
      const py::array& array = held.back();
      const TensorDesc& desc = input_desc(i);
      if (desc.batched) {
        const RowFeed row = row_feed(*plan_, i, array, 1.0f, 0.0f);
        if (array.shape(0) != batch)
          throw std::invalid_argument("input " + std::to_string(i) + " has " +
                                      std::to_string(array.shape(0)) + " rows, the batch is " +
                                      std::to_string(batch));
        if (row.direct)
          feed.inputs[i] = array.data();
        else
          rows.push_back(row);
      } else {
        held.back() = whole(array, desc, i);
        feed.inputs[i] = held.back().data();
      }
    }
    py::list results;
    for (const int id : plan_->outputs()) {
      const TensorDesc& desc = plan_->tensors()[static_cast<std::size_t>(id)].desc;
      std::vector<std::int64_t> shape = desc.shape;
      if (desc.batched) shape[0] = batch;
      py::array array(numpy_dtype(desc.dtype), shape);
      feed.outputs.push_back(array.mutable_data());
      results.append(std::move(array));
    }
    HostError host_error;
    {
      const WithoutGil without_gil;
      const Plan::Lease lease(*plan_);
      Threads threads = plan_->threads(*lease);
      plan_->together(*lease, threads, [&] {
        for (const RowFeed& row : rows)
          gather_rows(row.source, nullptr, 0, batch, input_desc(row.input).dtype,
                      plan_->staging(*lease, row.input), threads);
        plan_->run(*lease, feed, threads);
      });
    }
    host_error.raise();
    return results;
  }

  std::int64_t run_epoch(const std::vector<RowTuple>& rows, const std::optional<py::array>& order,
                         std::int64_t count, std::int64_t batch,
                         const std::vector<ValueTuple>& values,
                         const std::optional<std::vector<py::array>>& outputs, std::uint64_t seed,
                         std::uint64_t first_step, const py::object& tick, double interval,
                         const std::optional<py::array>& nanoseconds, std::uint64_t version,
                         const std::string& watch) {
    check_batch(batch);
    if (!watch.empty() && watch != "note" && watch != "raise")
      throw std::invalid_argument("watch must be empty, 'note' or 'raise', got '" + watch + "'");
    if (batch < 1) throw std::invalid_argument("the batch size must be at least 1");
    if (count < 0) throw std::invalid_argument("the number of rows must not be negative");
    Epoch epoch;
    epoch.count = count;
    epoch.batch = batch;
    epoch.seed = seed;
    epoch.first_step = first_step;
    epoch.version = version;
    epoch.interval = interval;
    std::vector<bool> given(plan_->inputs().size(), false);
    const std::int64_t available = add_rows(epoch, rows, given);
    if (order) {
      set_order(epoch, *order, available);
    } else if (count > available) {
      throw std::invalid_argument(std::to_string(count) + " rows asked for, there are " +
                                  std::to_string(available));
    }
    add_values(epoch, values, given);
    for (std::size_t i = 0; i < given.size(); ++i)
      if (!given[i]) throw std::invalid_argument("input " + std::to_string(i) + " is not given");
    if (outputs) add_outputs(epoch, *outputs);
    double* times = nanoseconds ? times_of(*nanoseconds) : nullptr;

    std::optional<py::error_already_set> error;
    Watch watching(watch == "raise");
    if (!watch.empty()) epoch.watch = &watching;
    const auto look = [&](std::int64_t done) {  // nothing to destroy while Python runs: see gil.h
      bool onward = true;
      note(watching);
      if (PyErr_CheckSignals() != 0) {
        error.emplace();
      } else if (!tick.is_none()) {
        PyObject* answer = PyObject_CallFunction(tick.ptr(), "L", static_cast<long long>(done));
        onward = answer != Py_False;
        if (answer == nullptr) error.emplace();
        Py_XDECREF(answer);
      }
      return onward && !error;
    };
    std::int64_t done = 0;
    HostError host_error;
    try {
      WithoutGil without_gil;
      epoch.tick = [&](std::int64_t steps) {
        return without_gil.with_gil([&] { return look(steps); });
      };
      done = fastconv::run_epoch(*plan_, epoch, times);
    } catch (const NotFinite& finding) {
      PyErr_SetString(PyExc_FloatingPointError, finding.what());
      throw py::error_already_set();
    }
    note(watching);
    if (error) throw std::move(*error);
    host_error.raise();
    return done;
  }

  py::list summary(std::optional<std::int64_t> rows_of_batch) const {
    py::list rows;
    const std::int64_t batch = rows_of_batch.value_or(plan_->max_batch());
    check_batch(batch);
    for (std::size_t s = 0; s < plan_->steps().size(); ++s) {
      const PlanStep& step = plan_->steps()[s];
      const Op& op = *plan_->ops()[s];
      std::size_t bytes = 0;
      for (const auto* ids : {&step.inputs, &step.outputs})
        for (const int id : *ids) {
          const TensorDesc& desc = plan_->tensors()[static_cast<std::size_t>(id)].desc;
          bytes += static_cast<std::size_t>(desc.size(batch)) * size_of(desc.dtype);
        }
      py::dict row;
      row["name"] = step.op.name;
      row["label"] = step.label;
      row["algorithm"] = op.algorithm();
      row["flops"] = op.flops(batch);
      row["bytes"] = bytes;
      row["scratch_bytes"] = op.scratch_bytes();
      row["live_bytes"] = plan_->live_bytes(s);
      rows.append(row);
    }
    return rows;
  }

  const Plan& plan() const { return *plan_; }

  // What run_epoch with watch="note" saw first since this was cleared.
  const std::string& finding() const { return finding_; }
  void clear_finding() { finding_.clear(); }

 private:
  // The sources of an epoch's rows; how many rows all of them have.
  std::int64_t add_rows(Epoch& epoch, const std::vector<RowTuple>& rows,
                        std::vector<bool>& given) const {
    std::int64_t available = INT64_MAX;
    for (const auto& [input, array, scale, offset] : rows) {
      epoch.rows.push_back(row_feed(*plan_, input, array, scale, offset));
      available = std::min<std::int64_t>(available, array.shape(0));
      given[input] = true;
    }
    return available;
  }

  void set_order(Epoch& epoch, const py::array& order, std::int64_t available) const {
    for (const RowFeed& row : epoch.rows)
      if (!can_gather(input_desc(row.input).dtype))
        throw std::invalid_argument("input " + std::to_string(row.input) +
                                    ": rows of this dtype cannot be gathered");
    if (order.ndim() != 1 || dtype_of(order) != DType::i64 ||
        !(order.flags() & py::array::c_style) || order.shape(0) < epoch.count)
      throw std::invalid_argument("order must be a contiguous int64 array with an entry a row");
    epoch.order = static_cast<const std::int64_t*>(order.data());
    for (std::int64_t i = 0; i < epoch.count; ++i)
      if (epoch.order[i] < 0 || epoch.order[i] >= available)
        throw std::invalid_argument("order[" + std::to_string(i) + "] is " +
                                    std::to_string(epoch.order[i]) + ", there are " +
                                    std::to_string(available) + " rows");
  }

  // What inputs without rows are in each step.
  void add_values(Epoch& epoch, const std::vector<ValueTuple>& values,
                  std::vector<bool>& given) const {
    const std::int64_t steps = (epoch.count + epoch.batch - 1) / epoch.batch;
    for (const auto& [input, array] : values) {
      if (input >= given.size())
        throw std::invalid_argument("the plan has no input " + std::to_string(input));
      const TensorDesc& desc = input_desc(input);
      if (desc.batched || array.ndim() < 1 || array.shape(0) < steps ||
          dtype_of(array) != desc.dtype || !(array.flags() & py::array::c_style) ||
          array.size() != array.shape(0) * desc.max_size())
        throw std::invalid_argument("input " + std::to_string(input) + " needs " +
                                    std::to_string(steps) + " values of " +
                                    std::string(name_of(desc.dtype)));
      epoch.values.push_back(
          {input, static_cast<const std::byte*>(array.data()),
           static_cast<std::size_t>(desc.size(epoch.batch)) * size_of(desc.dtype)});
      given[input] = true;
    }
  }

  void add_outputs(Epoch& epoch, const std::vector<py::array>& outputs) const {
    if (outputs.size() != plan_->outputs().size())
      throw std::invalid_argument("the plan has " + std::to_string(plan_->outputs().size()) +
                                  " outputs, got " + std::to_string(outputs.size()));
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      py::array array = outputs[o];
      const TensorDesc& desc = plan_->tensors()[static_cast<std::size_t>(plan_->outputs()[o])].desc;
      bool fits = desc.batched && array.ndim() == desc.rank() && array.shape(0) >= epoch.count &&
                  dtype_of(array) == desc.dtype && (array.flags() & py::array::c_style);
      for (std::int64_t i = 1; fits && i < desc.rank(); ++i)
        fits = array.shape(i) == desc.shape[static_cast<std::size_t>(i)];
      if (!fits)
        throw std::invalid_argument("output " + std::to_string(o) +
                                    " needs a C-ordered array with a row for each example");
      const std::size_t row =
          desc.max_size() == 0
              ? 0
              : static_cast<std::size_t>(desc.max_size() / desc.shape[0]) * size_of(desc.dtype);
      epoch.outputs.push_back({o, static_cast<std::byte*>(array.mutable_data()), row});
    }
  }

  // Where the time of each step goes.
  double* times_of(py::array nanoseconds) const {
    if (dtype_of(nanoseconds) != DType::f64 || !(nanoseconds.flags() & py::array::c_style) ||
        nanoseconds.size() != static_cast<py::ssize_t>(plan_->steps().size()))
      throw std::invalid_argument("nanoseconds needs a float64 entry for each step of the plan");
    return static_cast<double*>(nanoseconds.mutable_data());
  }

  void note(const Watch& watch) noexcept {
    if (!finding_.empty()) return;
    try {
      finding_ = watch.finding();
    } catch (const std::bad_alloc&) {  // then a later call has it
    }
  }

  const TensorDesc& input_desc(std::size_t i) const {
    return plan_->tensors()[static_cast<std::size_t>(plan_->inputs()[i])].desc;
  }

  void check_batch(std::int64_t batch) const {
    if (batch < 0 || batch > plan_->max_batch())
      throw std::invalid_argument("the batch must be from 0 to " +
                                  std::to_string(plan_->max_batch()) + ", got " +
                                  std::to_string(batch));
  }

  static py::array whole(const py::array& array, const TensorDesc& desc, std::size_t index) {
    if (std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim()) != desc.shape)
      throw std::invalid_argument("input " + std::to_string(index) + " has shape " +
                                  shape_text(array) + ", which the plan was not made for");
    if (dtype_of(array) != desc.dtype)
      return array.attr("astype")(std::string(name_of(desc.dtype)), py::arg("order") = "C");
    return (array.flags() & py::array::c_style) && is_aligned(array)
               ? array
               : array.attr("copy")(py::arg("order") = "C").cast<py::array>();
  }

  py::list kept_;
  std::unique_ptr<Plan> plan_;
  std::string finding_;
};

}  // namespace

void init_plan(py::module_& m) {
  // pybind11 gives the GIL up while it looks for NumPy, in a way that a thread at the end of the
  // interpreter does not survive (see gil.h): it is to look now.
  py::dtype::of<float>();
  py::class_<BoundPlan>(m, "Plan", "Steps over one arena, made once and run many times.")
      .def(py::init<const std::vector<TensorTuple>&, const std::vector<StepTuple>&,
                    const std::vector<int>&, const std::vector<int>&, std::int64_t, bool>(),
           py::arg("tensors"), py::arg("steps"), py::arg("inputs"), py::arg("outputs"),
           py::arg("max_batch"), py::arg("frozen") = false)
      .def("run", &BoundPlan::run, py::arg("inputs"), py::arg("batch"), py::arg("seed") = 0,
           py::arg("step") = 0, py::arg("version") = 0)
      .def("run_epoch", &BoundPlan::run_epoch, py::arg("rows_sources"), py::arg("order"),
           py::arg("n_rows"), py::arg("batch_size"), py::arg("step_values"),
           py::arg("outputs") = py::none(), py::arg("seed") = 0, py::arg("first_step") = 0,
           py::arg("tick") = py::none(), py::arg("interval") = 0.05,
           py::arg("nanoseconds") = py::none(), py::arg("version") = 0, py::arg("watch") = "")
      .def_property_readonly("finding", &BoundPlan::finding)
      .def("clear_finding", &BoundPlan::clear_finding)
      .def("summary", &BoundPlan::summary, py::arg("batch") = py::none())
      .def_property_readonly("arena_bytes",
                             [](const BoundPlan& p) { return p.plan().arena_bytes(); })
      .def_property_readonly("max_batch", [](const BoundPlan& p) { return p.plan().max_batch(); })
      .def_property_readonly("step_count",
                             [](const BoundPlan& p) { return p.plan().steps().size(); });
}

}  // namespace fastconv
