// The device's streams: copies that are put off until somebody waits for them; and who is told of devices and streams.
#pragma once
#include "memory.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <chrono>
#include <deque>

namespace soft {
using at::Tensor;

struct Event {
  Index device;
  StreamId stream;
  uint64_t position;
  double at_ms;
};
struct Task {  // a copy, or where `to` is undefined a wait for another stream
  Tensor from, to;
  Held source, target;
  Event until;
};
struct Queue {
  std::deque<Task> tasks;
  uint64_t issued = 0, done = 0;
};
auto& queues = *new std::map<std::pair<Index, StreamId>, Queue>;
std::array<StreamId, DEVICES> last_stream{};
std::atomic<int64_t> waits{0};  // how often the host waited for a device

void carry_out(Index device, StreamId stream, uint64_t until = UINT64_MAX);

void carry_out(const Task& task, StreamId stream) {
  if (!task.to.defined()) return carry_out(task.until.device, task.until.stream, task.until.position);
  for (auto& block : {task.source, task.target}) {
    bool there = !block || block->held || block->device < 0 || block->stream == stream || block->used_by.count(stream);
    TORCH_CHECK(
        there, "A copy of ", task.to.nbytes(), " bytes was still on its way when the memory that it ",
        block == task.source ? "reads" : "writes", " on device ", block->device, " was freed: wait for stream ", stream,
        " before.");
  }
  task.to.copy_(task.from);
}

void carry_out(Index device, StreamId stream, uint64_t until) {
  c10::impl::ExcludeDispatchKeyGuard plain(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  Lock lock(guard);
  auto& queue = queues[{device, stream}];
  while (!queue.tasks.empty() && queue.done < until) {
    Task task = std::move(queue.tasks.front());
    queue.tasks.pop_front(), ++queue.done;
    carry_out(task, stream);
  }
}

void put_off(Index device, StreamId stream, Task task) {
  Lock lock(guard);
  auto& queue = queues[{device, stream}];
  queue.tasks.push_back(std::move(task)), ++queue.issued;
}

void wait_for(Index device, StreamId stream) {  // as the host does
  ++waits;
  carry_out(device, stream);
}

void before_work(Index device) {  // what is computed on a stream of its own comes after what was put off there
  if (auto stream = current_stream[device]) carry_out(device, stream);
}

Index number(Device of) { return of.has_index() ? of.index() : current_device; }

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return TYPE; }
  Index deviceCount() const noexcept override { return DEVICES; }
  Device getDevice() const override { return Device(TYPE, current_device); }
  void setDevice(Device to) const override {
    TORCH_CHECK(number(to) < DEVICES, "There is no device ", to.str(), ": there are ", DEVICES, ".");
    current_device = number(to);
  }
  void uncheckedSetDevice(Device to) const noexcept override { current_device = number(to); }
  Device exchangeDevice(Device to) const override {
    auto was = getDevice();
    setDevice(to);
    return was;
  }
  void synchronizeDevice(const Index device) const override {
    Lock lock(guard);
    for (StreamId i = 0; i <= last_stream[device]; ++i) wait_for(device, i);
  }

  static Stream named(Index device, StreamId id) { return Stream(Stream::UNSAFE, Device(TYPE, device), id); }
  Stream getStream(Device of) const override { return named(number(of), current_stream[number(of)]); }
  Stream getDefaultStream(Device of) const override { return named(number(of), 0); }
  Stream getNewStream(Device of, int) const override {
    Lock lock(guard);
    return named(number(of), ++last_stream[number(of)]);
  }
  Stream getStreamFromGlobalPool(Device of, bool) const override { return getNewStream(of, 0); }
  Stream exchangeStream(Stream to) const override {
    auto was = getStream(to.device());
    current_stream[to.device_index()] = to.id();
    return was;
  }
  bool queryStream(const Stream& stream) const override {
    Lock lock(guard);
    return queues[{stream.device_index(), stream.id()}].tasks.empty();
  }
  void synchronizeStream(const Stream& stream) const override { wait_for(stream.device_index(), stream.id()); }
  void recordDataPtrOnStream(const at::DataPtr& data, const Stream& stream) const override {
    allocator.recordStream(data, stream);
  }

  static Event& of(void* event) { return *static_cast<Event*>(event); }
  void record(void** event, const Stream& stream, const Index, const c10::EventFlag) const override {
    Lock lock(guard);
    if (!*event) *event = new Event;
    std::chrono::duration<double, std::milli> now = std::chrono::steady_clock::now().time_since_epoch();
    Index device = stream.device_index();
    of(*event) = {device, stream.id(), queues[{device, stream.id()}].issued, now.count()};
  }
  void block(void* event, const Stream& stream) const override {
    if (!event) return;
    auto& until = of(event);
    if (stream.id()) put_off(stream.device_index(), stream.id(), {{}, {}, {}, {}, until});
    else carry_out(until.device, until.stream, until.position);  // the default stream works at once
  }
  bool queryEvent(void* event) const override {
    Lock lock(guard);
    return !event || queues[{of(event).device, of(event).stream}].done >= of(event).position;
  }
  void synchronizeEvent(void* event) const override {
    ++waits;
    if (event) carry_out(of(event).device, of(event).stream, of(event).position);
  }
  double elapsedTime(void* from, void* to, const Index) const override { return of(to).at_ms - of(from).at_ms; }
  void destroyEvent(void* event, const Index) const noexcept override { delete static_cast<Event*>(event); }
};

struct Generator final : at::CPUGeneratorImpl {  // the CPU's, under the device's name
  explicit Generator(Index device) { device_ = Device(TYPE, device), key_set_ = c10::DispatchKeySet(KEY); }
};
at::Generator new_generator(Index device) {
  return at::make_generator<Generator>(device < 0 ? current_device : device);
}
at::Generator& default_generator(Index device) {
  static auto& found = *new std::array<at::Generator, DEVICES>{new_generator(0), new_generator(1)};
  return found[device < 0 ? current_device : device];
}

struct Hooks final : SOFT_HOOKS {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return available; }
  void init() const override {}
  bool hasPrimaryContext(Index) const override { return available; }
  Index deviceCount() const override { return available ? DEVICES : 0; }
  void setCurrentDevice(Index to) const override { Guard().setDevice(Device(TYPE, to)); }
  Index getCurrentDevice() const override { return current_device; }
  Index exchangeDevice(Index to) const override { return Guard().exchangeDevice(Device(TYPE, to)).index(); }
  Index maybeExchangeDevice(Index to) const override { return exchangeDevice(to); }
  bool isPinnedPtr(const void* data) const override {
    Lock lock(guard);
    auto found = holder(data);
    return found && found->device < 0;
  }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned; }
  Device getDeviceFromPtr(void* data) const override {
    Lock lock(guard);
    auto found = holder(data);
    return Device(TYPE, found ? found->device : 0);
  }
  const at::Generator& getDefaultGenerator(Index device) const override { return default_generator(device); }
  at::Generator getNewGenerator(Index device) const override { return new_generator(device); }
};
}  // namespace soft
