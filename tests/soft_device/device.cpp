// A device in software: a torch device whose memory is the machine's, and whose mistakes show. See __init__.py.
#include "streams.h"

#include <ATen/EmptyTensor.h>
#include <ATen/SDPBackend.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

namespace soft {
using c10::IntArrayRef;
using c10::IValue;
template <typename T>
using Maybe = std::optional<T>;

const std::string NAME = c10::DeviceTypeName(TYPE, true);
const std::set<std::string> INDEXING{"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"};
// What GPUs answer with as many numbers as they find, or with one that the machine reads: it waits for them.
const std::set<std::string> READ{
    "aten::nonzero", "aten::masked_select", "aten::equal", "aten::_unique2", "aten::unique_dim",
    "aten::unique_consecutive", "aten::repeat_interleave", "aten::bincount"};

bool ours(const Tensor& x) { return x.defined() && x.device().type() == TYPE; }

Tensor shaped(c10::Storage storage, c10::DispatchKey key, const Tensor& like) {
  auto found = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  found.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  return found;
}

struct Call {  // of one operator: which tensors of the CPU, on the same memory, stand for which of the device's
  Device device{TYPE, -1};
  bool indexes = false;  // by tensors that may be the CPU's
  std::map<c10::StorageImpl*, c10::Storage> storages{};
  std::vector<std::pair<Tensor, Tensor>> pairs{};
  std::vector<std::pair<at::Generator, at::Generator>> generators{};

  void find_device(const IValue& x) {
    if (device.has_index()) return;
    if (x.isTensor() && ours(x.toTensor())) device = x.toTensor().device();
    if (x.isDevice()) device = Device(TYPE, number(x.toDevice()));
    if (x.isTensorList())
      for (const Tensor& one : x.toTensorVector()) find_device(one);
    if (x.isOptionalTensorList())
      for (const Maybe<Tensor>& one : x.toOptionalTensorVector()) find_device(one.value_or(Tensor()));
  }

  Tensor to_host(const Tensor& x) {
    if (!x.defined()) return x;
    bool stays = !ours(x) && (x.dim() == 0 || indexes);
    TORCH_CHECK(
        stays || x.device() == device, "Expected all tensors to be on the same device, but found at least two devices,",
        " ", device, " and ", x.device(), "!");
    if (stays) return x;
    auto& storage = storages[x.storage().unsafeGetStorageImpl()];
    if (!storage) {
      at::DataPtr same(x.storage().mutable_data(), Device(c10::kCPU));
      auto bytes = x.storage().nbytes();
      storage = c10::make_intrusive<c10::StorageImpl>(
          c10::StorageImpl::use_byte_size_t(), bytes, std::move(same), c10::GetCPUAllocator(), /*resizable=*/true);
    }
    pairs.emplace_back(x, shaped(storage, c10::DispatchKey::CPU, x));
    return pairs.back().second;
  }

  Tensor to_device(const Tensor& x) {
    if (!x.defined()) return x;
    for (auto& [there, here] : pairs) {
      if (here.is_same(x)) return there;
      bool view = x.storage().data() && x.storage().data() == there.storage().data();
      if (view) return shaped(there.storage(), KEY, x);
    }
    return fresh(x);
  }

  Tensor fresh(const Tensor& x) const {
    Tensor like = x.is_non_overlapping_and_dense() ? x : x.contiguous();
    auto found = at::empty_strided(like.sizes(), like.strides(), like.options().device(device));
    if (x.numel()) Call{device}.to_host(found).copy_(x);
    return found;
  }

  template <typename Turn>
  static IValue each(const IValue& x, Turn turn) {
    if (x.isTensor()) return turn(x.toTensor());
    if (x.isTensorList()) {
      c10::List<Tensor> found;
      for (const Tensor& one : x.toTensorVector()) found.push_back(turn(one));
      return found;
    }
    if (x.isOptionalTensorList()) {
      c10::List<Maybe<Tensor>> found;
      for (const Maybe<Tensor>& one : x.toOptionalTensorVector())
        found.push_back(one ? Maybe<Tensor>(turn(*one)) : one);
      return found;
    }
    return x;
  }

  IValue argument(const IValue& x, const c10::Argument& said) {
    if (x.isGenerator()) return stand_in(x.toGenerator());
    if (x.isNone() && said.type()->str() == "Generator?") return stand_in(default_generator(device.index()));
    if (x.isDevice()) return Device(c10::kCPU);
    return each(x, [&](const Tensor& one) { return to_host(one); });
  }

