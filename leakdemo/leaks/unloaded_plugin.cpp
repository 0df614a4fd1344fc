#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

using Answer = std::uint64_t(std::uint64_t);
using Close = void();

// Beside the program.
class Plugin {
 public:
  Plugin() {
    const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    handle_ = ::dlopen((folder / "libleak_plugin.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) throw std::runtime_error(::dlerror());
  }
  ~Plugin() { ::dlclose(handle_); }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(handle_, name));
  }

 private:
  void* handle_ = nullptr;
};

class UnloadedAsItIs final : public Service {
 public:
  // The fault: a new version of the plugin is to be used at once, so it is loaded for each request and unloaded behind
  // it; what it remembers stays, and nobody has its address any more.
  void operate(std::uint64_t i) override {
    const Plugin plugin;
    plugin.function<Answer>("plugin_answer")(i);
  }
};

class ClosedBefore final : public Service {
 public:
  // The repair: the plugin gives back what it has.
  void operate(std::uint64_t i) override {
    const Plugin plugin;
    plugin.function<Answer>("plugin_answer")(i);
    plugin.function<Close>("plugin_close")();
  }
};

}  // namespace

constinit const Leak unloaded_plugin{
    .name = "unloaded_plugin",
    .sentence = "a plugin is unloaded, and what it remembers stays behind without an owner",
    .kind = LeakKind::unreachable,
    .place = {"plugin_answer"},
    .operations = 256,
    .bytes_per_operation = 65'536 + 32,
    .make = fault_or_repair<UnloadedAsItIs, ClosedBefore>,
};

}  // namespace plateau::leakdemo
