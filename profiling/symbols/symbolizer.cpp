#include "profiling/symbolizer.hpp"

#include <chrono>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "profiling/symbols/demangled_name.hpp"
#include "profiling/symbols/dwarf_names.hpp"
#include "profiling/symbols/function_name.hpp"
#include "profiling/symbols/object_file.hpp"
#include "profiling/symbols/perf_map.hpp"

namespace plateau {

class Symbolizer::State {
 public:
  explicit State(Options options) : options_(std::move(options)) {}

  std::span<const Frame> frames(const Mapping& mapping, std::uint64_t address, Effort effort) {
    const std::lock_guard lock(mutex_);
    const Timer timer(cost_.nanoseconds);
    if (is_perf_map(mapping.file)) return frames_of_jit(mapping.file, address);
    if (effort == Effort::symbols && knows(mapping, address)) effort = Effort::full;
    Object& object = object_of(mapping, effort);
    if (object.file == nullptr) return {};
    const auto own_address = object.file->address_of(address - mapping.start + mapping.offset);
    if (!own_address) return {};
    const auto [entry, is_new] = object.frames.try_emplace(*own_address);
    if (is_new) entry->second = look_up(object, *own_address);
    return entry->second;
  }

  Detail detail(const Mapping& mapping, Effort effort) {
    const std::lock_guard lock(mutex_);
    const Timer timer(cost_.nanoseconds);
    if (is_perf_map(mapping.file)) return {.functions = true, .lines = false, .why_not = {}};
    if (effort == Effort::symbols && objects_.contains(key_of(mapping))) effort = Effort::full;
    Object& object = object_of(mapping, effort);
    if (object.file == nullptr) return {.functions = false, .lines = false, .why_not = object.why_not};
    const bool lines = object.file->has_lines();
    return {.functions = lines || object.file->has_symbols(), .lines = lines, .why_not = {}};
  }

  Cost cost() const {
    const std::lock_guard lock(mutex_);
    return cost_;
  }

  std::vector<std::string> unused_files() const {
    const std::lock_guard lock(mutex_);
    return {unused_files_.begin(), unused_files_.end()};
  }

 private:
  struct Object {
    std::unique_ptr<ObjectFile> file;  // null: cannot be used
    std::string why_not;
    std::unordered_map<std::uint64_t, std::vector<Frame>> frames;
    std::unordered_map<const void*, const Function*> functions;  // by DIE
    DwarfNames names;
  };

  class Timer {
   public:
    explicit Timer(std::int64_t& nanoseconds) : nanoseconds_(nanoseconds) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { nanoseconds_ += std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin_).count(); }

   private:
    std::int64_t& nanoseconds_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  };

  static std::string key_of(const Mapping& mapping) {
    return mapping.file + '\n' + mapping.build_id +
           (mapping.build_id.empty() && !mapping.file_is_it ? "\nanother" : "");
  }

  // Code is made and replaced all the time, and the program appends to its map.
  std::span<const Frame> frames_of_jit(const std::string& path, std::uint64_t address) {
    PerfMap& map = perf_maps_.try_emplace(path, path).first->second;
    map.update();
    const std::string name(map.name_at(address));
    if (name.empty()) return {};
    const Function* const function = unique({name, name, {}, 0});
    const auto [entry, is_new] = jit_frames_.try_emplace(function);
    if (is_new) entry->second = {function, 0};
    return {&entry->second, 1};
  }

  Object& object_of(const Mapping& mapping, Effort effort) {
    auto& objects = effort == Effort::full ? objects_ : objects_without_lines_;
    const auto [entry, is_new] = objects.try_emplace(key_of(mapping));
    if (is_new) {
      Options options = options_;
      options.lines = options.lines && effort == Effort::full;
      ObjectFile::Opened opened = ObjectFile::open(mapping, options);
      entry->second.file = std::move(opened.file);
      entry->second.why_not = std::move(opened.why_not);
      if (!entry->second.why_not.empty()) {
        unused_files_.insert(unused_file(mapping, {.why_not = entry->second.why_not}));
      }
      if (entry->second.file != nullptr) ++cost_.files;
    }
    return entry->second;
  }

  // Whether the address was looked up in full before.
  bool knows(const Mapping& mapping, std::uint64_t address) const {
    const auto object = objects_.find(key_of(mapping));
    if (object == objects_.end() || object->second.file == nullptr) return false;
    const auto own_address = object->second.file->address_of(address - mapping.start + mapping.offset);
    return own_address && object->second.frames.contains(*own_address);
  }