  at::Generator stand_in(const at::Generator& given) {
    TORCH_CHECK(
        given.device().type() == TYPE, "Expected a '", NAME, "' device type for generator but found '",
        given.device().type(), "'");
    auto found = at::detail::createCPUGenerator();
    found.set_state(given.get_state());
    generators.emplace_back(given, found);
    return found;
  }

  void take_over() {  // what the operator did to tensors themselves: other memory, other sizes
    for (auto& [there, here] : pairs) {
      auto* impl = there.unsafeGetTensorImpl();
      if (here.storage().data() != there.storage().data()) impl->set_storage_keep_dtype(fresh(here).storage());
      if (here.sizes() != there.sizes() || here.strides() != there.strides())
        impl->set_sizes_and_strides(here.sizes(), here.strides(), here.storage_offset());
    }
    for (auto& [given, used] : generators) given.set_state(used.get_state());
  }
};

void fall_back(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  size_t count = schema.arguments().size(), first = stack->size() - count;
  Call call;
  call.indexes = INDEXING.count(schema.name());
  for (size_t i = 0; i < count; ++i) call.find_device((*stack)[first + i]);
  if (!call.device.has_index()) call.device = Device(TYPE, current_device);
  if (READ.count(schema.name())) wait_for(call.device.index(), current_stream[call.device.index()]);
  before_work(call.device.index());
  for (size_t i = 0; i < count; ++i)
    (*stack)[first + i] = call.argument((*stack)[first + i], schema.arguments()[i]);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  call.take_over();
  for (size_t i = first; i < stack->size(); ++i)
    (*stack)[i] = call.each((*stack)[i], [&](const Tensor& one) { return call.to_device(one); });
}

c10::DeviceGuard on(Maybe<Device> device) { return c10::DeviceGuard(device.value_or(Device(TYPE, current_device))); }
at::ScalarType checked(Maybe<at::ScalarType> dtype) {
  auto found = dtype.value_or(c10::get_default_dtype_as_scalartype());
  TORCH_CHECK_TYPE(
      doubles || found != at::kDouble, "Cannot convert a ", NAME,
      " tensor to float64, which the device does not have. Use float32 instead.");
  return found;
}
Tensor empty(
    IntArrayRef sizes, Maybe<at::ScalarType> dtype, Maybe<at::Layout>, Maybe<Device> device, Maybe<bool>,
    Maybe<at::MemoryFormat> format) {
  auto there = on(device);
  return at::detail::empty_generic(sizes, &allocator, c10::DispatchKeySet(KEY), checked(dtype), format);
}
Tensor empty_strided(
    IntArrayRef sizes, IntArrayRef strides, Maybe<at::ScalarType> dtype, Maybe<at::Layout>, Maybe<Device> device,
    Maybe<bool>) {
  auto there = on(device);
  return at::detail::empty_strided_generic(sizes, strides, &allocator, c10::DispatchKeySet(KEY), checked(dtype));
}

Tensor plain(const Tensor& x) { return ours(x) ? Call{x.device()}.to_host(x) : x.detach(); }

Tensor& copy(Tensor& to, const Tensor& from, bool non_blocking) {
  if (!to.numel() || to.is_same(from)) return to;
  Index device = (ours(to) ? to : from).device().index();
  auto stream = current_stream[device];
  bool across = ours(to) != ours(from);
  if (!across)
    for (const auto& x : {to, from}) before_work(x.device().index());
  else if (!non_blocking) wait_for(device, stream);
  if (!across || !non_blocking || (!stream && ours(to))) return plain(to).copy_(plain(from)), to;
  Lock lock(guard);
  auto source = holder(from.storage().data()), target = holder(to.storage().data());
  Task task{plain(from).expand(to.sizes()), plain(to), source, target, {}};
  // Memory that nobody locked is read at once; so is the device's where what was asked of it before is done.
  if (ours(to) ? !source : !stream) task.from = task.from.clone(), task.source = nullptr;
  bool read = false;  // by a copy that was put off before
  for (auto& [_, queue] : queues)
    for (auto& one : queue.tasks) read = read || (one.source && one.source == target);
  if (!read) task.to.is_floating_point() ? task.to.fill_(NAN) : task.to.fill_(-1);
  put_off(device, stream, std::move(task));
  return to;
}

at::Scalar local_scalar(const Tensor& x) {
  wait_for(x.device().index(), current_stream[x.device().index()]);
  return plain(x).item();
}

Tensor& set_storage(Tensor& x, at::Storage source, int64_t offset, IntArrayRef sizes, IntArrayRef strides) {
  x.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(source));
  x.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides, offset);
  return x;
}
Tensor& set_whole(Tensor& x, at::Storage source) {
  int64_t count = source.nbytes() / x.itemsize(), step = 1;
  return set_storage(x, std::move(source), 0, count, step);
}
bool compatible(const Tensor&, const Tensor&) { return true; }  // so that a parameter's data may be on another device
void record_stream(Tensor& x, Stream stream) { allocator.recordStream(x.storage().data_ptr(), stream); }

