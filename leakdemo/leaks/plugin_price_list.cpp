// The plugin of unloaded_plugin: counts prices, and remembers its answers.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::size_t answer_bytes = 65'536;

struct Answer {
  char text[answer_bytes];
};

std::vector<Answer*>* answers = nullptr;

}  // namespace

extern "C" [[gnu::noinline]] std::uint64_t plugin_answer(std::uint64_t request) {
  if (answers == nullptr) answers = new std::vector<Answer*>;
  auto* const answer = new Answer;
  std::memset(answer->text, static_cast<int>(request), sizeof answer->text);
  answers->push_back(answer);
  return answers->size();
}

extern "C" void plugin_close() {
  if (answers == nullptr) return;
  for (const Answer* const answer : *answers) delete answer;
  delete answers;
  answers = nullptr;
}