  std::vector<Frame> look_up(Object& object, std::uint64_t address) {
    ++cost_.addresses;
    std::vector<Frame> frames;
    found_.clear();
    object.file->append_frames(address, found_);
    for (DwarfFrame& frame : found_) {
      const Function* const function = frame.function ? function_of(object, *frame.function, frame.file)
                                                      : function_of_symbol(object.file->symbol_at(address), frame.file);
      if (function != nullptr) frames.push_back({function, frame.line});
    }
    if (frames.empty()) {
      const Function* const function = function_of_symbol(object.file->symbol_at(address), nullptr);
      if (function != nullptr) frames.push_back({function, 0});
    }
    return frames;
  }

  // A function has one file for pprof, so one whose lines come from two files is two functions.
  const Function* function_of(Object& object, Dwarf_Die& die, const char* file) {
    const Function*& function = object.functions[die.addr];
    const std::string_view path = normal_path(file);
    if (function != nullptr && function->file == path) return function;
    int start_line = 0;
    dwarf_decl_line(&die, &start_line);
    const char* const linked = DwarfNames::linkage_name(die);
    // pprof takes a name that equals the system name for a mangled one, and cuts it.
    const char* const system_name = linked != nullptr ? linked : dwarf_diename(&die);
    if (system_name == nullptr) return nullptr;
    auto name = linked != nullptr ? demangled_name(linked, options_.names) : std::nullopt;
    if (!name) name = shown_cpp_name(object.names.qualified_name(die), options_.names);
    return function = unique({*std::move(name), system_name, std::string(path), start_line});
  }

  const Function* function_of_symbol(const char* symbol, const char* file) {
    if (symbol == nullptr) return nullptr;
    auto name = demangled_name(symbol, options_.names);
    if (!name) name = shown_cpp_name(symbol, options_.names);
    return unique({*std::move(name), symbol, std::string(normal_path(file)), 0});
  }

  // Compilation units repeat inline functions: the same one is kept once. Instances of a template are functions of
  // their own, though their short names are one: what a function is must not depend on which of them was asked for
  // first.
  const Function* unique(Function function) {
    const auto [entry, is_new] =
        functions_by_identity_.try_emplace(function.name + '\n' + function.system_name + '\n' + function.file + '\n' +
                                           std::to_string(function.start_line));
    if (is_new) entry->second = &functions_.emplace_back(std::move(function));
    return entry->second;
  }

  // "build/../a.cpp" is "a.cpp". Paths live as long as the debug information, so their address tells them apart.
  std::string_view normal_path(const char* file) {
    if (file == nullptr) return {};
    std::string& path = paths_[file];
    if (path.empty()) path = std::filesystem::path(file).lexically_normal().string();
    return path;
  }

  const Options options_;
  mutable std::mutex mutex_;
  Cost cost_;
  std::unordered_map<std::string, Object> objects_;
  std::unordered_map<std::string, Object> objects_without_lines_;
  std::set<std::string> unused_files_;
  std::unordered_map<std::string, PerfMap> perf_maps_;
  std::unordered_map<const Function*, Frame> jit_frames_;
  std::deque<Function> functions_;
  std::unordered_map<std::string, const Function*> functions_by_identity_;
  std::unordered_map<const void*, std::string> paths_;
  std::vector<DwarfFrame> found_;  // of one look-up; kept for its memory
};

Symbolizer::Symbolizer() : Symbolizer(Options{}) {}
Symbolizer::Symbolizer(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Symbolizer::~Symbolizer() = default;

std::span<const Frame> Symbolizer::frames(const Mapping& mapping, std::uint64_t address, Effort effort) {
  return state_->frames(mapping, address, effort);
}

Symbolizer::Detail Symbolizer::detail(const Mapping& mapping, Effort effort) {
  return state_->detail(mapping, effort);
}

std::vector<std::string> Symbolizer::unused_files() const {
  return state_->unused_files();
}

std::string unused_file(const Mapping& mapping, const Symbolizer::Detail& detail) {
  return mapping.file + ' ' + detail.why_not + ": functions in it have no names";
}

Symbolizer::Cost Symbolizer::cost() const {
  return state_->cost();
}

}  // namespace plateau
