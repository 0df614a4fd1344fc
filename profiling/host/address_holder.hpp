// Who listens where a server would.
#pragma once

#include <string>

#include "profiling/http/server_address.hpp"

namespace plateau {

// "orders (process 1234)" of the one that listens at the address: as it announced itself, or as /proc tells. Empty when
// it is not to be found: processes of other users show their descriptors to root only. Reads the descriptors of every
// process of the machine at worst, some milliseconds for a hundred of them.
std::string holder_of(const ServerAddress& address);

}  // namespace plateau
