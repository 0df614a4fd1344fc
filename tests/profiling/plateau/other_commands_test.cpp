// Protects the small subcommands: ps, diff and convert, and how mistakes are answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string dump(const std::string& bytes) {
  return "heap_v2/1\n  t*: 1: " + bytes + " [0: 0]\n@ 0x1000 0x2000\n  t*: 1: " + bytes +
         " [0: 0]\n\nMAPPED_LIBRARIES:\n00001000-00003000 r-xp 00000000 00:00 0 /nowhere/service\n";
}

TEST(PlateauPs, ListsWhoIsServed) {
  const ScratchFolder folder;
  const std::string runtime = "XDG_RUNTIME_DIR=" + folder.path().string();
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  ChildProgram served({"cat"}, {runtime, "LD_PRELOAD=" AGENT, "PLATEAU_PPROF=127.0.0.1:0", "PLATEAU_PPROF_VERBOSE=1"});
  ASSERT_THAT(served.read_error_line(), HasSubstr("listening"));
  const Finished ps = run_to_end({PLATEAU, "ps"}, {runtime});
  EXPECT_EQ(ps.status, 0);
  EXPECT_THAT(ps.out, HasSubstr(std::to_string(served.pid())));
  EXPECT_THAT(ps.out, HasSubstr("cat"));
  EXPECT_THAT(ps.out, HasSubstr("127.0.0.1:"));
}

TEST(PlateauDiff, ShowsWhatGrew) {
  const ScratchFolder folder;
  folder.write("a.heap", dump("1000"));
  folder.write("b.heap", dump("5000"));
  const Finished top = run_to_end({PLATEAU, "diff", folder / "a.heap", folder / "b.heap"});
  EXPECT_EQ(top.status, 0) << top.error;
  EXPECT_THAT(top.out, HasSubstr("3.91kB")) << "4000 bytes";
  const Finished written =
      run_to_end({PLATEAU, "diff", folder / "a.heap", folder / "b.heap", "-o", folder / "grown.pb.gz"});
  EXPECT_EQ(written.status, 0) << written.error;
  EXPECT_EQ(written.out, "") << "nobody asked for a table";
  EXPECT_EQ(read_pprof(read_text(folder / "grown.pb.gz")).total("inuse_space"), 4000);
  EXPECT_EQ(run_to_end({PLATEAU, "diff", folder / "a.heap"}).status, 2);
}

TEST(PlateauConvert, DoesWhatHeap2pprofDoes) {
  const ScratchFolder folder;
  folder.write("a.heap", dump("1000"));
  const Finished by_plateau = run_to_end({PLATEAU, "convert", "--top", folder / "a.heap"});
  const Finished by_its_own = run_to_end({HEAP2PPROF, "--top", folder / "a.heap"});
  EXPECT_EQ(by_plateau.status, 0) << by_plateau.error;
  EXPECT_EQ(by_plateau.out, by_its_own.out);
  const Finished missing = run_to_end({PLATEAU, "convert", folder / "missing.heap"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.error, HasSubstr("plateau convert: "));
}

TEST(PlateauTexts, AreWhatBashAndManUnderstand) {
  const ScratchFolder folder;
  const Finished completion = run_to_end({PLATEAU, "completion"});
  EXPECT_EQ(completion.status, 0);
  folder.write("plateau", completion.out);
  const auto completed = [&](const std::string& words, int index) {
    return run_to_end({"bash", "-c",
                       "source " + (folder / "plateau") + "; COMP_WORDS=(" + words +
                           "); COMP_CWORD=" + std::to_string(index) + "; _plateau; echo ${COMPREPLY[*]}"});
  };
  EXPECT_EQ(completed("plateau wh", 1).out, "why\n");
  EXPECT_EQ(completed("plateau run --add", 2).out, "--address\n");
  EXPECT_EQ(completed("plateau diff --flam", 2).out, "--flame\n");
  EXPECT_EQ(completed("plateau wh", 1).error, "");
  const Finished manual = run_to_end({PLATEAU, "man"});
  folder.write("plateau.1", manual.out);
  const Finished shown =
      run_to_end({"man", "--warnings", "-l", folder / "plateau.1"}, {"MANWIDTH=80", "LC_ALL=C.UTF-8"});
  if (shown.status == 127) GTEST_SKIP() << "no man";
  EXPECT_EQ(shown.error, "");
  for (const char* const text : {"plateau why", "--address", "PROGRAM ARGS"}) EXPECT_THAT(shown.out, HasSubstr(text));
}

TEST(Plateau, AnswersMistakesInOneLine) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {PLATEAU}, {PLATEAU, "nonsense"}, {PLATEAU, "ps", "more"}, {PLATEAU, "--x"}}) {
    const Finished run = run_to_end(arguments);
    EXPECT_EQ(run.status, 2) << arguments.back();
    EXPECT_EQ(std::count(run.error.begin(), run.error.end(), '\n'), 1) << run.error;
  }
  const Finished help = run_to_end({PLATEAU, "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* const command : {"run", "ps", "why", "diff", "convert"}) EXPECT_THAT(help.out, HasSubstr(command));
}

}  // namespace
}  // namespace plateau::testing