// Attention without a matrix of all pairs, as GPUs have it; where gradients are asked for, the plain way.
int64_t way_of_attention(
    const Tensor& q, const Tensor& k, const Tensor& v, const Maybe<Tensor>&, double dropout, bool, Maybe<double>,
    bool grouped) {
  bool learns = at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  bool plainly = learns || dropout || grouped || q.size(-1) != v.size(-1) || q.dim() != 4;
  return static_cast<int64_t>(plainly ? at::SDPBackend::math : at::SDPBackend::overrideable);
}
std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor> attend(
    const Tensor& q, const Tensor& k, const Tensor& v, const Maybe<Tensor>& bias, double dropout, bool causal, bool,
    Maybe<double> scale) {
  Call call{q.device()};
  before_work(q.device().index());
  auto mask = bias ? Maybe<Tensor>(call.to_host(*bias)) : bias;
  auto [x, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
      call.to_host(q), call.to_host(k), call.to_host(v), dropout, causal, mask, scale);
  return {call.to_device(x), call.to_device(sums), {}, {}, q.size(2), k.size(2), {}, {}, {}};
}

TORCH_LIBRARY_IMPL(_, SOFT_KEY, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>()); }
TORCH_LIBRARY_IMPL(aten, SOFT_KEY, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("copy_", &copy);
  m.impl("_local_scalar_dense", &local_scalar);
  m.impl("set_.source_Storage", &set_whole);
  m.impl("set_.source_Storage_storage_offset", &set_storage);
  m.impl("record_stream", &record_stream);
  m.impl("_has_compatible_shallow_copy_type", &compatible);
  m.impl("_scaled_dot_product_fused_attention_overrideable", &attend);
  // For these torch knows a way that is open to any device, and is not the CPU's.
  for (auto name : {"convolution", "convolution_backward", "native_group_norm", "native_layer_norm"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&fall_back>());
}
TORCH_LIBRARY(soft_device, m) {
  m.def("have(int device, int total, int limit) -> ()", [](int64_t i, int64_t total, int64_t limit) {
    counts[i].total = total, counts[i].limit = std::min(total, limit);
  });
  m.def("show(bool available, bool doubles) -> ()", [](bool now, bool with) { available = now, doubles = with; });
  m.def("seed(int i, int seed) -> ()", [](int64_t i, int64_t seed) { default_generator(i).set_current_seed(seed); });
  m.def("state(int device) -> Tensor", [](int64_t i) { return default_generator(i).get_state(); });
  m.def("set_state(int i, Tensor x) -> ()", [](int64_t i, const Tensor& x) { default_generator(i).set_state(x); });
  m.def("most(int device, bool anew) -> int", [](int64_t i, bool anew) {
    Lock lock(guard);
    if (anew) counts[i].most = counts[i].allocated;
    return int64_t(counts[i].most);
  });
  m.def("waits() -> int", [] { return waits.load(); });
  m.def("pending(bool give_up) -> int", [](bool give_up) {
    Lock lock(guard);
    int64_t found = 0;
    for (auto& [_, queue] : queues) {
      found += queue.tasks.size();
      if (give_up) queue.done = queue.issued, queue.tasks.clear();
    }
    return found;
  });
}

const bool registered = [] {
  c10::SetAllocator(TYPE, &allocator);
  static const c10::impl::DeviceGuardImplRegistrar registrar(TYPE, new Guard);
  at::setHostAllocator(TYPE, &pinned);
  SOFT_REGISTER_HOOKS(new Hooks);
  at::native::_fused_sdp_choice_stub.SOFT_STUB(&way_of_attention);
  return true;
}();
}  // namespace soft
