// Profiles, as the pages draw them.
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

namespace plateau::report {

// Of all arms: [{"arm", "moment", "file", "comments": [TEXT…], "names": [TEXT…],
//   "types": {"inuse_space": {"unit", "total", "tree": NODE}, "alloc_space": …, "space": …, "pause": …, …},
//   "crossings": [[FROM, TO, objects, bytes]…]}…],
// where NODE is [index of its name, value, [NODE…]], and crossings are what thread FROM allocated and TO freed. What is
// less than 1/5000 of the whole is left out of a tree, and so is a type of which the profile has nothing. A profile is
// looked for where the lab wrote it, from this folder or from that of the result at `result_path`; what is not there is
// left out and told in `missing`. Throws std::runtime_error, in one line that names the file, when a profile cannot be
// read.
boost::json::array heap_trees(const boost::json::object& result, const std::string& result_path,
                              std::vector<std::string>& missing);

}  // namespace plateau::report
