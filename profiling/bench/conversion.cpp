// How much faster heap2pprof is than jeprof on the same large dump, and how much memory it takes:
//
//   conversion <many_stacks> <heap2pprof> <scratch folder>
//
// jeprof prints functions only; heap2pprof writes functions, files, lines and inlined frames. The two take turns. Exit
// status 0: the targets hold; 1: they do not; 2: something could not be run.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int rounds = 3;
constexpr double least_speedup = 50;
constexpr double most_memory = 10;  // times the dump

struct Run {
  double wall_seconds = 0;
  double cpu_seconds = 0;
  double peak_bytes = 0;
};

// Runs a program to its end, output to `output`; throws std::runtime_error when it fails.
Run run(const std::vector<std::string>& words, const std::string& output,
        std::initializer_list<const char*> environment = {}) {
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    for (const char* const variable : environment) ::putenv(const_cast<char*>(variable));
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error(words[0] + " failed");
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          seconds(usage.ru_utime) + seconds(usage.ru_stime), static_cast<double>(usage.ru_maxrss) * 1024};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int compare(const std::string& many_stacks, const std::string& heap2pprof, const std::string& folder) {
  std::filesystem::create_directories(folder);
  const std::string dump = folder + "/many.heap";
  run({many_stacks, "--stacks", "60000", dump}, folder + "/many_stacks.out",
      {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,lg_prof_sample:0"});
  const auto dump_bytes = static_cast<double>(std::filesystem::file_size(dump));

  std::vector<double> wall[2];
  std::vector<double> cpu[2];
  double peak = 0;
  for (int round = 0; round < rounds; ++round) {
    const Run theirs = run({"jeprof", "--text", many_stacks, dump}, folder + "/jeprof.out");
    const Run ours = run({heap2pprof, dump, "-o", folder + "/many.pb.gz"}, folder + "/heap2pprof.out");
    wall[0].push_back(theirs.wall_seconds);
    cpu[0].push_back(theirs.cpu_seconds);
    wall[1].push_back(ours.wall_seconds);
    cpu[1].push_back(ours.cpu_seconds);
    peak = std::max(peak, ours.peak_bytes);
  }
  const double wall_ratio = median(wall[0]) / median(wall[1]);
  const double cpu_ratio = median(cpu[0]) / median(cpu[1]);
  const bool holds = wall_ratio >= least_speedup && peak <= most_memory * dump_bytes;
  fmt::print("a jemalloc dump of {:.1f} MB and 60,000 stacks; medians of {} runs that take turns\n", dump_bytes / 1e6,
             rounds);
  fmt::print("{:34} {:>9} {:>9}\n", "", "wall s", "CPU s");
  fmt::print("{:34} {:9.3f} {:9.3f}\n", "jeprof --text (functions)", median(wall[0]), median(cpu[0]));
  fmt::print("{:34} {:9.3f} {:9.3f}\n", "heap2pprof (lines, inlined frames)", median(wall[1]), median(cpu[1]));
  fmt::print("{:34} {:8.0f}x {:8.0f}x   target: {}x of wall time\n", "faster", wall_ratio, cpu_ratio, least_speedup);
  fmt::print("{:34} {:6.1f} MB, {:.1f} x the dump   target: {} x\n", "peak memory of heap2pprof", peak / 1e6,
             peak / dump_bytes, most_memory);
  fmt::print("{}\n", holds ? "the targets hold" : "the targets do not hold");
  return holds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw std::runtime_error("arguments: <many_stacks> <heap2pprof> <scratch folder>");
    return compare(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "conversion: {}\n", error.what());
    return 2;
  }
}
