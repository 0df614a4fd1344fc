#include "profiling/host/own_objects.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace plateau {
namespace {

struct Object {
  AddressRange range;
  std::string_view name;  // by which others need it
  std::vector<std::string_view> needs;
};

void read_dynamic_section(const ElfW(Dyn) * entry, std::uintptr_t base, Object& object) {
  const char* strings = nullptr;
  std::vector<std::size_t> needs;
  std::size_t name = 0;
  for (; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_NEEDED) needs.push_back(entry->d_un.d_val);
    if (entry->d_tag == DT_SONAME) name = entry->d_un.d_val;
    // The dynamic linker writes the address there, but not into the vdso's.
    if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
  }
  if (reinterpret_cast<std::uintptr_t>(strings) < base) return;
  if (name != 0) object.name = strings + name;
  for (const std::size_t offset : needs) object.needs.emplace_back(strings + offset);
}

// The executable first.
int add_object(dl_phdr_info* info, std::size_t /*size*/, void* objects) {
  constexpr std::uint64_t page_bytes = 4096;
  Object object;
  object.range.start = UINT64_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    const std::uint64_t start = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD) {
      object.range.start = std::min(object.range.start, start / page_bytes * page_bytes);
      object.range.limit =
          std::max(object.range.limit, (start + segment.p_memsz + page_bytes - 1) / page_bytes * page_bytes);
    }
    if (segment.p_type == PT_DYNAMIC)
      read_dynamic_section(reinterpret_cast<const ElfW(Dyn)*>(start), info->dlpi_addr, object);
  }
  static_cast<std::vector<Object>*>(objects)->push_back(std::move(object));
  return 0;
}

// Marks what `from` needs, and itself.
void mark_needed(const std::vector<Object>& objects, std::size_t from, std::vector<bool>& marked) {
  if (marked[from]) return;
  marked[from] = true;
  for (const std::string_view name : objects[from].needs) {
    const auto found =
        std::find_if(objects.begin(), objects.end(), [name](const Object& one) { return one.name == name; });
    if (found != objects.end()) mark_needed(objects, static_cast<std::size_t>(found - objects.begin()), marked);
  }
}

}  // namespace

std::vector<AddressRange> own_objects() {
  std::vector<Object> objects;
  ::dl_iterate_phdr(add_object, &objects);
  const auto here = reinterpret_cast<std::uintptr_t>(&add_object);
  std::size_t self = 0;
  while (self < objects.size() && (here < objects[self].range.start || here >= objects[self].range.limit)) ++self;
  if (self == 0 || self == objects.size()) return {};
  std::vector<bool> ours(objects.size());
  mark_needed(objects, self, ours);
  std::vector<bool> of_others(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (!ours[i]) mark_needed(objects, i, of_others);
  }
  std::vector<AddressRange> ranges;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (ours[i] && !of_others[i]) ranges.push_back(objects[i].range);
  }
  return ranges;
}

}  // namespace plateau
