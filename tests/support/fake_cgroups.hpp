// A cgroup hierarchy as the kernel shows it, in files of the test's own.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "allocators/memory_headroom.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {

class FakeCgroups {
 public:
  explicit FakeCgroups(const ScratchFolder& folder) : root_(folder.path()) {
    files.mounts = root_ / "mounts";
    files.own_groups = root_ / "own";
  }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  // Has the kernel's own file in the place of one.
  void link(const std::string& file, const std::filesystem::path& kernels) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::filesystem::create_symlink(kernels, root_ / file);
  }
  std::string root() const { return root_; }

  CgroupFiles files;

 private:
  std::filesystem::path root_;
};

}  // namespace plateau::testing
