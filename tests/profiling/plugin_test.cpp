// Protects names of code whose file is not what it was: plugins that are unloaded, replaced or deleted while profiles
// of their program are taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/profiling/served_program.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

class Plugin : public ::testing::Test {
 protected:
  Plugin() {
    fs::copy(FIXTURES "/libplugin.so", plugin_);
    command(plugin_);
    command("fill");
  }

  void command(const std::string& line) {
    host_.write_line(line);
    ASSERT_EQ(host_.read_line(), "done");
  }
  std::string heap() const { return host_.text("/debug/pprof/heap?debug=1"); }

  // As a package manager does.
  void replace_by(const std::string& file) {
    fs::copy(file, folder_ / "new");
    fs::rename(folder_ / "new", plugin_);
  }

  ScratchFolder folder_;
  const std::string plugin_ = folder_ / "plugin.so";
  Served host_{{FIXTURES "/plugin_host"}, {}, {"PLATEAU_SAMPLE_PERIOD=65536"}};
};

TEST_F(Plugin, KeepsItsNamesWhenItIsUnloaded) {
  EXPECT_THAT(heap(), HasSubstr("keep_a_block"));
  EXPECT_EQ(host_.status("/debug/pprof/delta_heap"), 200U);
  command("unload");
  EXPECT_THAT(heap(), HasSubstr("keep_a_block"));
  for (int again = 0; again < 2; ++again) EXPECT_EQ(host_.status("/debug/pprof/delta_heap"), 200U);
}

TEST_F(Plugin, KeepsItsNamesWhenNoProfileWasTakenBefore) {
  command("unload");
  EXPECT_THAT(heap(), HasSubstr("keep_a_block"));
}

TEST_F(Plugin, IsNamedByItsFileWhenThatIsGone) {
  command("unload");
  fs::remove(plugin_);
  EXPECT_THAT(heap(),
              AllOf(HasSubstr("[plugin.so, unloaded]"), HasSubstr("cannot be read"), Not(HasSubstr("keep_a_block"))));
}

TEST_F(Plugin, HasNoNamesOfAnotherBuild) {
  command("unload");
  replace_by(FIXTURES "/libother_plugin.so");
  EXPECT_THAT(heap(), AllOf(HasSubstr("[plugin.so, unloaded]"), HasSubstr("is of another build"),
                            Not(HasSubstr("keep_another_block")), Not(HasSubstr("keep_a_block"))));
}

TEST_F(Plugin, IsReadThoughItWasReplacedWhileItIsMappedOrItIsSaid) {
  replace_by(FIXTURES "/libother_plugin.so");
  const std::string text = heap();
  EXPECT_THAT(text, Not(HasSubstr("keep_another_block")));
  // Only root may have what the kernel still has.
  EXPECT_THAT(text, ::testing::AnyOf(HasSubstr("keep_a_block"), HasSubstr("is of another build")));
}

TEST_F(Plugin, WithoutABuildIdIsNotReadOnceItWasReplaced) {
  command("unload");
  const std::string plain = folder_ / "plain.so";
  ASSERT_EQ(run("/usr/bin/objcopy", {"--remove-section=.note.gnu.build-id", plugin_, plain}).status, 0);
  command(plain);
  command("fill");
  EXPECT_THAT(heap(), HasSubstr("plain.so")) << "as long as it is there";
  fs::rename(plugin_, plain);
  EXPECT_THAT(heap(), HasSubstr("plain.so was deleted or replaced since it was mapped"));
}

}  // namespace
}  // namespace plateau::testing
