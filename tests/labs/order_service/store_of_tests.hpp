// The store that all tests of the order service's parts read: a large one, made once a process.
#pragma once

#include "labs/order_service/store.hpp"

namespace plateau::order_service {

inline const Store& store() {
  static const Store instance(1);
  return instance;
}

}  // namespace plateau::order_service
