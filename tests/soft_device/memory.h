// The device's memory: limited, counted, and no number before it is written and after it is freed.
#pragma once
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#ifndef SOFT_KEY // the dispatch key and device type; others may be said on the compiler's command line
#include <ATen/detail/PrivateUse1HooksInterface.h>
#define SOFT_KEY PrivateUse1
#define SOFT_HOOKS at::PrivateUse1HooksInterface
#define SOFT_REGISTER_HOOKS(hooks) at::RegisterPrivateUse1HooksInterface(hooks)
#define SOFT_STUB set_privateuse1_dispatch_ptr
#endif

namespace soft {
using c10::Device;
using c10::Stream;
using c10::StreamId;
using Index = c10::DeviceIndex;
constexpr auto TYPE = c10::DeviceType::SOFT_KEY;
constexpr auto KEY = c10::DispatchKey::SOFT_KEY;
constexpr int DEVICES = 2;
constexpr size_t UNIT = 512;     // memory is given out in whole units, as CUDA's allocator does
constexpr int UNWRITTEN = 0xFF;  // NaN in every floating format, -1 in integers

struct Counts {
  size_t total = size_t(1) << 30, limit = total, allocated = 0, peak = 0, reserved = 0, peak_reserved = 0;
  size_t most = 0;  // as `peak`, whoever begins that anew
};
std::array<Counts, DEVICES> counts;
std::atomic<bool> available{true}, doubles{true};  // whether there are devices, for who asks; and float64 on them
std::recursive_mutex guard;                        // of counts, blocks and queues
using Lock = std::lock_guard<std::recursive_mutex>;

thread_local int current_device = 0;
thread_local std::array<StreamId, DEVICES> current_stream{};

struct Block {  // of a device, or pinned memory of the machine (device -1); lives on while a copy is on its way
  int device;
  size_t bytes;
  StreamId stream;  // that it was taken on
  bool held = true;
  std::set<StreamId> used_by;
  void* data;
  Block(int device, size_t bytes, StreamId stream) : device(device), bytes(bytes), stream(stream) {
    data = std::aligned_alloc(64, bytes);
    TORCH_CHECK(data, "The machine itself is out of memory.");
    std::memset(data, UNWRITTEN, bytes);
  }
  ~Block() {
    std::memset(data, UNWRITTEN, bytes);
    std::free(data);
  }
};
using Held = std::shared_ptr<Block>;
auto& blocks = *new std::map<const void*, Held>;  // by where they begin; never destroyed: tensors may outlive all else

Held holder(const void* data) {  // the block that an address lies in
  auto after = blocks.upper_bound(data);
  if (after == blocks.begin()) return nullptr;
  auto found = std::prev(after)->second;
  return static_cast<const char*>(data) < static_cast<char*>(found->data) + found->bytes ? found : nullptr;
}

void release(void* data) {
  Lock lock(guard);
  auto found = blocks.find(data);
  if (found == blocks.end()) return;
  found->second->held = false;
  if (found->second->device >= 0) counts[found->second->device].allocated -= found->second->bytes;
  blocks.erase(found);
}

at::DataPtr take(int device, size_t asked, Device shown) {
  Lock lock(guard);
  size_t bytes = (asked + UNIT - 1) / UNIT * UNIT;
  TORCH_CHECK(device < 0 || available, "No device of type ", c10::DeviceTypeName(TYPE, true), " is here.");
  if (!bytes) return {nullptr, nullptr, &release, shown};
  if (device >= 0) {
    auto& has = counts[device];
    TORCH_CHECK_WITH(
        OutOfMemoryError, has.allocated + bytes <= has.limit, c10::DeviceTypeName(TYPE, true),
        " out of memory. Tried to allocate ", bytes, " bytes. Device ", device, " has ", has.total,
        " bytes, may give out ", has.limit, ", and has given out ", has.allocated, ".");
    has.allocated += bytes;
    has.peak = std::max(has.peak, has.allocated);
    has.most = std::max(has.most, has.allocated);
    has.reserved = std::max(has.reserved, has.allocated);
    has.peak_reserved = std::max(has.peak_reserved, has.reserved);
  }
  auto block = std::make_shared<Block>(device, bytes, device >= 0 ? current_stream[device] : 0);
  blocks[block->data] = block;
  return {block->data, block->data, &release, shown};
}

struct Allocator final : c10::DeviceAllocator {
  at::DataPtr allocate(size_t bytes) override { return take(current_device, bytes, Device(TYPE, current_device)); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {
    for (auto& one : counts) one.reserved = one.allocated;
  }
  void recordStream(const at::DataPtr& data, Stream stream) override {
    Lock lock(guard);
    if (auto block = holder(data.get())) block->used_by.insert(stream.id());
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(Index i) override {
    c10::CachingDeviceAllocator::DeviceStats found;
    auto &held = found.allocated_bytes[0], &pool = found.reserved_bytes[0];
    held.current = counts[i].allocated, held.peak = counts[i].peak;
    pool.current = counts[i].reserved, pool.peak = counts[i].peak_reserved;
    return found;
  }
  void resetAccumulatedStats(Index) override {}
  void resetPeakStats(Index i) override {
    counts[i].peak = counts[i].allocated, counts[i].peak_reserved = counts[i].reserved;
  }
  std::pair<size_t, size_t> getMemoryInfo(Index i) override {
    return {counts[i].total - counts[i].allocated, counts[i].total};
  }
};
auto& allocator = *new Allocator;

struct Pinned final : at::HostAllocator {
  at::DataPtr allocate(size_t bytes) override { return take(-1, bytes, Device(c10::kCPU)); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool record_event(void*, void*, Stream) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}
};
auto& pinned = *new Pinned;
}  // namespace soft
