// The answer to a request: that it was done, or one sentence that says why not.
#pragma once

namespace plateau {

// `reason` says in one sentence why it was not done, or what cannot be had; empty when it was. As a std::string_view it
// is a literal and costs nothing, so that paths which must not allocate can say no; as a std::string it may name what
// was asked for.
template <class Text>
struct Reply {
  bool done = false;
  Text reason;
};

}  // namespace plateau
