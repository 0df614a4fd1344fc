#include "tests/labs/written_result.hpp"

#include "labs/report/result_file.hpp"

namespace plateau::testing {

boost::json::object read_result(const std::string& file) {
  return report::read_result(file).result;
}

}  // namespace plateau::testing
